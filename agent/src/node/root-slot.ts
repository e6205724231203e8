// Fills a root partition with an image: keeps what is already right, copies from the booted slot what
// lies there, fetches the rest; then reads everything back and computes the verity tree. The slot is
// right only when the root of what was read back is the manifest's.
import { isChunk } from "@drover/shared/chunk/apply-run";
import {
  type Artefact,
  type ChunkIndex,
  chunkBytes,
  chunkId,
  chunkIdHex,
  chunkNumbers,
  runBytes,
} from "@drover/shared/chunk/chunk-index";
import { sha256 } from "@drover/shared/chunk/digest";
import { type BlockDisk, partOfDisk } from "@drover/shared/disk/block-io";
import { sameBytes } from "@drover/shared/disk/bytes";
import { verityBlockBytes, verityPlacement, verityWriter } from "@drover/shared/disk/verity";
import type { Verity } from "@drover/shared/image/manifest";
import { type SlotTally, SlotWriteError } from "./slot-errors.ts";

/** An image that lies on this disk already, chunk by chunk readable; what it gives is verified. */
export interface Seed {
  readonly index: ChunkIndex;
  /** Raw bytes of one chunk of the seed, unverified. */
  readChunk(number: number): Uint8Array;
}

/** Where missing bytes come from: the site's expanded copy of the artefact. */
export type FetchBytes = (
  artefact: string,
  offset: number,
  lengthBytes: number,
) => Promise<Uint8Array>;

export interface RootSlotRequest {
  readonly disk: BlockDisk;
  readonly partition: { readonly offsetBytes: number; readonly sizeBytes: number };
  readonly index: ChunkIndex;
  readonly verity: Verity;
  readonly seeds: readonly Seed[];
  readonly fetchBytes: FetchBytes;
  readonly onProgress: (doneBytes: number) => void;
  readonly signal: AbortSignal;
}

const fetchBytesMax = 1024 * 1024;
const readBackBytes = 4 * 1024 * 1024;

export function artefactNamed(index: ChunkIndex, name: string): Artefact {
  const found = index.artefacts.find((artefact) => artefact.name === name);
  if (!found) throw new SlotWriteError(`the image's chunk index has no artefact ${name}`);
  return found;
}

/**
 * Whether the slot holds the chunk already. An empty disk reads as zeros, and comparing is far cheaper
 * than hashing all of it: of zeros only the longest chunk is recognised, others are written again.
 */
function presenceTest(index: ChunkIndex): (number: number, bytes: Uint8Array) => boolean {
  const zeros = new Uint8Array(index.chunker.maxBytes);
  const zerosId = sha256(zeros);
  return (number, bytes) =>
    Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0
      ? bytes.length === zeros.length && sameBytes(zerosId, chunkId(index, number))
      : isChunk(index, number, bytes);
}

/** What a part of the disk that may be worn out gives, or nothing: then the bytes come from elsewhere. */
function readable(read: () => Uint8Array): Uint8Array | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Bytes of a chunk from the first seed that really holds them. */
export function fromSeeds(
  seeds: readonly Seed[],
  known: readonly Map<string, number>[],
  index: ChunkIndex,
  number: number,
): Uint8Array | undefined {
  const id = chunkIdHex(index, number);
  for (const [at, seed] of seeds.entries()) {
    const source = known[at]?.get(id);
    if (source === undefined) continue;
    const bytes = readable(() => seed.readChunk(source));
    if (bytes && isChunk(index, number, bytes)) return bytes;
  }
  return undefined;
}

/** Splits a run of missing chunks into ranges of at most 1 MiB. */
function* ranges(
  index: ChunkIndex,
  missing: readonly number[],
): Generator<{ first: number; count: number }> {
  let first = missing[0];
  let count = 0;
  for (const number of missing) {
    if (first === undefined) return;
    const joined = number === first + count && runBytes(index, first, count + 1) <= fetchBytesMax;
    if (!joined && count > 0) {
      yield { first, count };
      first = number;
      count = 0;
    }
    count += 1;
  }
  if (first !== undefined && count > 0) yield { first, count };
}

