// The content store: an object is there whole and right, or not at all.
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readByteRange } from "./byte-range.ts";
import { isPointerPath, openContentStore } from "./content-store.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-content-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytes = new TextEncoder().encode("some bytes of a pack");
const name = { kind: "pack", digest: createHash("sha256").update(bytes).digest("hex") } as const;

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

test("An object that was put is read back, whole and in part.", async () => {
  const store = await openContentStore(folder);
  expect(await store.put(name, pieces(bytes.subarray(0, 4), bytes.subarray(4)))).toBe(true);
  expect(await store.put(name, pieces(bytes))).toBe(false);
  const object = await store.get(name);
  expect(object?.sizeBytes).toBe(bytes.length);
  expect(await new Response(object?.read()).text()).toBe("some bytes of a pack");
  expect(await new Response(object?.read({ start: 5, end: 9 })).text()).toBe("bytes");
});

test("Bytes of another digest are refused and leave nothing behind.", async () => {
  const store = await openContentStore(folder);
  await expect(store.put(name, pieces(bytes, bytes))).rejects.toMatchObject({
    code: "content-digest-mismatch",
  });
  expect(await store.has(name)).toBe(false);
  expect(readdirSync(join(folder, "incoming"))).toEqual([]);
});

test("A put whose sender breaks off leaves nothing behind.", async () => {
  const store = await openContentStore(folder);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 3);
    throw new Error("connection reset");
  }
  await expect(store.put(name, broken())).rejects.toMatchObject({ code: "content-store-failed" });
  expect(readdirSync(join(folder, "incoming"))).toEqual([]);
});

test("A full disk is named as such.", async () => {
  const store = await openContentStore(folder);
  async function* full(): AsyncGenerator<Uint8Array> {
    yield bytes;
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  }
  await expect(store.put(name, full())).rejects.toMatchObject({ code: "content-store-full" });
});

test("What an interrupted put left is removed when the store opens.", async () => {
  await openContentStore(folder);
  writeFileSync(join(folder, "incoming", "half"), "x");
  await openContentStore(folder);
  expect(readdirSync(join(folder, "incoming"))).toEqual([]);
});

test("A pointer is replaced whole and its path can't leave the store.", async () => {
  const store = await openContentStore(folder);
  const path = `pointer/pack-table/${name.digest}`;
  expect(await store.getPointer(path)).toBeUndefined();
  await store.putPointer(path, "one");
  await store.putPointer(path, "two");
  expect(await store.getPointer(path)).toBe("two");
  for (const bad of ["pointer/../x", "pointer/pack-table/../../x", "content/pack/00", "pointer//a"])
    expect(isPointerPath(bad)).toBe(false);
});

test("Any satisfiable range lies inside the object.", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 500 }),
      (text, a, b, size) => {
        for (const header of [text, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`]) {
          const range = readByteRange(header, size);
          if (range.kind !== "part") continue;
          expect(range.start).toBeGreaterThanOrEqual(0);
          expect(range.start).toBeLessThanOrEqual(range.end);
          expect(range.end).toBeLessThan(size);
        }
      },
    ),
  );
  expect(readByteRange("bytes=2-3", 10)).toEqual({ kind: "part", start: 2, end: 3 });
  expect(readByteRange("bytes=-4", 10)).toEqual({ kind: "part", start: 6, end: 9 });
  expect(readByteRange("bytes=10-", 10)).toEqual({ kind: "unsatisfiable" });
});
