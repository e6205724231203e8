// An older database put back downgrades nobody: the fleet freezes, generations go on above what sites have
// applied, and a person lets it go on.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import type { SiteId } from "@drover/shared/ids";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readSiteSide } from "./fault-checker.ts";
import {
  type FaultFleet,
  type HollowMember,
  inDatabase,
  openFaultFleet,
  type Rehearsal,
  registerMembers,
  rehearsalOf,
  startChange,
} from "./fault-fleet.ts";

const patience = { timeout: 90_000, interval: 250 };
const everyone = { waves: [{ percent: 100 }], soakMs: 0 };
let fleet: FaultFleet;
let members: HollowMember[] = [];
let rehearsal: Rehearsal;
/** Highest generation each site had applied before the restore. */
let applied = new Map<SiteId, number>();

beforeAll(async () => {
  fleet = await openFaultFleet();
  members = await registerMembers(fleet, 4);
  rehearsal = rehearsalOf(fleet, members);
  await rehearsal.start();
  await vi.waitFor(async () => expect(await known(1)).toBe(4), patience);
  await drained();
});
afterAll(async () => {
  await rehearsal.end("SIGKILL");
  await fleet.close();
});

/** What each node boots by default, from its own disk. */
function versions(): number[] {
  return members.map((member) => {
    const { disk, boot } = readSiteSide(rehearsal.sqlite, member).memory;
    return fleet.images.findIndex(({ imageId }) => boot && disk[boot.slot] === imageId) + 1;
  });
}

/** Nodes of which the centre knows that they run the version: only then is the fleet what a plan sees. */
async function known(version: number): Promise<number> {
  const { imageId } = fleet.release(version);
  const rows = await inDatabase(
    fleet.centre,
    (sql) => sql`select node from node_state where running = ${imageId}`,
  );
  return rows.length;
}

async function drained(): Promise<void> {
  await vi.waitFor(() => {
    for (const member of members)
      expect(readSiteSide(rehearsal.sqlite, member).waiting.size).toBe(0);
  }, patience);
}

const copy = (from: string, to: string): void => {
  rmSync(to, { recursive: true, force: true });
  execFileSync("cp", ["-a", from, to]);
};
const fleetView = () => call(fleet.admin(), fleetApi.fleet);

async function finish(version: number): Promise<void> {
  const params = await startChange(fleet, version, everyone);
  await vi.waitFor(async () => {
    const { state } = await call(fleet.admin(), rolloutApi.getRollout, { params });
    expect(state.phase).toBe("finished");
  }, patience);
  await drained();
}

async function generations(): Promise<Map<SiteId, number>> {
  const rows = await inDatabase(
    fleet.centre,
    (sql) => sql`select site, generation::int as generation from site_desired`,
  );
  return new Map(rows.map((row) => [row["site"] as SiteId, Number(row["generation"])]));
}

test("A database of the time before v2 freezes the fleet, and every node stays on v2.", async () => {
  const { centre, folder } = fleet;
  const database = join(centre.data, "postgres");
  const backup = join(folder, "backup");
  await centre.halt();
  copy(database, backup);
  await centre.start();
  await finish(2);
  expect(versions()).toEqual([2, 2, 2, 2]);
  applied = await generations();
  await centre.halt();
  copy(backup, database);
  await centre.start();
  await vi.waitFor(async () => expect((await fleetView()).frozen).toBe(true), patience);
  const older = await generations();
  for (const { site } of members)
    expect(older.get(site), "the restored centre signs nothing new").toBeLessThan(
      applied.get(site) ?? 0,
    );
  expect(versions()).toEqual([2, 2, 2, 2]);
});

test("Sites say again how their nodes are, and wait for nothing that the backup lacks.", async () => {
  await vi.waitFor(async () => expect(await known(2)).toBe(4), patience);
  await drained();
});

test("Nothing starts in a frozen fleet.", async () => {
  await expect(startChange(fleet, 3, everyone)).rejects.toThrow(/frozen/);
});

test("Once a person has looked, documents go on above what was applied, and no node goes back.", async () => {
  const body = { frozen: false, reason: "the backup was put back on purpose" };
  await call(fleet.admin(), fleetApi.setFrozen, { body });
  await vi.waitFor(async () => {
    const now = await generations();
    for (const { site } of members) expect(now.get(site)).toBeGreaterThan(applied.get(site) ?? 0);
  }, patience);
  await vi.waitFor(async () => {
    for (const { site } of members) {
      const view = await call(fleet.admin(), fleetApi.getSite, { params: { site } });
      expect(view.appliedGeneration).toBe(view.generation);
    }
  }, patience);
  expect(versions(), "with the new documents applied").toEqual([2, 2, 2, 2]);
  await finish(3);
  expect(versions(), "the next rollout works").toEqual([3, 3, 3, 3]);
  const went = await inDatabase(
    fleet.centre,
    (sql) => sql`select distinct image_id from grants order by image_id`,
  );
  expect(went.map((row) => row["imageId"] ?? row["image_id"])).toEqual([fleet.release(3).imageId]);
});
