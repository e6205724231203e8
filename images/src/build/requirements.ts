// What the build needs from the machine it runs on. Everything else comes out of pinned packages.

/** A Debian package that must be installed, and a command that proves it is. */
export interface BuildRequirement {
  readonly aptPackage: string;
  readonly probe: readonly [string, ...string[]];
  readonly because: string;
}

/** Checked by the set-up before a build; none of them needs root to run. */
export const buildRequirements: readonly BuildRequirement[] = [
  { aptPackage: "apt", probe: ["apt-get", "--version"], because: "resolves and fetches packages" },
  { aptPackage: "xz-utils", probe: ["xz", "--version"], because: "unpacks packages" },
  {
    aptPackage: "debian-archive-keyring",
    probe: ["test", "-r", "/usr/share/keyrings/debian-archive-keyring.gpg"],
    because: "checks the archive's signatures",
  },
];
