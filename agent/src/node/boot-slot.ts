// Writes a boot partition: kernel, initrd and the slot's settings as one small FAT file system, whole
// and deterministic. It is written after the root is right, so a boot partition that reads well means
// a slot that is complete.
import { type ChunkIndex, chunkNumbers, runBytes } from "@drover/shared/chunk/chunk-index";
import { sha256Hex } from "@drover/shared/chunk/digest";
import { type BlockDisk, partOfDisk, writeExtents } from "@drover/shared/disk/block-io";
import { sameBytes } from "@drover/shared/disk/bytes";
import { DiskFormatError } from "@drover/shared/disk/disk-errors";
import { buildFat } from "@drover/shared/disk/fat";
import { openFat } from "@drover/shared/disk/fat-read";
import type { SectorBytes } from "@drover/shared/disk/layout";
import {
  encodeSlotConfig,
  parseSlotConfig,
  type SlotConfig,
  slotFiles,
} from "@drover/shared/disk/slot-config";
import type { Manifest } from "@drover/shared/image/manifest";
import type { Slot } from "@drover/shared/node/slot";
import { artefactNamed, type FetchBytes, fetchRun, fromSeeds, type Seed } from "./root-slot.ts";
import { type SlotTally, SlotWriteError } from "./slot-errors.ts";

interface Place {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface BootSlotRequest {
  readonly disk: BlockDisk;
  readonly sectorBytes: SectorBytes;
  readonly slot: Slot;
  readonly partition: Place;
  readonly index: ChunkIndex;
  readonly manifest: Manifest;
  readonly config: SlotConfig;
  readonly seeds: readonly Seed[];
  readonly fetchBytes: FetchBytes;
  readonly signal: AbortSignal;
}

/** Makes the slot unreadable for the loader before its root changes. */
export function breakBootSlot(disk: BlockDisk, partition: Place): void {
  disk.write(partition.offsetBytes, new Uint8Array(4096));
}

/** One artefact in memory (kernel and initrd are tens of MB at most), verified as a whole. */
async function gather(
  request: BootSlotRequest,
  name: "kernel" | "initrd",
): Promise<{ bytes: Uint8Array; tally: SlotTally }> {
  const { index, seeds, signal } = request;
  const artefact = artefactNamed(index, name);
  const known = seeds.map((seed) => chunkNumbers(seed.index));
  const bytes = new Uint8Array(artefact.sizeBytes);
  let copiedBytes = 0;
  let fetchedBytes = 0;
  for (
    let number = artefact.firstChunk;
    number < artefact.firstChunk + artefact.chunkCount;
    number += 1
  ) {
    signal.throwIfAborted();
    const at = runBytes(index, artefact.firstChunk, number - artefact.firstChunk);
    const copied = fromSeeds(seeds, known, index, number);
    if (copied) {
      bytes.set(copied, at);
      copiedBytes += copied.length;
      continue;
    }
    const [fetched] = await fetchRun(
      { index, artefact, fetchBytes: request.fetchBytes },
      { first: number, count: 1 },
    );
    if (!fetched) throw new SlotWriteError(`chunk ${number} of ${name} did not come`);
    bytes.set(fetched, at);
    fetchedBytes += fetched.length;
  }
  if (sha256Hex(bytes) !== request.manifest.artefacts[name].sha256) {
    throw new SlotWriteError(`the ${name} put together is not the one the manifest names`);
  }
  return { bytes, tally: { keptBytes: 0, copiedBytes, fetchedBytes } };
}

/** Writes the partition and reads every file back. */
export async function writeBootSlot(request: BootSlotRequest): Promise<SlotTally[]> {
  const kernel = await gather(request, "kernel");
  const initrd = await gather(request, "initrd");
  const files = [
    { path: slotFiles.config, bytes: encodeSlotConfig(request.config) },
    { path: slotFiles.initrd, bytes: initrd.bytes },
    { path: slotFiles.kernel, bytes: kernel.bytes },
  ];
  const image = buildFat({
    sizeBytes: request.partition.sizeBytes,
    sectorBytes: request.sectorBytes,
    volumeId: Number.parseInt(request.config.imageId.slice(0, 8), 16),
    label: `BOOT-${request.slot.toUpperCase()}`,
    writtenAt: 0,
    hiddenSectors: request.partition.offsetBytes / request.sectorBytes,
    files,
  });
  writeExtents(request.disk, image.extents, request.partition.offsetBytes);
  return [kernel.tally, initrd.tally];
}

/** Throws unless the partition holds exactly the files of the image. */
export function checkBootSlot(
  request: Pick<BootSlotRequest, "disk" | "partition" | "manifest" | "config">,
): void {
  const { disk, partition, manifest, config } = request;
  const fat = openFat(partOfDisk(disk, partition.offsetBytes, partition.sizeBytes));
  for (const name of ["kernel", "initrd"] as const) {
    if (sha256Hex(fat.read(slotFiles[name])) !== manifest.artefacts[name].sha256) {
      throw new SlotWriteError(`the ${name} read back from the slot is not what was written`);
    }
  }
  if (!sameBytes(fat.read(slotFiles.config), encodeSlotConfig(config))) {
    throw new SlotWriteError("the settings read back from the slot are not what was written");
  }
}

/** The settings of the image in a boot partition, or undefined when it holds none that is whole. */
export function readSlotConfig(disk: BlockDisk, partition: Place): SlotConfig | undefined {
  try {
    return parseSlotConfig(
      openFat(partOfDisk(disk, partition.offsetBytes, partition.sizeBytes)).read(slotFiles.config),
    );
  } catch (cause) {
    if (cause instanceof DiskFormatError) return undefined;
    throw cause;
  }
}
