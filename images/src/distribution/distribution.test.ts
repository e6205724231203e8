// The whole way of an image on small files: index, packs, delta, and back, byte for byte.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planFromDelta, planFromPacks } from "@drover/shared/chunk/apply-plan";
import type { ChunkerParameters } from "@drover/shared/chunk/chunk-index";
import { contentPath, deltaPointerPath } from "@drover/shared/chunk/content-layout";
import { ChunkDigestError, ChunkFormatError } from "@drover/shared/chunk/errors";
import type { EncodedIndex } from "@drover/shared/chunk/index-codec";
import { type Random, seededRandom } from "@drover/shared/random";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainEngine, wasmEngine } from "../core/chunking/gear.ts";
import { type ArtefactFile, ArtefactFiles } from "./artefact-files.ts";
import { ContentReader } from "./content-reader.ts";
import { folderSink } from "./content-sink.ts";
import { type MadeDelta, makeDelta } from "./make-delta.ts";
import { makeIndex, publishIndex } from "./make-index.ts";
import { makePacks, type PackedImage } from "./make-packs.ts";
import { restoreImage } from "./restore-image.ts";

const chunker: ChunkerParameters = {
  minBytes: 256,
  averageBytes: 1024,
  maxBytes: 4096,
  normalisation: 2,
};
const engine = wasmEngine();
let folder = "";
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-distribution-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Text-like noise: compressible, with repeats now and then. */
function content(random: Random, length: number): Buffer {
  const words = Array.from({ length: 300 }, () => random.next().toString(36));
  const parts: string[] = [];
  for (let at = 0; at < length; at += 12) parts.push(random.pick(words));
  return Buffer.from(parts.join(" ")).subarray(0, length);
}

/** A copy with a few pieces replaced, inserted, dropped or doubled. */
function edited(random: Random, bytes: Buffer): Buffer {
  let result = bytes;
  for (let edit = random.integer(6); edit > 0; edit -= 1) {
    const at = random.integer(result.length + 1);
    const end = Math.min(result.length, at + random.integer(3000));
    const middle = random.chance(0.3)
      ? result.subarray(at, end)
      : content(random, random.integer(3000));
    const rest = result.subarray(random.chance(0.5) ? at : end);
    result = Buffer.concat([result.subarray(0, at), middle, rest]);
  }
  return result;
}

type Contents = Readonly<Record<string, Buffer>>;

interface Case {
  readonly artefacts: readonly ArtefactFile[];
  readonly encoded: EncodedIndex;
  readonly contents: Contents;
}

async function index(contents: Contents): Promise<Case> {
  count += 1;
  const home = join(folder, `image-${count}`);
  await mkdir(home);
  const artefacts: ArtefactFile[] = [];
  for (const [name, bytes] of Object.entries(contents)) {
    await writeFile(join(home, name), bytes);
    artefacts.push({ name, path: join(home, name) });
  }
  return { artefacts, encoded: await makeIndex({ artefacts, chunker, engine }), contents };
}

async function delta(base: Case, next: Case, store: string): Promise<MadeDelta> {
  return makeDelta({
    base: base.encoded.index,
    baseArtefacts: base.artefacts,
    next: next.encoded,
    nextArtefacts: next.artefacts,
    sink: folderSink(store),
    scratchFolder: folder,
    engine,
  });
}

/** Restores `next` by its delta from `base` out of `store`; returns the files. */
async function restoreByDelta(base: Case, next: Case, store: string): Promise<Contents> {
  const reader = new ContentReader(store);
  const from = base.encoded.index;
  const { delta: parsed, pointer } = await reader.delta(from, next.encoded.index.root);
  const plan = planFromDelta({ delta: parsed, base: from, deltaDigest: pointer.digest });
  expect(parsed.objectBytes).toBe(pointer.sizeBytes);
  const outFolder = join(store, "out");
  const sources = [await ArtefactFiles.open(from, base.artefacts)];
  try {
    const newIndex = parsed.newIndex;
    const outcome = await restoreImage({ plan, newIndex, sources, content: reader, outFolder });
    expect(outcome.unmade).toEqual([]);
  } finally {
    await sources[0]?.close();
  }
  return readOut(next, outFolder);
}

async function readOut(image: Case, outFolder: string): Promise<Contents> {
  const contents: Record<string, Buffer> = {};
  for (const { name } of image.artefacts) contents[name] = await readFile(join(outFolder, name));
  return contents;
}

test("Random edits of an image arrive byte for byte by delta, and the delta is small.", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed);
      const kernel = content(random, random.integer(8000));
      const root = content(random, 60_000);
      const base = await index({ kernel, root });
      const initrd = root.subarray(1000, 20_000);
      const next = await index({
        kernel: edited(random, kernel),
        initrd,
        root: edited(random, root),
      });
      const store = join(folder, `store-${count}`);
      const made = await delta(base, next, store);
      expect(await restoreByDelta(base, next, store)).toEqual(next.contents);
      expect(made.sizeBytes).toBeLessThan(30_000);
    }),
    { numRuns: 10 },
  );
});

