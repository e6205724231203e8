// The WAN is cut while a site fetches an image, once with its agent killed as well: it resumes by itself and no
// chunk that was verified (is right on its disk) is ever sent again, counted byte by byte at the centre's side.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePort } from "@drover/server/embedded/free-port";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { isChunk } from "@drover/shared/chunk/apply-run";
import { chunkBytes, locateChunk } from "@drover/shared/chunk/chunk-index";
import { packTablePointerPath, parseContentPointer } from "@drover/shared/chunk/content-layout";
import { type FrameLocation, parsePackTable } from "@drover/shared/chunk/pack-table";
import { seededRandom } from "@drover/shared/random";
import { sha256Hex } from "@drover/shared/trust/digest";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type CuttableWan, openCuttableWan } from "./cuttable-wan.ts";
import { type FaultFleet, faultSeed, lite, openFaultFleet } from "./fault-fleet.ts";

const agentProgram = join(import.meta.dirname, "../../agent/src/main.ts");
const cuts = 4;
/** A chunk and what was in buffers, beside manifest, index and pack table that are read again. */
const underWayBytesMax = 600_000;
const need = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error("the test has not got this far");
  return value;
};
let fleet: FaultFleet;
let wan: CuttableWan;
let agent: ChildProcess | undefined;

beforeAll(async () => {
  const port = await findFreePort("127.0.0.1");
  fleet = await openFaultFleet({ publicUrl: `https://127.0.0.1:${port}`, rootBytes: 5_000_000 });
  wan = await openCuttableWan(fleet.centre, port);
});
afterAll(async () => {
  await end("SIGTERM");
  await wan.close();
  await fleet.close();
});

async function end(signal: NodeJS.Signals): Promise<void> {
  const child = agent;
  agent = undefined;
  if (!child || child.exitCode !== null) return;
  const ended = new Promise((settle) => child.once("exit", settle));
  child.kill(signal);
  await ended;
}

function begin(config: string): void {
  const words = [agentProgram, "site", "--config", config, "--log", "error"];
  agent = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "inherit"] });
}

/** Where every chunk of the first image lies in packs. */
function frames(): readonly FrameLocation[] {
  const store = join(fleet.folder, "store");
  const root = fleet.images[0]?.encoded.index.root ?? "";
  const pointer = parseContentPointer(
    readFileSync(join(store, packTablePointerPath(root)), "utf8"),
  );
  const table = readFileSync(join(store, "content", "pack-table", pointer.digest));
  return parsePackTable(table).locations;
}

/** Times that the bytes of a frame were sent, added up. */
function timesSent({ pack, offset, sizeBytes }: FrameLocation): number {
  const counts = wan.sent.get(`content/pack/${pack}`) ?? new Uint8Array();
  return counts.subarray(offset, offset + sizeBytes).reduce((sum, times) => sum + times, 0);
}

/** Numbers of the chunks that are right in the agent's partial image. */
function verified(folder: string): number[] {
  const image = need(fleet.images[0]);
  const { index } = image.encoded;
  const partial = join(folder, "cache", "partial", image.imageId);
  if (!existsSync(join(partial, "root"))) return [];
  const files = new Map(
    index.artefacts.map(({ name }) => [name, readFileSync(join(partial, name))]),
  );
  return Array.from({ length: index.count }, (_, number) => number).filter((number) => {
    const { artefact, offset } = locateChunk(index, number);
    const bytes = need(files.get(artefact.name)).subarray(
      offset,
      offset + chunkBytes(index, number),
    );
    return isChunk(index, number, bytes);
  });
}

test("A fetch that is cut four times sends no verified chunk twice and ends byte for byte right.", async () => {
  const policy = { beatMs: 1_000 };
  const site = { name: "Berlin 1", region: "emea/de", policy };
  const made = await call(fleet.admin(), fleetApi.createSite, { body: site });
  const body = { macs: ["52:54:00:00:05:01"], class: lite };
  const params = { site: made.site };
  await call(fleet.admin(), fleetApi.registerNode, { params, body });
  const dataFolder = join(fleet.folder, "site");
  const config = join(fleet.folder, "site.json");
  const listen = { ip: "127.0.0.1", port: await findFreePort("127.0.0.1") };
  const settings = { dataFolder, enrolment: made.enrolment, listen };
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });

  const all = frames();
  const random = seededRandom(faultSeed).fork("wan");
  /** Bytes sent of every chunk when it was first seen verified. */
  const before = new Map<number, number>();
  const places: number[] = [];
  for (let cut = 0; cut < cuts; cut += 1) {
    const at = wan.sentBytes() + 600_000 + random.integer(600_000);
    wan.mend();
    const noticed = wan.cutAfter(at);
    if (cut === 0) begin(config);
    await noticed;
    places.push(at);
    for (const number of verified(dataFolder))
      if (!before.has(number)) before.set(number, timesSent(need(all[number])));
    if (cut !== 2) continue;
    await end("SIGKILL");
    begin(config);
  }
  wan.mend();
  const [image] = fleet.images;
  const root = join(dataFolder, "cache", "images", image?.imageId ?? "", "root");
  await vi.waitFor(
    () => expect(sha256Hex(readFileSync(root))).toBe(image?.manifest.artefacts.root.sha256),
    { timeout: 90_000, interval: 250 },
  );
  const twice = [...before].filter(([number, sent]) => timesSent(need(all[number])) > sent);
  const packBytes = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  process.stdout.write(
    `WAN cut after ${places.join(", ")} content bytes (agent killed at the third); ${before.size} of ` +
      `${all.length} chunks were verified by then, ${twice.length} of them sent again; ` +
      `${wan.sentBytes()} bytes sent for ${packBytes} of chunks; seed ${faultSeed}\n`,
  );
  expect(wan.sentBytes() - packBytes, "a cut loses only what was under way").toBeLessThan(
    cuts * underWayBytesMax,
  );
  expect(before.size, "the cuts fell in the middle").toBeGreaterThan(10);
  expect(before.size).toBeLessThan(all.length);
  expect(twice).toEqual([]);
});
