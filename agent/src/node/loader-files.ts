// The boot programs that the installer carries for the disks it writes. All are there before a disk is
// touched.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EspPrograms } from "@drover/shared/disk/esp";
import type { BiosLoader } from "./install-disk.ts";

export const loaderFolder = "/usr/lib/drover/loader";

export interface LoaderPrograms {
  readonly programs: EspPrograms;
  readonly bios: BiosLoader;
}

export function readLoaderPrograms(folder: string = loaderFolder): LoaderPrograms {
  const read = (name: string): Uint8Array => readFileSync(join(folder, name));
  return {
    programs: {
      shim: read("shimx64.efi"),
      keyManager: read("mmx64.efi"),
      grub: read("grubx64.efi"),
      grubNet: read("grubnetx64.efi"),
      ipxe: read("ipxe.lkrn"),
    },
    bios: { bootImage: read("boot.img"), coreImage: read("core.img") },
  };
}
