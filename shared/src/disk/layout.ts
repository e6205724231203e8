// The one disk layout of a node: where each partition lies. Written once at installation and never
// again, so every partition is a whole number of MiB and starts on a MiB.

import { DiskInputError, DiskTooSmallError } from "./disk-errors.ts";
import { guidBytes, partitionGuid } from "./guid.ts";

export const mebibyte = 1_048_576;

export const partitionNames = [
  "bios",
  "esp",
  "boot-a",
  "boot-b",
  "root-a",
  "root-b",
  "site",
  "state",
] as const;
export type PartitionName = (typeof partitionNames)[number];

/** Label of the file system in the state partition (the partition itself is called `state`). */
export const stateFileSystemLabel = "drover-state";

export type Architecture = "amd64" | "arm64";
export type SectorBytes = 512 | 4096;

/** Sizes in bytes; each a multiple of 1 MiB. `stateMinBytes` is the least that `state` may get. */
export interface LayoutSizes {
  readonly biosBytes: number;
  readonly espBytes: number;
  readonly bootBytes: number;
  readonly rootBytes: number;
  readonly siteBytes: number;
  readonly stateMinBytes: number;
}

export const defaultSizes: LayoutSizes = {
  biosBytes: 2 * mebibyte,
  espBytes: 512 * mebibyte,
  bootBytes: 256 * mebibyte,
  rootBytes: 4096 * mebibyte,
  siteBytes: 64 * mebibyte,
  stateMinBytes: 256 * mebibyte,
};

/** One partition; `number` counts from 1 as GRUB's `gptN` and Linux do. */
export interface Partition {
  readonly name: PartitionName;
  readonly number: number;
  readonly typeGuid: string;
  readonly guid: string;
  /** GPT attribute bits (UEFI 2.10 table 5.8 and the bits of the type). */
  readonly attributes: bigint;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface DiskLayout {
  readonly diskGuid: string;
  readonly diskBytes: number;
  readonly sectorBytes: SectorBytes;
  readonly partitions: readonly Partition[];
}

export const typeGuids = {
  bios: "21686148-6449-6e6f-744e-656564454649",
  esp: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  linux: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  "root-amd64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  "root-arm64": "b921b045-1df0-41c3-af44-4c6f280d3fae",
} as const;

const noAuto = 1n << 63n;
const readOnly = 1n << 60n;
const tableEntries = 128;
const entryBytes = 128;

/** Bytes kept free at each end of the disk: head (MBR, header, table) rounded up to 1 MiB; tail exact. */
function tailBytes(sectorBytes: SectorBytes): number {
  return tableEntries * entryBytes + sectorBytes;
}

/** The smallest disk, in bytes, that takes a layout of these sizes. */
export function neededBytes(sizes: LayoutSizes): number {
  const fixed =
    sizes.biosBytes + sizes.espBytes + 2 * sizes.bootBytes + 2 * sizes.rootBytes + sizes.siteBytes;
  // One MiB at the head and one at the tail, so that the figure holds for both sector sizes.
  return 2 * mebibyte + fixed + sizes.stateMinBytes;
}

export interface LayoutRequest {
  readonly diskBytes: number;
  readonly sectorBytes: SectorBytes;
  readonly diskGuid: string;
  readonly architecture: Architecture;
  readonly sizes?: Partial<LayoutSizes>;
}

/**
 * Places every partition. Throws {@link DiskTooSmallError} with the figure needed and the figure
 * found, {@link DiskInputError} when a size is not a positive multiple of 1 MiB.
 */
export function planLayout(request: LayoutRequest): DiskLayout {
  const sizes: LayoutSizes = { ...defaultSizes, ...request.sizes };
  for (const [name, bytes] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % mebibyte !== 0) {
      throw new DiskInputError(`${name} is ${bytes}, not a positive multiple of 1 MiB`);
    }
  }
  guidBytes(request.diskGuid);
  const { diskBytes, sectorBytes } = request;
  const needed = neededBytes(sizes);
  if (diskBytes < needed) throw new DiskTooSmallError(needed, diskBytes);
  const fixed = fixedSizes(sizes);
  let offsetBytes = mebibyte;
  const partitions = partitionNames.map((name, index): Partition => {
    const usable = diskBytes - tailBytes(sectorBytes) - offsetBytes;
    const sizeBytes = name === "state" ? Math.floor(usable / mebibyte) * mebibyte : fixed[name];
    const partition: Partition = {
      name,
      number: index + 1,
      typeGuid: typeOf(name, request.architecture),
      guid: partitionGuid(request.diskGuid, name),
      attributes: attributesOf(name),
      offsetBytes,
      sizeBytes,
    };
    offsetBytes += sizeBytes;
    return partition;
  });
  return { diskGuid: request.diskGuid, diskBytes, sectorBytes, partitions };
}

/** The partition of that name. Throws {@link DiskInputError} when the layout has none. */
export function partitionOf<Named extends { readonly name: string }>(
  layout: { readonly partitions: readonly Named[] },
  name: PartitionName,
): Named {
  const found = layout.partitions.find((partition) => partition.name === name);
  if (found === undefined) throw new DiskInputError(`the disk has no partition ${name}`);
  return found;
}

function fixedSizes(sizes: LayoutSizes): Record<Exclude<PartitionName, "state">, number> {
  return {
    bios: sizes.biosBytes,
    esp: sizes.espBytes,
    "boot-a": sizes.bootBytes,
    "boot-b": sizes.bootBytes,
    "root-a": sizes.rootBytes,
    "root-b": sizes.rootBytes,
    site: sizes.siteBytes,
  };
}

function typeOf(name: PartitionName, architecture: Architecture): string {
  if (name === "bios" || name === "esp") return typeGuids[name];
  if (name === "root-a" || name === "root-b") return typeGuids[`root-${architecture}`];
  return typeGuids.linux;
}

function attributesOf(name: PartitionName): bigint {
  if (name.startsWith("boot-") || name.startsWith("root-")) return noAuto | readOnly;
  return name === "site" ? noAuto : 0n;
}
