// apt as a resolver with a state of its own: nothing of the machine's package state is read or
// changed, so it works as root and as any user and never asks for a lock on the system.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@drover/shared/errors";
import { parseStanzas, type Stanza } from "../core/deb/stanza.ts";
import type { Mirrors } from "./mirrors.ts";
import { runCommand } from "./run-command.ts";

/** apt cannot satisfy what the recipe asks for. */
export class PackageResolutionError extends FleetError {
  readonly code = "packages-unresolvable";
}

export const archiveKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** One package version as the archive's index describes it. */
export interface ResolvedPackage {
  readonly name: string;
  readonly version: string;
}

/** A private apt for one suite. */
export interface Apt {
  /** The packages that installing `names` on an empty system brings. */
  install(names: readonly string[]): Promise<ResolvedPackage[]>;
  /** The version apt would install of each name. */
  candidates(names: readonly string[]): Promise<Stanza[]>;
  /** All index entries of these exact versions. */
  describe(packages: readonly ResolvedPackage[]): Promise<Stanza[]>;
  /** Newest `Date:` of the signed indexes, epoch seconds. */
  newestIndexAtSeconds(): Promise<number>;
}

function configuration(folder: string, architecture: string): string {
  const values: Record<string, string> = {
    "Dir::State": join(folder, "state"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Cache": join(folder, "cache"),
    "Dir::Etc::sourcelist": join(folder, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::Etc::preferences": "-",
    "Dir::Etc::preferencesparts": "-",
    "APT::Architecture": architecture,
    "APT::Install-Recommends": "false",
    "APT::Install-Suggests": "false",
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
  };
  const lines = Object.entries(values).map(([key, value]) => `${key} "${value}";\n`);
  return `${lines.join("")}APT::Architectures { "${architecture}"; };\n`;
}

/** Prepares the private state in `folder` and reads the archive's current indexes. */
export async function openApt(options: {
  readonly folder: string;
  readonly mirrors: Mirrors;
  readonly suite: string;
  readonly components: readonly string[];
  readonly architecture: string;
  readonly signal?: AbortSignal | undefined;
}): Promise<Apt> {
  const { folder, mirrors, suite, signal } = options;
  for (const part of ["state/lists/partial", "cache/archives/partial"]) {
    await mkdir(join(folder, part), { recursive: true });
  }
  const components = options.components.join(" ");
  const source = (uri: string, name: string): string =>
    `deb [signed-by=${archiveKeyring}] ${uri} ${name} ${components}\n`;
  await writeFile(join(folder, "status"), "");
  await writeFile(
    join(folder, "sources.list"),
    source(mirrors.debian, suite) + source(mirrors["debian-security"], `${suite}-security`),
  );
  const config = join(folder, "apt.conf");
  await writeFile(config, configuration(folder, options.architecture));
  const run = (program: string, args: readonly string[]): Promise<string> =>
    runCommand(program, args, { environment: { APT_CONFIG: config }, signal });
  await run("apt-get", ["-q", "update"]);
  return {
    async install(names) {
      if (names.length === 0) return [];
      const plan = await run("apt-get", ["install", "--simulate", ...names]).catch((cause) => {
        throw new PackageResolutionError(`apt cannot install ${names.join(" ")}`, { cause });
      });
      return plan.split("\n").flatMap((line) => {
        const match = /^Inst (\S+) \((\S+) /.exec(line);
        return match === null ? [] : [{ name: match[1] ?? "", version: match[2] ?? "" }];
      });
    },
    async candidates(names) {
      if (names.length === 0) return [];
      return parseStanzas(await run("apt-cache", ["show", "--no-all-versions", ...names]));
    },
    async describe(packages) {
      const exact = packages.map(({ name, version }) => `${name}=${version}`);
      return parseStanzas(await run("apt-cache", ["show", ...exact]));
    },
    async newestIndexAtSeconds() {
      const lists = join(folder, "state/lists");
      let newest = 0;
      for (const name of await readdir(lists)) {
        if (!name.endsWith("InRelease")) continue;
        const date = /^Date: (.+)$/m.exec(await readFile(join(lists, name), "utf8"))?.[1];
        newest = Math.max(newest, Date.parse(date ?? "") / 1000 || 0);
      }
      return newest;
    },
  };
}
