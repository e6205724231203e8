// Compresses the chunks of an image that no earlier pack holds and lays them in packs in image order,
// so that a run of missing chunks is one range. Memory is bounded by the number of parallel jobs.

import { type ChunkIndex, chunkIdHex, imageBytes } from "@drover/shared/chunk/chunk-index";
import { packTablePointerPath } from "@drover/shared/chunk/content-layout";
import { sha256Hex } from "@drover/shared/chunk/digest";
import {
  encodePackTable,
  type FrameLocation,
  type PackReference,
  type PackTable,
  packLimits,
  packPrefix,
} from "@drover/shared/chunk/pack-table";
import { type ArtefactFile, ArtefactFiles } from "./artefact-files.ts";
import type { ContentSink } from "./content-sink.ts";
import { OrderedJobs } from "./ordered-jobs.ts";
import type { MakeOptions } from "./progress.ts";
import { SpoolFile } from "./spool-file.ts";
import { compress } from "./zstd.ts";

/** An image whose packs are in the store already. */
export interface PackedImage {
  readonly index: ChunkIndex;
  readonly table: PackTable;
}

/** What was made, and what of it is new in the store. */
export interface PackedResult {
  readonly table: PackTable;
  readonly tableDigest: string;
  readonly newPacks: readonly PackReference[];
  readonly newBytes: number;
}

interface PackedFrame {
  readonly id: string;
  readonly frame: Uint8Array;
}

/** Puts packs, then the pack table, then its pointer. */
export async function makePacks(
  input: {
    readonly index: ChunkIndex;
    readonly artefacts: readonly ArtefactFile[];
    readonly sink: ContentSink;
    /** Existing folder for unfinished packs. */
    readonly scratchFolder: string;
    readonly earlier?: readonly PackedImage[];
    /** zstd level; 3 unless said. */
    readonly level?: number;
    readonly packBytesMax?: number;
  } & MakeOptions,
): Promise<PackedResult> {
  const { index, sink, level = 3 } = input;
  const known = knownChunks(input.earlier ?? []);
  const packs = new PackWriter(sink, input.scratchFolder, input.packBytesMax);
  const jobs = new OrderedJobs<PackedFrame>(8, ({ id, frame }) => packs.add(id, frame));
  const started = new Set<string>();
  const files = await ArtefactFiles.open(index, input.artefacts);
  const totalBytes = imageBytes(index);
  try {
    for await (const { number, bytes } of files.chunks()) {
      input.signal?.throwIfAborted();
      const id = chunkIdHex(index, number);
      if (!known.locations.has(id) && !started.has(id)) {
        started.add(id);
        await jobs.add(compress(bytes, level).then((frame) => ({ id, frame })));
      }
      input.onProgress?.({ doneBytes: index.offsets[number + 1] ?? 0, totalBytes });
    }
    await jobs.finish();
    await packs.finish();
  } finally {
    await packs.discard();
    await files.close();
  }
  const table = makeTable(index, known, packs);
  const bytes = encodePackTable(table);
  const tableDigest = sha256Hex(bytes);
  await sink.putBytes({ kind: "pack-table", digest: tableDigest }, bytes);
  const pointer = { v: 1, digest: tableDigest, sizeBytes: bytes.length } as const;
  await sink.putPointer(packTablePointerPath(index.root), pointer);
  const newBytes = packs.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  return { table, tableDigest, newPacks: packs.packs, newBytes };
}

interface KnownChunks {
  readonly locations: ReadonlyMap<string, FrameLocation>;
  readonly packs: ReadonlyMap<string, PackReference>;
}

function knownChunks(earlier: readonly PackedImage[]): KnownChunks {
  const locations = new Map<string, FrameLocation>();
  const packs = new Map<string, PackReference>();
  for (const { index, table } of earlier) {
    for (const pack of table.packs) packs.set(pack.digest, pack);
    for (const [number, location] of table.locations.entries()) {
      locations.set(chunkIdHex(index, number), location);
    }
  }
  return { locations, packs };
}

function makeTable(index: ChunkIndex, known: KnownChunks, written: PackWriter): PackTable {
  const locations: FrameLocation[] = [];
  const used = new Map(written.packs.map((pack) => [pack.digest, pack]));
  for (let number = 0; number < index.count; number += 1) {
    const id = chunkIdHex(index, number);
    const location = written.locate(id) ?? known.locations.get(id);
    if (location === undefined) continue;
    const pack = known.packs.get(location.pack);
    if (pack !== undefined) used.set(pack.digest, pack);
    locations.push(location);
  }
  return { indexRoot: index.root, packs: [...used.values()], locations };
}

/** Fills packs up to their limit and remembers where each frame went. */
class PackWriter {
  readonly packs: PackReference[] = [];
  readonly #sink: ContentSink;
  readonly #folder: string;
  readonly #packBytesMax: number;
  readonly #frames = new Map<string, { pack: number; offset: number; sizeBytes: number }>();
  #spool: SpoolFile | undefined;

  constructor(sink: ContentSink, folder: string, packBytesMax: number = packLimits.packBytesMax) {
    this.#sink = sink;
    this.#folder = folder;
    this.#packBytesMax = packBytesMax;
  }

  async add(id: string, frame: Uint8Array): Promise<void> {
    if (this.#spool !== undefined && this.#spool.sizeBytes + frame.length > this.#packBytesMax) {
      await this.finish();
    }
    if (this.#spool === undefined) {
      this.#spool = await SpoolFile.create(this.#folder);
      await this.#spool.append(packPrefix());
    }
    const offset = await this.#spool.append(frame);
    this.#frames.set(id, { pack: this.packs.length, offset, sizeBytes: frame.length });
  }

  /** Puts the pack that is open, if any. */
  async finish(): Promise<void> {
    if (this.#spool === undefined) return;
    const { path, digest, sizeBytes } = this.#spool.finish();
    await this.#sink.putFile({ kind: "pack", digest }, path);
    this.packs.push({ digest, sizeBytes });
    await this.discard();
  }

  /** Where a frame of a finished pack lies. */
  locate(id: string): FrameLocation | undefined {
    const frame = this.#frames.get(id);
    const pack = frame === undefined ? undefined : this.packs[frame.pack];
    if (frame === undefined || pack === undefined) return undefined;
    return { pack: pack.digest, offset: frame.offset, sizeBytes: frame.sizeBytes };
  }

  /** Drops an unfinished pack. */
  async discard(): Promise<void> {
    await this.#spool?.discard();
    this.#spool = undefined;
  }
}
