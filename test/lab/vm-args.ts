// The QEMU command line of one lab computer. Unless asked otherwise the disk comes before the network,
// so that an empty disk falls through to PXE; a hardware watchdog is always fitted.
import type { Accel } from "./accel.ts";

/**
 * `bios`: SeaBIOS and iPXE ROM. `uefi`: OVMF without Secure Boot. `uefi-secure`: OVMF with Microsoft's
 * keys and Secure Boot on.
 */
export type VmFirmware = "bios" | "uefi" | "uefi-secure";

/** What the network card does at boot: the ROM of QEMU (iPXE), or on UEFI the firmware's own stack. */
export type NicBoot = "ipxe-rom" | "firmware-pxe" | "firmware-http";

export interface VmDisk {
  /** A raw file, or `nbd+unix:///?socket=PATH`. */
  readonly file: string;
  readonly serial: string;
}

export interface VmShape {
  readonly name: string;
  readonly firmware: VmFirmware;
  readonly memoryMb: number;
  readonly mac: string;
  readonly nicBoot: NicBoot;
  readonly isNetworkFirst?: boolean;
  readonly disks: readonly VmDisk[];
}

export interface VmPlaces {
  readonly tap: string;
  readonly qmpSocket: string;
  /** The VM's own copy of the UEFI variables. */
  readonly varsFile: string;
  readonly accel: Accel["kind"];
}

const ovmf = "/usr/share/OVMF";

/** Firmware code, and the variables a new VM starts with; undefined for BIOS. */
export function firmwareFiles(firmware: VmFirmware): { code: string; vars: string } | undefined {
  if (firmware === "bios") return undefined;
  return firmware === "uefi"
    ? { code: `${ovmf}/OVMF_CODE_4M.fd`, vars: `${ovmf}/OVMF_VARS_4M.fd` }
    : { code: `${ovmf}/OVMF_CODE_4M.ms.fd`, vars: `${ovmf}/OVMF_VARS_4M.ms.fd` };
}

export function vmArgs(shape: VmShape, places: VmPlaces): string[] {
  return [
    ...["-name", shape.name, "-nodefaults", "-no-user-config", "-display", "none"],
    ...["-accel", places.accel === "kvm" ? "kvm" : "tcg,thread=multi", "-cpu", "max"],
    ...["-m", String(shape.memoryMb), "-smp", "1", "-serial", "stdio"],
    ...["-chardev", `socket,id=qmp,path=${places.qmpSocket},server=on,wait=off`],
    ...["-mon", "chardev=qmp,mode=control"],
    ...["-object", "rng-random,id=rng0,filename=/dev/urandom"],
    ...["-device", "virtio-rng-pci,rng=rng0", "-device", "i6300esb", "-action", "watchdog=reset"],
    ...firmwareArgs(shape, places),
    ...nicArgs(shape, places),
    ...shape.disks.flatMap(diskArgs),
  ];
}

function firmwareArgs(shape: VmShape, places: VmPlaces): string[] {
  const files = firmwareFiles(shape.firmware);
  // graphics=off sends the BIOS screen, and with it iPXE's and GRUB's, to the serial port.
  if (files === undefined) return ["-M", "q35,graphics=off"];
  // Secure Boot variables are safe only from system management mode.
  const secure =
    shape.firmware === "uefi-secure"
      ? ["-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]
      : ["-M", "q35"];
  const pxeSwitch = (family: string): string[] => [
    ...["-fw_cfg", `name=opt/org.tianocore/${family}PXESupport,string=no`],
  ];
  return [
    ...secure,
    ...["-drive", `if=pflash,format=raw,unit=0,readonly=on,file=${files.code}`],
    ...["-drive", `if=pflash,format=raw,unit=1,file=${places.varsFile}`],
    ...(shape.nicBoot === "firmware-http" ? pxeSwitch("IPv4") : []),
    ...pxeSwitch("IPv6"),
  ];
}

function nicArgs(shape: VmShape, places: VmPlaces): string[] {
  const bootIndex = shape.isNetworkFirst === true ? 0 : 9;
  const rom = shape.nicBoot === "ipxe-rom" ? "" : ",romfile=";
  return [
    ...["-netdev", `tap,id=n0,ifname=${places.tap},script=no,downscript=no`],
    ...["-device", `virtio-net-pci,netdev=n0,mac=${shape.mac},bootindex=${bootIndex}${rom}`],
  ];
}

function diskArgs(disk: VmDisk, index: number): string[] {
  const drive = `if=none,id=d${index},file=${disk.file},format=raw,cache=writeback,discard=unmap`;
  return [
    ...["-drive", disk.file.startsWith("nbd") ? drive : `${drive},aio=threads`],
    ...["-device", `virtio-blk-pci,drive=d${index},serial=${disk.serial},bootindex=${index + 1}`],
  ];
}
