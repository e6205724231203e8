// Writes one whole slot: the one writer behind install, repair and update. The booted slot is never
// touched; until the last step the slot cannot be booted.
import { type ChunkIndex, chunkBytes, locateChunk } from "@drover/shared/chunk/chunk-index";
import { partOfDisk } from "@drover/shared/disk/block-io";
import { openFat } from "@drover/shared/disk/fat-read";
import { partitionOf } from "@drover/shared/disk/layout";
import { slotFiles } from "@drover/shared/disk/slot-config";
import { verityBlockBytes, verityPlacement } from "@drover/shared/disk/verity";
import type { ImageId, Sha256 } from "@drover/shared/ids";
import type { Manifest } from "@drover/shared/image/manifest";
import type { Slot } from "@drover/shared/node/slot";
import type { BlockDevice } from "./block-device.ts";
import { breakBootSlot, checkBootSlot, writeBootSlot } from "./boot-slot.ts";
import { type FetchBytes, fillRoot, type Seed, sealRoot } from "./root-slot.ts";
import { addTallies, type SlotTally, SlotWriteError } from "./slot-errors.ts";

/** Partitions of a disk by name, from the plan or from the table on the disk. */
export interface DiskParts {
  readonly partitions: readonly {
    readonly name: string;
    readonly offsetBytes: number;
    readonly sizeBytes: number;
  }[];
}

export interface SlotRequest {
  readonly device: BlockDevice;
  readonly parts: DiskParts;
  readonly slot: Slot;
  readonly imageId: ImageId;
  readonly manifest: Manifest;
  readonly index: ChunkIndex;
  /** Other slots of this disk whose images are known. */
  readonly seeds: readonly Seed[];
  readonly fetchBytes: FetchBytes;
  /** Makes the next read come from the medium; called after each sync. */
  readonly forgetCached: () => void;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
}

/** The slot is complete: its verity root as read back, and where the bytes came from. */
export interface WrittenSlot {
  readonly verityRoot: Sha256;
  readonly tally: SlotTally;
}

/** Throws {@link SlotWriteError} (or what the disk threw); the slot is then unbootable, never half right. */
export async function writeSlot(request: SlotRequest): Promise<WrittenSlot> {
  const { device, parts, slot, manifest, index, imageId, signal } = request;
  if (index.root !== manifest.chunkIndexRoot)
    throw new SlotWriteError("the chunk index is not the one the manifest binds");
  const boot = partitionOf(parts, `boot-${slot}`);
  const root = partitionOf(parts, `root-${slot}`);
  const totalBytes = manifest.artefacts.root.sizeBytes;
  breakBootSlot(device, boot);
  device.sync();
  const common = {
    disk: device,
    index,
    seeds: request.seeds,
    fetchBytes: request.fetchBytes,
    signal,
  };
  const rootTally = await fillRoot({
    ...common,
    partition: root,
    verity: manifest.verity,
    onProgress: (doneBytes) => request.onProgress(doneBytes, totalBytes),
  });
  device.sync();
  request.forgetCached();
  const verityRoot = await sealRoot({
    disk: device,
    partition: root,
    verity: manifest.verity,
    signal,
  });
  if (verityRoot !== manifest.verity.rootHash) {
    throw new SlotWriteError(
      `the root read back from slot ${slot} has another verity root than the manifest's`,
    );
  }
  const { hashOffsetBytes } = verityPlacement(root.sizeBytes);
  const config = {
    imageId,
    verityRootHash: manifest.verity.rootHash,
    saltHex: manifest.verity.saltHex,
    dataBlocks: manifest.verity.dataBlocks,
    hashStartBlock: hashOffsetBytes / verityBlockBytes,
    kernelArguments: manifest.kernelArguments,
  };
  const bootRequest = {
    ...common,
    sectorBytes: device.sectorBytes,
    slot,
    partition: boot,
    manifest,
    config,
  };
  const bootTallies = await writeBootSlot(bootRequest);
  device.sync();
  request.forgetCached();
  checkBootSlot(bootRequest);
  return { verityRoot: manifest.verity.rootHash, tally: bootTallies.reduce(addTallies, rootTally) };
}

/** The image in a slot of this disk as a seed. `index` is that image's own. */
export function slotSeed(
  device: BlockDevice,
  parts: DiskParts,
  slot: Slot,
  index: ChunkIndex,
): Seed {
  const root = partitionOf(parts, `root-${slot}`);
  const boot = partitionOf(parts, `boot-${slot}`);
  const fat = openFat(partOfDisk(device, boot.offsetBytes, boot.sizeBytes));
  const places = new Map<string, number>([["root", root.offsetBytes]]);
  for (const name of ["kernel", "initrd"] as const) {
    places.set(name, boot.offsetBytes + fat.locate(slotFiles[name]).offsetBytes);
  }
  return {
    index,
    readChunk(number) {
      const { artefact, offset } = locateChunk(index, number);
      return device.read((places.get(artefact.name) ?? 0) + offset, chunkBytes(index, number));
    },
  };
}
