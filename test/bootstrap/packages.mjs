// The Debian packages that parts of Drover use, by purpose. Names are the same in Debian 12 and 13.
// None of them starts a service of its own.

/** @type {Readonly<Record<string, { why: string, packages: readonly string[] }>>} */
export const debianPackages = {
  image: {
    why: "building images from Debian packages",
    packages: ["apt", "debian-archive-keyring", "xz-utils"],
  },
  lab: {
    why: "virtual machines with real firmware",
    packages: [
      "busybox-static",
      "dnsmasq-base",
      "iproute2",
      "ipxe-qemu",
      "ovmf",
      "qemu-system-x86",
      "qemu-utils",
      "seabios",
      "util-linux",
    ],
  },
  tools: {
    why: "other people's tools, which tests hold our formats against",
    packages: [
      "cpio",
      "cryptsetup-bin",
      "dosfstools",
      "e2fsprogs",
      "erofs-utils",
      "fdisk",
      "gdisk",
      "grub-common",
      "mtools",
    ],
  },
  browser: {
    why: "tests of the console in a browser",
    packages: ["chromium"],
  },
};