test("Both engines make the same index and the same delta.", async () => {
  const random = seededRandom(5);
  const root = content(random, 50_000);
  const base = await index({ root });
  const next = await index({ root: edited(random, root) });
  const again = await makeIndex({ artefacts: next.artefacts, chunker, engine: plainEngine() });
  expect(again).toEqual(next.encoded);
  const first = await delta(base, next, join(folder, "engines"));
  const second = await makeDelta({
    base: base.encoded.index,
    baseArtefacts: base.artefacts,
    next: again,
    nextArtefacts: next.artefacts,
    sink: folderSink(join(folder, "engines")),
    scratchFolder: folder,
    engine: plainEngine(),
  });
  expect(second).toEqual(first);
});

test("A flipped bit anywhere in a delta object is refused.", async () => {
  const random = seededRandom(9);
  const root = content(random, 40_000);
  const base = await index({ root });
  const next = await index({ root: Buffer.concat([content(random, 3000), root.subarray(9000)]) });
  const store = join(folder, "flipped-delta");
  const { digest, sizeBytes } = await delta(base, next, store);
  const path = join(store, contentPath({ kind: "delta", digest }));
  const good = await readFile(path);
  await fc.assert(
    fc.asyncProperty(fc.nat(sizeBytes * 8 - 1), async (bit) => {
      const bad = Buffer.from(good);
      bad[bit >>> 3] = (bad[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(path, bad);
      const refused = await restoreByDelta(base, next, store).catch((error: unknown) => error);
      const isRefusal = refused instanceof ChunkDigestError || refused instanceof ChunkFormatError;
      expect(isRefusal, `bit ${bit}: ${String(refused)}`).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test("Packs hold each chunk once, in image order, and a later image adds only what is new.", async () => {
  const random = seededRandom(21);
  const root = content(random, 200_000);
  const base = await index({ kernel: content(random, 5000), root, spare: root });
  const next = await index({ root: edited(random, root) });
  const store = join(folder, "packs");
  const sink = folderSink(store);
  const pack = (image: Case, earlier: PackedImage[]) =>
    makePacks({
      index: image.encoded.index,
      artefacts: image.artefacts,
      sink,
      scratchFolder: folder,
      earlier,
      packBytesMax: 40_000,
    });
  const first = await pack(base, []);
  expect(first.newPacks.length).toBeGreaterThan(1);
  expect(first.newPacks.every(({ sizeBytes }) => sizeBytes <= 40_000)).toBe(true);
  const second = await pack(next, [{ index: base.encoded.index, table: first.table }]);
  expect(second.newBytes).toBeLessThan(first.newBytes / 3);
  await publishIndex(next.encoded, sink);

  const reader = new ContentReader(store);
  const newIndex = await reader.index(next.encoded.index.root);
  const table = await reader.packTable(newIndex.root);
  const plan = planFromPacks({ newIndex, table });
  const outFolder = join(store, "out");
  await restoreImage({ plan, newIndex, sources: [], content: reader, outFolder });
  expect(await readOut(next, outFolder)).toEqual(next.contents);
  const full = planFromPacks({ newIndex: base.encoded.index, table: first.table });
  expect(full.totals.requestCount).toBe(first.newPacks.length);
});

test("A file that changed after it was indexed, or an abort, leaves no pack, delta or scratch.", async () => {
  const random = seededRandom(33);
  const image = await index({ root: content(random, 30_000) });
  const base = await index({ root: content(random, 30_000) });
  const store = join(folder, "refused");
  const scratchFolder = join(folder, "scratch");
  await mkdir(scratchFolder);
  const common = { sink: folderSink(store), scratchFolder };
  const packs = { ...common, index: image.encoded.index, artefacts: image.artefacts };
  const signal = AbortSignal.abort(new Error("stopped by a person"));
  await expect(makePacks({ ...packs, signal })).rejects.toThrow("stopped by a person");
  await writeFile(image.artefacts[0]?.path ?? "", content(random, 30_000));
  await expect(makePacks(packs)).rejects.toThrow("changed after it was indexed");
  await expect(
    makeDelta({
      ...common,
      base: base.encoded.index,
      baseArtefacts: base.artefacts,
      next: image.encoded,
      nextArtefacts: image.artefacts,
    }),
  ).rejects.toThrow("changed after it was indexed");
  expect(await readdir(scratchFolder)).toEqual([]);
  const pointer = join(store, deltaPointerPath(base.encoded.index.root, image.encoded.index.root));
  await expect(readFile(pointer)).rejects.toThrow("ENOENT");
});

test("Progress rises to the whole and an image equal to its base costs a header only.", async () => {
  const image = await index({ root: content(seededRandom(2), 50_000) });
  const done: number[] = [];
  const made = await makeDelta({
    base: image.encoded.index,
    baseArtefacts: image.artefacts,
    next: image.encoded,
    nextArtefacts: image.artefacts,
    sink: folderSink(join(folder, "same")),
    scratchFolder: folder,
    onProgress: ({ doneBytes, totalBytes }) => done.push(doneBytes / totalBytes),
  });
  expect(made.frameCount).toBe(0);
  expect(made.sizeBytes).toBeLessThan(300);
  expect(done.at(-1)).toBe(1);
});