/** Fetches one run and splits it into verified chunks. */
export async function fetchRun(
  request: { index: ChunkIndex; artefact: Artefact; fetchBytes: FetchBytes },
  run: { first: number; count: number },
): Promise<Uint8Array[]> {
  const { index, artefact } = request;
  const offset = runBytes(index, artefact.firstChunk, run.first - artefact.firstChunk);
  const bytes = await request.fetchBytes(
    artefact.name,
    offset,
    runBytes(index, run.first, run.count),
  );
  return Array.from({ length: run.count }, (_, i) => {
    const at = runBytes(index, run.first, i);
    const chunk = bytes.subarray(at, at + chunkBytes(index, run.first + i));
    if (!isChunk(index, run.first + i, chunk)) {
      throw new SlotWriteError(`chunk ${run.first + i} of ${artefact.name} came with wrong bytes`);
    }
    return chunk;
  });
}

/** Writes the data; answers where its bytes came from. */
export async function fillRoot(request: RootSlotRequest): Promise<SlotTally> {
  const { index, partition, disk, seeds, signal } = request;
  const artefact = artefactNamed(index, "root");
  if (artefact.sizeBytes > verityPlacement(partition.sizeBytes).dataBytesMax) {
    throw new SlotWriteError(
      `the root file system has ${artefact.sizeBytes} bytes, more than the slot of ${partition.sizeBytes} bytes holds`,
    );
  }
  const root = partOfDisk(disk, partition.offsetBytes, partition.sizeBytes);
  const known = seeds.map((seed) => chunkNumbers(seed.index));
  const tally = { keptBytes: 0, copiedBytes: 0, fetchedBytes: 0 };
  const missing: number[] = [];
  const isPresent = presenceTest(index);
  const offsetOf = (number: number): number =>
    runBytes(index, artefact.firstChunk, number - artefact.firstChunk);
  for (
    let number = artefact.firstChunk;
    number < artefact.firstChunk + artefact.chunkCount;
    number += 1
  ) {
    signal.throwIfAborted();
    const size = chunkBytes(index, number);
    const present = readable(() => root.read(offsetOf(number), size));
    if (present && isPresent(number, present)) {
      tally.keptBytes += size;
      continue;
    }
    const bytes = fromSeeds(seeds, known, index, number);
    if (bytes) {
      root.write(offsetOf(number), bytes);
      tally.copiedBytes += size;
    } else missing.push(number);
    // Reading and hashing a large disk must not starve the rest of the agent.
    if (number % 64 === 0)
      await pause(() => request.onProgress(tally.keptBytes + tally.copiedBytes));
  }
  for (const run of ranges(index, missing)) {
    signal.throwIfAborted();
    const chunks = await fetchRun({ index, artefact, fetchBytes: request.fetchBytes }, run);
    for (const [i, chunk] of chunks.entries()) root.write(offsetOf(run.first + i), chunk);
    tally.fetchedBytes += runBytes(index, run.first, run.count);
    request.onProgress(tally.keptBytes + tally.copiedBytes + tally.fetchedBytes);
  }
  return tally;
}

/** Reads the data back, writes the tree behind it and answers the root hash of what was read. */
export async function sealRoot(
  request: Pick<RootSlotRequest, "disk" | "partition" | "verity" | "signal">,
): Promise<string> {
  const { disk, partition, verity, signal } = request;
  const root = partOfDisk(disk, partition.offsetBytes, partition.sizeBytes);
  const { hashOffsetBytes } = verityPlacement(partition.sizeBytes);
  const tree = {
    write: (offset: number, bytes: Uint8Array) => root.write(hashOffsetBytes + offset, bytes),
  };
  const writer = verityWriter({ dataBlocks: verity.dataBlocks, saltHex: verity.saltHex, tree });
  const dataBytes = verity.dataBlocks * verityBlockBytes;
  for (let at = 0; at < dataBytes; at += readBackBytes) {
    signal.throwIfAborted();
    writer.feed(root.read(at, Math.min(readBackBytes, dataBytes - at)));
    await pause(() => undefined);
  }
  return writer.finish();
}

/** Lets other work run; a slot of several GiB takes minutes on a small node. */
function pause(then: () => void): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      then();
      resolve();
    }),
  );
}
