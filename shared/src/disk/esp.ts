// Which files the EFI system partition of a node holds. One grub.cfg and one grubenv serve both
// firmwares: GRUB's BIOS core and Debian's signed GRUB both have the prefix /EFI/debian.

import { type BootEnv, encodeBootEnv } from "./boot-env.ts";
import { latin1Bytes } from "./bytes.ts";
import { DiskInputError } from "./disk-errors.ts";
import type { FatFile } from "./fat-tree.ts";
import { type DiskConfig, encodeDiskConfig, espPaths, grubConfig } from "./grub-config.ts";

/** Volume label of the ESP. For people only: nothing searches for it. */
export const espLabel = "DROVER-ESP";

/** Programs as Debian ships them. Empty blobs are refused. */
export interface EspPrograms {
  /** `shimx64.efi.signed` */
  readonly shim: Uint8Array;
  /** `mmx64.efi.signed`, shim's key manager. */
  readonly keyManager: Uint8Array;
  /** `grubx64.efi.signed` */
  readonly grub: Uint8Array;
  /** `grubnetx64.efi.signed`, the last resort on UEFI. */
  readonly grubNet: Uint8Array;
  /** `ipxe.lkrn`, the last resort on BIOS. */
  readonly ipxe: Uint8Array;
}

export interface EspRequest {
  readonly programs: EspPrograms;
  readonly disk: DiskConfig;
  readonly env: BootEnv;
  /** iPXE script of the last resort on BIOS; {@link defaultRescueScript} unless given. */
  readonly rescueScript?: string;
  /** IPv4 address of the site agent as known at installation; see {@link rescueGrubConfig}. */
  readonly siteServer?: string;
  readonly retrySeconds?: number;
}

/** Boots whatever the site's boot service offers; on failure waits and restarts the computer. */
export const defaultRescueScript = `#!ipxe
echo drover: rescue from the network
dhcp || goto failed
autoboot || goto failed
:failed
echo drover: no answer
sleep 30
reboot
`;

/**
 * The same for Debian's network GRUB, which speaks TFTP: it runs `rescue.cfg` of the server that DHCP
 * names and then of `siteServer`, for sites whose DHCP server names none (IPv4 address).
 */
export function rescueGrubConfig(siteServer?: string): string {
  if (siteServer !== undefined && !/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(siteServer)) {
    throw new DiskInputError(`${JSON.stringify(siteServer)} is no IPv4 address`);
  }
  // Started from a disk, GRUB sets no default server: each interface has its own variable.
  const named = [0, 1, 2, 3].map((n) => `$net_efinet${n}_dhcp_next_server`);
  const servers = siteServer === undefined ? named : [...named, siteServer];
  return `echo "drover: rescue from the network"
net_bootp
for server in ${servers.join(" ")}; do
  source (tftp,$server)/rescue.cfg
done
echo "drover: no answer"
sleep 30
reboot
`;
}

/**
 * The file list for `buildFat`. shim's fallback program is left out on purpose: beside shim it would
 * write firmware boot entries, and nothing here may rely on those.
 */
export function espFiles(request: EspRequest): FatFile[] {
  const { programs } = request;
  for (const [name, bytes] of Object.entries(programs)) {
    if (bytes.length === 0) throw new DiskInputError(`the boot program ${name} is empty`);
  }
  const options = request.retrySeconds === undefined ? {} : { retrySeconds: request.retrySeconds };
  const text = (path: string, content: string): FatFile => ({ path, bytes: latin1Bytes(content) });
  return [
    { path: "EFI/BOOT/BOOTX64.EFI", bytes: programs.shim },
    { path: "EFI/BOOT/grubx64.efi", bytes: programs.grub },
    { path: "EFI/BOOT/mmx64.efi", bytes: programs.keyManager },
    text("EFI/BOOT/grub.cfg", `configfile ($root)/${espPaths.grubConfig}\n`),
    text(espPaths.grubConfig, grubConfig(options)),
    { path: espPaths.grubenv, bytes: encodeBootEnv(request.env) },
    { path: espPaths.diskConfig, bytes: encodeDiskConfig(request.disk) },
    { path: espPaths.rescueNet, bytes: programs.grubNet },
    { path: espPaths.rescueBios, bytes: programs.ipxe },
    text(espPaths.rescueScript, request.rescueScript ?? defaultRescueScript),
    // Where Debian's network GRUB looks, relative to the disk it was started from.
    text("grub/grub.cfg", rescueGrubConfig(request.siteServer)),
  ];
}
