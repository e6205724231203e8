// Seeded flipped bits in everything a site takes from its centre: content, release metadata, signed documents.
// A flip is refused before anything can be armed; one that changes nothing is counted apart and proved to.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Centre } from "@drover/agent/site/centre";
import { ContentMissingError } from "@drover/agent/site/centre";
import {
  FakeCentre,
  testClass,
  testNode,
  testRelease,
  testRollout,
  testSite,
} from "@drover/agent/site/fake-centre";
import { DiskImageCache } from "@drover/agent/site/image-cache";
import { systemClock } from "@drover/agent/system-clock";
import { TrustKeeper } from "@drover/agent/trust-keeper";
import { ChannelName } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contentAt, type MadeImage, makeImage, noise } from "./agent-images.ts";
import { faultSeed } from "./fault-fleet.ts";

const flips = 100;
const scratch = mkdtempSync(join(tmpdir(), "drover-bits-"));
const store = join(scratch, "store");
const signal = new AbortController().signal;
const stable = ChannelName.parse("stable");
const random = seededRandom(faultSeed).fork("bits");
let v1: MadeImage;
let v2: MadeImage;

/** How many flips ended in which way. */
type Tally = Record<string, number>;
const count = (tally: Tally, outcome: string): void => {
  tally[outcome] = (tally[outcome] ?? 0) + 1;
};
function tell(kind: string, tally: Tally): void {
  const words = Object.entries(tally).map(([outcome, times]) => `${times} ${outcome}`);
  process.stdout.write(`flipped bits, ${kind}: ${words.join(", ")}; seed ${faultSeed}\n`);
}

interface Flip {
  readonly path: string;
  readonly bit: number;
}
let flip: Flip | undefined;
let wasServed = false;
let paths: string[] = [];

/** A centre whose content is right except for one bit. */
const centre: Pick<Centre, "read"> = {
  async *read(url, range) {
    const path = new URL(url).pathname.slice(1);
    paths.push(path);
    const bytes = await contentAt(store, path);
    if (!bytes) throw new ContentMissingError(path);
    const start = range?.offset ?? 0;
    const end = range ? start + range.sizeBytes : bytes.length;
    if (flip?.path === path) {
      flipBit(bytes, flip.bit);
      wasServed ||= flip.bit >> 3 >= start && flip.bit >> 3 < end;
    }
    yield bytes.subarray(start, end);
  },
};

function flipBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}

function flippedText(text: string): string {
  const bytes = Buffer.from(text);
  flipBit(bytes, random.integer(bytes.length * 8));
  return bytes.toString("utf8");
}

const release = ({ imageId }: MadeImage) => ({ ...testRelease("1", 1), name: "lite", imageId });

function openCache(folder: string) {
  const clock = { ...systemClock, wait: async () => undefined };
  const content = {
    centre,
    clock,
    urls: () => ["https://centre.test"],
    bytesPerSecondMax: () => 0,
  };
  const addWanBytes = async () => undefined;
  return DiskImageCache.open({ folder, clock, log: silentLog, content, addWanBytes });
}

/** Fetches `image` over a cache that holds what `base` holds; says how the one flipped bit ended. */
async function fetchFlipped(image: MadeImage, wrong: Flip, base?: string): Promise<string> {
  const folder = mkdtempSync(join(scratch, "cache-"));
  if (base) cpSync(base, folder, { recursive: true });
  const cache = await openCache(folder);
  [flip, wasServed, paths] = [wrong, false, []];
  try {
    await cache.ensure(release(image), signal);
  } catch {
    expect(cache.whole(), "nothing refused is whole").not.toContain(image.imageId);
    expect((await openCache(folder)).whole()).not.toContain(image.imageId);
    return "refused";
  } finally {
    flip = undefined;
  }
  for (const { name, path } of image.artefacts) {
    const cached = await readFile(cache.path(image.imageId, name as "root") ?? "");
    expect(cached.equals(await readFile(path)), "what is whole is right").toBe(true);
  }
  rmSync(folder, { recursive: true });
  if (!wasServed) return "harmless (in bytes that nobody needed)";
  return base && paths.some((path) => path.startsWith("content/pack/"))
    ? "refused and fetched right from packs instead"
    : "harmless (the chunks came out the same)";
}

async function seededFlip(path: string): Promise<Flip> {
  const bytes = await contentAt(store, path);
  return { path, bit: random.integer((bytes?.length ?? 0) * 8) };
}

/** Paths of content of a kind that fetching an image asks for. */
async function pathsOf(image: MadeImage, kind: string, base?: string): Promise<string[]> {
  await fetchFlipped(image, { path: "none", bit: 0 }, base);
  return [...new Set(paths.filter((path) => path.startsWith(`content/${kind}/`)))];
}

