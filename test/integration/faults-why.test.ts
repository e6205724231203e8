// One flipped bit of each kind through a running centre: real site agents refuse it, nothing becomes whole or
// is assigned, and `drover why` of the command line says so with the reason.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunningSite, startSite } from "@drover/agent/roles/site";
import { systemClock } from "@drover/agent/system-clock";
import { call } from "@drover/shared/api/client";
import { fleetApi, type WhyView } from "@drover/shared/api/fleet-api";
import type { NodeId, SiteId } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FaultFleet, inDatabase, lite, openFaultFleet } from "./fault-fleet.ts";

const cli = join(import.meta.dirname, "../../control-plane/cli/src/main.ts");
const patience = { timeout: 60_000, interval: 500 };
let fleet: FaultFleet;
const running: { stop: AbortController; site: RunningSite }[] = [];
let sites = 0;

beforeAll(async () => {
  fleet = await openFaultFleet();
});
afterAll(async () => {
  for (const { stop } of running) stop.abort(new Error("the test is over"));
  for (const { site } of running) await site.done;
  await fleet.close();
});

/** A site with one node, whose agent is not started yet. */
async function registerSite(): Promise<{ id: SiteId; node: NodeId; enrolment: string }> {
  sites += 1;
  const site = { name: `Berlin ${sites}`, region: "emea/de", policy: { beatMs: 1_000 } };
  const made = await call(fleet.admin(), fleetApi.createSite, { body: site });
  const body = { macs: [`52:54:00:00:04:0${sites}`], class: lite };
  const params = { site: made.site };
  const node = await call(fleet.admin(), fleetApi.registerNode, { params, body });
  return { id: made.site, node: node.id, enrolment: made.enrolment };
}

async function startAgent({ enrolment }: { enrolment: string }): Promise<RunningSite> {
  const stop = new AbortController();
  const dataFolder = join(fleet.folder, `site-${sites}`);
  const listen = { ip: "127.0.0.1", port: 0 };
  const reconnect = { waitMs: 200, jitterMs: 200 };
  const settings = { dataFolder, enrolment, listen, reconnect };
  const databaseWorker = new URL("../../agent/src/site/database-worker.ts", import.meta.url);
  const common = { agentVersion: "0.1.0", clock: systemClock, log: silentLog, databaseWorker };
  const site = await startSite({ ...common, settings }, stop.signal);
  running.push({ stop, site });
  return site;
}

/** What `drover why KIND ID --json` prints. */
function why(kind: "site" | "node", id: string): Promise<WhyView> {
  const { data, url } = fleet.centre;
  const words = [cli, "--data", data, "--url", url, "--json", "why", kind, id];
  return new Promise((settle, reject) => {
    execFile(process.execPath, words, (error, out) =>
      error ? reject(error) : settle(JSON.parse(out) as WhyView),
    );
  });
}

async function untilWhy(kind: "site" | "node", id: string, reason: RegExp): Promise<void> {
  await vi.waitFor(
    async () => expect((await why(kind, id)).because.join("\n")).toMatch(reason),
    patience,
  );
}

/** Flips one bit of a stored object of the centre; answers how to put it right. */
function damage(digest: string, offset: number): () => void {
  const folder = join(fleet.centre.data, "content");
  const entry = readdirSync(folder, { recursive: true, withFileTypes: true }).find(
    (each) => each.isFile() && each.name === digest,
  );
  const path = join(entry?.parentPath ?? folder, digest);
  const right = readFileSync(path);
  const wrong = Buffer.from(right);
  wrong[offset] = (wrong[offset] ?? 0) ^ 1;
  writeFileSync(path, wrong);
  return () => writeFileSync(path, right);
}

const v1 = () => fleet.release(1).imageId;

test("A flipped bit in a stored manifest: the site refuses the image and why says so.", async () => {
  const repair = damage(v1(), 100);
  const site = await registerSite();
  const agent = await startAgent(site);
  await untilWhy("site", site.id, /fetching lite@1\.0\.0 failed: .*other bytes than its name/);
  await untilWhy("node", site.node, /the site says: fetching lite@1\.0\.0 failed/);
  expect(agent.runtime.cache.whole()).toEqual([]);
  repair();
});

test("A flipped bit in a stored chunk: the site refuses the image and why says so.", async () => {
  const packs = readdirSync(join(fleet.folder, "store", "content", "pack"));
  const repairs = packs.map((pack) => damage(pack, 5_000));
  const site = await registerSite();
  const agent = await startAgent(site);
  await untilWhy("site", site.id, /fetching lite@1\.0\.0 failed: .*(digest|expanding|bytes)/);
  expect(agent.runtime.cache.whole()).toEqual([]);
  for (const repair of repairs) repair();
});

test("A flipped bit in release metadata: nothing it names is fetched and why says so.", async () => {
  const flip = (from: string, to: string) =>
    inDatabase(
      fleet.centre,
      (sql) => sql`update channels set metadata = replace(metadata, ${from}, ${to})`,
    );
  await flip('"counter":1', '"counter":3');
  const site = await registerSite();
  const agent = await startAgent(site);
  await untilWhy("site", site.id, /release metadata refused or not reached/);
  await untilWhy("site", site.id, /lite@1\.0\.0 is not signed for this site and is not fetched/);
  expect(agent.runtime.cache.whole()).toEqual([]);
});

test("A flipped bit in a signed desired document: the site keeps what it has and why says so.", async () => {
  const { centre } = fleet;
  const site = await registerSite();
  const payload = await vi.waitFor(async () => {
    const rows = await inDatabase(
      centre,
      (sql) => sql`select body #>> '{document,payload}' as payload from site_desired
        where site = ${site.id}`,
    );
    const [row] = rows;
    if (!row?.["payload"]) throw new Error("nothing is desired of the site yet");
    return String(row["payload"]);
  }, patience);
  const wrong = Buffer.from(payload, "base64");
  wrong[40] = (wrong[40] ?? 0) ^ 1;
  await inDatabase(
    centre,
    (sql) => sql`update site_desired
      set body = jsonb_set(body, '{document,payload}', to_jsonb(${wrong.toString("base64")}::text))
      where site = ${site.id}`,
  );
  // The bus loses its store, so that it is filled again from the damaged row.
  await centre.halt();
  rmSync(join(centre.data, "nats", "store"), { recursive: true, force: true });
  await centre.start();
  const agent = await startAgent(site);
  await untilWhy("site", site.id, /desired state refused: .*not signed by enough keys of fleet/);
  expect(agent.runtime.keeper.desired).toBeUndefined();
});
