// Puts a whole system on an empty disk: slot a, site config, state, ESP, and last of all the partition
// table and boot code. Cut at any instant before that, the disk does not boot and the node comes back
// to the network.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeExtents } from "@drover/shared/disk/block-io";
import { placeBootCode } from "@drover/shared/disk/boot-code";
import { initialEnv } from "@drover/shared/disk/boot-env";
import { type EspPrograms, espFiles, espLabel } from "@drover/shared/disk/esp";
import { buildFat } from "@drover/shared/disk/fat";
import { encodeGpt } from "@drover/shared/disk/gpt";
import {
  type DiskLayout,
  mebibyte,
  partitionOf,
  planLayout,
  stateFileSystemLabel,
} from "@drover/shared/disk/layout";
import type { DiskLayoutSizes } from "@drover/shared/site/procedure";
import type { BlockDevice } from "./block-device.ts";
import { SlotWriteError } from "./slot-errors.ts";
import { writeDurably } from "./state-file.ts";
import { type SlotRequest, type WrittenSlot, writeSlot } from "./write-slot.ts";

const run = promisify(execFile);

/** GRUB for BIOS: first-stage sector and core image. Null on 4Kn disks, which BIOS cannot boot. */
export interface BiosLoader {
  readonly bootImage: Uint8Array;
  readonly coreImage: Uint8Array;
}

export interface InstallDiskRequest {
  readonly device: BlockDevice;
  readonly diskGuid: string;
  readonly sizes: DiskLayoutSizes;
  readonly slot: Omit<SlotRequest, "device" | "parts" | "slot" | "seeds">;
  readonly programs: EspPrograms;
  readonly bios: BiosLoader;
  readonly consoleArguments: readonly string[];
  /** IPv4 address of the site agent, for the loader's last resort. */
  readonly siteServer?: string;
  /** Files of the site partition by name. */
  readonly siteFiles: ReadonlyMap<string, string>;
  /** Files of the state partition by path; they stay over all updates. */
  readonly stateFiles: ReadonlyMap<string, string>;
  readonly onStep: (step: string) => void;
}

/** The layout of a class on this disk. Throws when the disk is too small, with both figures. */
export function layoutFor(
  device: BlockDevice,
  diskGuid: string,
  sizes: DiskLayoutSizes,
): DiskLayout {
  return planLayout({
    diskBytes: device.sizeBytes,
    sectorBytes: device.sectorBytes,
    diskGuid,
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    sizes: {
      espBytes: sizes.espMiB * mebibyte,
      bootBytes: sizes.bootMiB * mebibyte,
      rootBytes: sizes.rootMiB * mebibyte,
      siteBytes: sizes.siteMiB * mebibyte,
    },
  });
}

/** Installs slot a and everything around it. */
export async function installDisk(request: InstallDiskRequest): Promise<WrittenSlot> {
  const { device, onStep } = request;
  const layout = layoutFor(device, request.diskGuid, request.sizes);
  onStep("partition");
  const edge = mebibyte;
  device.write(0, new Uint8Array(edge));
  device.write(device.sizeBytes - edge, new Uint8Array(edge));
  device.sync();
  onStep("write-slot");
  const written = await writeSlot({ ...request.slot, device, parts: layout, slot: "a", seeds: [] });
  onStep("write-site-config");
  writeFat(device, layout, "site", "DROVER-SITE", request.siteFiles);
  onStep("write-state");
  await makeState(device, layout, request.stateFiles);
  onStep("write-loader");
  writeLoader(request, layout);
  return written;
}

function writeFat(
  device: BlockDevice,
  layout: DiskLayout,
  name: "site",
  label: string,
  files: ReadonlyMap<string, string>,
): void {
  const place = partitionOf(layout, name);
  const image = buildFat({
    sizeBytes: place.sizeBytes,
    sectorBytes: device.sectorBytes,
    volumeId: volumeIdOf(layout, 1),
    label,
    writtenAt: 0,
    hiddenSectors: place.offsetBytes / device.sectorBytes,
    files: [...files].map(([path, text]) => ({ path, bytes: new TextEncoder().encode(text) })),
  });
  writeExtents(device, image.extents, place.offsetBytes);
}

const volumeIdOf = (layout: DiskLayout, salt: number): number =>
  (Number.parseInt(layout.diskGuid.slice(0, 8), 16) ^ salt) >>> 0;

/** ext4 at its place on the whole disk, filled from a folder, before any partition can be seen. */
async function makeState(
  device: BlockDevice,
  layout: DiskLayout,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  const place = partitionOf(layout, "state");
  const folder = mkdtempSync(join(tmpdir(), "drover-state-"));
  try {
    for (const [path, text] of files) writeDurably(join(folder, path), text);
    device.sync();
    await run(
      "mke2fs",
      [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-L",
        stateFileSystemLabel,
        "-d",
        folder,
        "-E",
        `offset=${place.offsetBytes},lazy_itable_init=1,nodiscard,root_owner=0:0`,
        device.path,
        String(Math.floor(place.sizeBytes / 4096)),
      ],
      { timeout: 600_000 },
    );
  } catch (cause) {
    throw new SlotWriteError("making the state file system failed", { cause });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeLoader(request: InstallDiskRequest, layout: DiskLayout): void {
  const { device } = request;
  const esp = partitionOf(layout, "esp");
  const image = buildFat({
    sizeBytes: esp.sizeBytes,
    sectorBytes: device.sectorBytes,
    volumeId: volumeIdOf(layout, 2),
    label: espLabel,
    writtenAt: 0,
    hiddenSectors: esp.offsetBytes / device.sectorBytes,
    files: espFiles({
      programs: request.programs,
      disk: {
        diskGuid: request.diskGuid,
        consoleArguments: request.consoleArguments,
        serialBaud: 115_200,
      },
      env: initialEnv("a"),
      ...(request.siteServer === undefined ? {} : { siteServer: request.siteServer }),
    }),
  });
  writeExtents(device, image.extents, esp.offsetBytes);
  const table = encodeGpt(layout);
  const code =
    device.sectorBytes === 512
      ? placeBootCode({ ...request.bios, biosPartition: partitionOf(layout, "bios") })
      : undefined;
  if (code) device.write(code.coreOffsetBytes, code.core);
  device.write(table.tail.offsetBytes, table.tail.bytes);
  device.sync();
  // From the next write on the disk boots.
  const head = Uint8Array.from(table.head.bytes);
  if (code) head.set(code.mbr, 0);
  device.write(0, head);
  device.sync();
}
