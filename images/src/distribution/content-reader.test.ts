// Damage to anything stored is found when it is read back or applied.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planFromPacks } from "@drover/shared/chunk/apply-plan";
import { flipBit } from "@drover/shared/chunk/chunk-fixtures";
import { ChunkDigestError, ChunkFormatError } from "@drover/shared/chunk/errors";
import { seededRandom } from "@drover/shared/random";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ContentReader } from "./content-reader.ts";
import { folderSink } from "./content-sink.ts";
import { makeIndex, publishIndex } from "./make-index.ts";
import { makePacks } from "./make-packs.ts";
import { restoreImage } from "./restore-image.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-content-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("A flipped bit in a stored index, page, pack table or pack is refused or changes nothing.", async () => {
  const random = seededRandom(4);
  const root = Buffer.from(Array.from({ length: 9000 }, () => random.integer(64)));
  await writeFile(join(folder, "root"), root);
  const artefacts = [{ name: "root", path: join(folder, "root") }];
  const chunker = { minBytes: 256, averageBytes: 1024, maxBytes: 4096, normalisation: 2 };
  const encoded = await makeIndex({ artefacts, chunker });
  const store = join(folder, "store");
  const sink = folderSink(store);
  await publishIndex(encoded, sink);
  await mkdir(join(folder, "scratch"));
  const scratchFolder = join(folder, "scratch");
  await makePacks({ index: encoded.index, artefacts, sink, scratchFolder });

  const outFolder = join(folder, "out");
  const restore = async (): Promise<Buffer> => {
    const content = new ContentReader(store);
    const newIndex = await content.index(encoded.index.root);
    const plan = planFromPacks({ newIndex, table: await content.packTable(newIndex.root) });
    await restoreImage({ plan, newIndex, sources: [], content, outFolder });
    return readFile(join(outFolder, "root"));
  };
  expect(await restore()).toEqual(root);

  const kinds = ["index", "index-page", "pack-table", "pack"];
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...kinds), fc.nat(), async (kind, bit) => {
      const [name = ""] = await readdir(join(store, "content", kind));
      const path = join(store, "content", kind, name);
      const good = await readFile(path);
      await writeFile(path, flipBit(new Uint8Array(good), bit));
      const result = await restore().catch((error: unknown) => error);
      await writeFile(path, good);
      if (Buffer.isBuffer(result)) {
        // Bits that no frame covers, such as a pack's preamble, or that zstd does not use.
        expect(kind).toBe("pack");
        expect(result).toEqual(root);
        return;
      }
      refused += 1;
      const isRefusal = result instanceof ChunkDigestError || result instanceof ChunkFormatError;
      expect(isRefusal, String(result)).toBe(true);
    }),
    { numRuns: 120 },
  );
  expect(refused).toBeGreaterThan(60);
});
