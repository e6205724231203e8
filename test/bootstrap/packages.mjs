// The Debian packages that parts of Drover use, by purpose. Names are the same in Debian 12 and 13.
// None of them starts a service of its own.

/** @type {Readonly<Record<string, { why: string, packages: readonly string[] }>>} */
export const debianPackages = {
  image: {
    why: "building images from Debian packages",
    packages: [
      "apt",
      "ca-certificates",
      "cryptsetup-bin",
      "debian-archive-keyring",
      "dpkg",
      "grub-common",
      "grub-efi-amd64-bin",
      "grub-efi-amd64-signed",
      "grub-pc-bin",
      "ipxe",
      "shim-signed",
      "xz-utils",
      "zstd",
    ],
  },
  lab: {
    why: "virtual machines with real firmware",
    packages: [
      "iproute2",
      "ipxe-qemu",
      "ovmf",
      "qemu-system-x86",
      "qemu-utils",
      "seabios",
      "util-linux",
    ],
  },
  browser: {
    why: "tests of the console in a browser",
    packages: ["chromium"],
  },
};