beforeAll(async () => {
  const root = noise(41, 150_000);
  v1 = await makeImage(scratch, store, root);
  const changed = Buffer.concat([
    root.subarray(0, 60_000),
    noise(42, 20_000),
    root.subarray(80_000),
  ]);
  v2 = await makeImage(scratch, store, changed, v1);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("A flipped bit in stored chunks is refused; no image with one becomes whole.", async () => {
  const tally: Tally = {};
  const packs = await pathsOf(v1, "pack");
  for (let at = 0; at < flips; at += 1)
    count(tally, await fetchFlipped(v1, await seededFlip(random.pick(packs))));
  tell("chunks in packs", tally);
  expect(tally["refused"]).toBeGreaterThanOrEqual(flips * 0.9);
});

test("A flipped bit in a delta costs bytes, never a wrong image.", async () => {
  const base = mkdtempSync(join(scratch, "base-"));
  await (await openCache(base)).ensure(release(v1), signal);
  const [delta = ""] = await pathsOf(v2, "delta", base);
  const tally: Tally = {};
  for (let at = 0; at < flips; at += 1)
    count(tally, await fetchFlipped(v2, await seededFlip(delta), base));
  tell("chunks in deltas", tally);
  expect(tally["refused"], "packs bring what a damaged delta could not").toBeUndefined();
  expect(tally["refused and fetched right from packs instead"]).toBeGreaterThan(flips * 0.9);
});

test("A flipped bit in a manifest is always refused.", async () => {
  const tally: Tally = {};
  for (let at = 0; at < flips; at += 1)
    count(tally, await fetchFlipped(v1, await seededFlip(`content/manifest/${v1.imageId}`)));
  tell("manifests", tally);
  expect(tally).toEqual({ refused: flips });
});

test("A flipped bit in release metadata is refused, or what was signed came out the same.", () => {
  const fake = new FakeCentre([testNode(1)]);
  const text = fake.releaseMetadata();
  const open = (metadata: string) => {
    const keeper = TrustKeeper.first(testSite, fake.root, fake.trustFile());
    keeper.learnDesired(fake.desiredBody());
    keeper.learnReleases(stable, metadata);
    return [...(keeper.view?.releases ?? [])];
  };
  const right = open(text);
  const tally: Tally = {};
  for (let at = 0; at < flips; at += 1)
    count(
      tally,
      judge(() => open(flippedText(text)), right),
    );
  tell("release metadata", tally);
  expect(tally["refused"]).toBeGreaterThanOrEqual(flips * 0.7);
});

test("A flipped bit in a signed document is refused, or what was signed came out the same.", async () => {
  const fake = new FakeCentre([testNode(1)]);
  const keeper = () => TrustKeeper.first(testSite, fake.root, fake.trustFile());
  const body = fake.desiredBody();
  const openDesired = (text: string) => {
    const fresh = keeper();
    fresh.learnDesired({ ...body, document: JSON.parse(text) });
    return fresh.desired;
  };
  const desired = JSON.stringify(body.document);
  const grant = await grantText(fake);
  const openGrant = (text: string) => keeper().openGrant(JSON.parse(text));
  for (const { kind, text, open } of [
    { kind: "desired documents", text: desired, open: openDesired },
    { kind: "grants", text: grant, open: openGrant },
  ]) {
    const right = open(text);
    const tally: Tally = {};
    for (let at = 0; at < flips; at += 1)
      count(
        tally,
        judge(() => open(flippedText(text)), right),
      );
    tell(kind, tally);
    expect(tally["refused"]).toBeGreaterThanOrEqual(flips * 0.9);
  }
});

/** A grant as the centre answers it, for the one node. */
async function grantText(fake: FakeCentre): Promise<string> {
  const { imageId } = testRelease("2", 2);
  const nodes = [{ node: testNode(1).id, nonce: "n".repeat(22) }];
  const request = { rolloutId: testRollout, rolloutEpoch: 1, class: testClass, imageId, nodes };
  const message = { v: 1, kind: "grant-request", site: testSite, seq: 0, at: 1, body: request };
  const path = "/agent/v1/grant";
  const body = JSON.stringify(message);
  const answer = await fake.send()({ method: "POST", path, body, headers: {} });
  return JSON.stringify(JSON.parse(answer.text).document);
}

/** Accepted with the very same content is harmless; accepted with any other fails the test. */
function judge(open: () => unknown, right: unknown): string {
  let opened: unknown;
  try {
    opened = open();
  } catch {
    return "refused";
  }
  expect(opened).toEqual(right);
  return "harmless (what was signed came out the same)";
}
