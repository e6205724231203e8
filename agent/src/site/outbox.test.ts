// The outbox over a real site database: numbers without gaps, kept until acknowledged, and the oldest number
// still kept sent along.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeId, SiteId } from "@drover/shared/ids";
import { OutboxId, type Report } from "@drover/shared/messages/report";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Database, openDatabase } from "./database.ts";
import { Outbox, resendAfterMs } from "./outbox.ts";
import { SiteStore } from "./site-store.ts";

const folder = mkdtempSync(join(tmpdir(), "outbox-"));
const outboxId = OutboxId.parse("o-testtest");
const report: Report = {
  kind: "node-health",
  node: NodeId.parse("n-aaaaaaaa"),
  metrics: {},
  probes: [],
};
let database: Database;
let store: SiteStore;
let outbox: Outbox;
let sites = 0;

beforeAll(() => {
  const worker = new URL("./database-worker.ts", import.meta.url);
  database = openDatabase(join(folder, "site.sqlite"), worker);
});
afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  sites += 1;
  store = new SiteStore(database, SiteId.parse(`s-${"abcdefgh"[sites] ?? "x"}bcdefgh`));
  outbox = await Outbox.open(store, outboxId);
});

const sent = async (nowMs: number) =>
  (await outbox.due(nowMs)).map(({ seq, body }) => [seq, body.oldestSeq]);

test("Each report says which number is the oldest that the site still keeps.", async () => {
  await outbox.append([report, report, report], 1, 1);
  expect(await sent(0)).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  await outbox.acknowledge({ outboxId, upToSeq: 2 });
  expect(await sent(resendAfterMs)).toEqual([[3, 3]]);
});

test("A restarted outbox goes on with the next number and the oldest one still kept.", async () => {
  await outbox.append([report, report], 1, 1);
  await outbox.acknowledge({ outboxId, upToSeq: 1 });
  outbox = await Outbox.open(store, OutboxId.parse("o-another1"));
  await outbox.append([report], 1, 1);
  expect(await sent(0)).toEqual([
    [2, 2],
    [3, 2],
  ]);
});

test("An acknowledgement of another outbox drops nothing.", async () => {
  await outbox.append([report], 1, 1);
  await outbox.acknowledge({ outboxId: OutboxId.parse("o-another1"), upToSeq: 1 });
  expect(outbox.backlog).toBe(1);
});
