// The site's image cache over real content: delta, packs, resume, damage, restart and exact WAN counts.
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Centre } from "@drover/agent/site/centre";
import { CentreError, ContentMissingError } from "@drover/agent/site/centre";
import { DiskImageCache } from "@drover/agent/site/image-cache";
import { systemClock } from "@drover/agent/system-clock";
import { ChannelName, type ImageId } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { contentAt, type MadeImage, makeImage, noise } from "./agent-images.ts";

let scratch = "";
let store = "";
let v1: MadeImage;
let v2: MadeImage;
const root1 = noise(7, 1_500_000);
/** Two places changed and one insertion, as a small package update does. */
const root2 = Buffer.concat([
  root1.subarray(0, 300_000),
  noise(8, 5_000),
  root1.subarray(300_000, 900_000),
  noise(9, 2_000),
  root1.subarray(902_000),
]);

let sentBytes = 0;
let breakAfterBytes = Number.POSITIVE_INFINITY;
let paths: string[] = [];
const wan = new Map<ImageId, number>();

/** Content over a connection that can be cut after so many bytes; counts what really left. */
const centre: Pick<Centre, "read"> = {
  async *read(url, range) {
    const path = new URL(url).pathname.slice(1);
    paths.push(path);
    const bytes = await contentAt(store, path);
    if (!bytes) throw new ContentMissingError(path);
    const end = range ? range.offset + range.sizeBytes : bytes.length;
    for (let at = range?.offset ?? 0; at < end; at += 20_000) {
      const piece = bytes.subarray(at, Math.min(at + 20_000, end));
      if (sentBytes + piece.length > breakAfterBytes) throw new CentreError("the WAN is cut");
      sentBytes += piece.length;
      yield piece;
    }
  },
};

const release = (image: MadeImage) => ({
  name: "lite",
  semver: "1.0.0",
  channel: ChannelName.parse("dev"),
  counter: 1,
  imageId: image.imageId,
});

let folder = "";
const openCache = () =>
  DiskImageCache.open({
    folder,
    clock: { ...systemClock, wait: async () => undefined },
    log: silentLog,
    content: {
      centre,
      clock: { ...systemClock, wait: async () => undefined },
      urls: () => ["https://centre.test"],
      bytesPerSecondMax: () => 0,
    },
    addWanBytes: async (imageId, bytes) => {
      wan.set(imageId, (wan.get(imageId) ?? 0) + bytes);
    },
  });
const signal = new AbortController().signal;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "agent-cache-"));
  store = join(scratch, "store");
  v1 = await makeImage(scratch, store, root1);
  v2 = await makeImage(scratch, store, root2, v1);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(scratch, "cache-"));
  sentBytes = 0;
  breakAfterBytes = Number.POSITIVE_INFINITY;
  paths = [];
  wan.clear();
});

async function expectWhole(cache: DiskImageCache, image: MadeImage): Promise<void> {
  for (const { name, path } of image.artefacts) {
    const cached = cache.path(image.imageId, name as "root");
    expect(await readFile(cached ?? "")).toEqual(await readFile(path));
  }
}

test("An empty cache takes the full image from packs; every byte is counted.", async () => {
  const cache = await openCache();
  await cache.ensure(release(v1), signal);
  await expectWhole(cache, v1);
  expect(wan.get(v1.imageId)).toBe(sentBytes);
  expect(cache.whole()).toEqual([v1.imageId]);
});

test("The next image comes by delta and costs a small part of it; again costs nothing.", async () => {
  const cache = await openCache();
  await cache.ensure(release(v1), signal);
  sentBytes = 0;
  paths = [];
  await cache.ensure(release(v2), signal);
  await expectWhole(cache, v2);
  expect(wan.get(v2.imageId)).toBe(sentBytes);
  expect(sentBytes).toBeLessThan(root2.length * 0.15);
  expect(paths.some((path) => path.startsWith("content/pack"))).toBe(false);
  const before = sentBytes;
  await cache.ensure(release(v2), signal);
  expect(sentBytes).toBe(before);
});

test("A fetch that the WAN cut short goes on later without fetching a verified chunk again.", async () => {
  const whole = await openCache();
  await whole.ensure(release(v1), signal);
  const fullBytes = sentBytes;
  folder = await mkdtemp(join(scratch, "cache-"));
  sentBytes = 0;
  breakAfterBytes = 900_000;
  const cut = await openCache();
  await expect(cut.ensure(release(v1), signal)).rejects.toThrow("the WAN is cut");
  expect(cut.whole()).toEqual([]);
  breakAfterBytes = Number.POSITIVE_INFINITY;
  const again = await openCache();
  await again.ensure(release(v1), signal);
  await expectWhole(again, v1);
  // Repeated: manifest, index, pack table and at most one frame that was not complete.
  expect(sentBytes).toBeLessThan(fullBytes + 300_000);
});

test("A restart finds whole images whole, and evicting one takes it away.", async () => {
  await (await openCache()).ensure(release(v1), signal);
  const again = await openCache();
  expect(again.whole()).toEqual([v1.imageId]);
  await expectWhole(again, v1);
  await again.evict(v1.imageId);
  expect((await openCache()).whole()).toEqual([]);
});

test("A damaged base costs more bytes, never a wrong image.", async () => {
  const cache = await openCache();
  await cache.ensure(release(v1), signal);
  const file = await open(cache.path(v1.imageId, "root") ?? "", "r+");
  await file.write(Buffer.from("damage"), 0, 6, 1_200_000);
  await file.close();
  await cache.ensure(release(v2), signal);
  await expectWhole(cache, v2);
  expect(await cache.scrub(v1.imageId), "the scrub finds it").toBe(false);
  expect(cache.whole()).toEqual([v2.imageId]);
});

test("A flipped bit in a stored object is refused and leaves no image behind.", async () => {
  const cache = await openCache();
  const path = `content/manifest/${v1.imageId}`;
  const file = await open(join(store, path), "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 40);
  const flip = (byte: number) => file.write(Buffer.from([byte]), 0, 1, 40);
  const was = buffer[0] ?? 0;
  await flip(was ^ 1);
  try {
    await expect(cache.ensure(release(v1), signal)).rejects.toThrow("other bytes than its name");
    expect(cache.whole()).toEqual([]);
  } finally {
    await flip(was);
    await file.close();
  }
});
