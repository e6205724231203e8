// kill -9 of server, agents, NATS and Postgres at seeded moments while grants are given: nothing that was
// acknowledged is lost, nothing happens twice, and the rollout finishes by itself.
import { systemClock } from "@drover/agent/system-clock";
import { call } from "@drover/shared/api/client";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Checked, checkFleet, readSiteSide } from "./fault-checker.ts";
import {
  type FaultFleet,
  faultSeed,
  type HollowMember,
  inDatabase,
  openFaultFleet,
  type Rehearsal,
  registerMembers,
  rehearsalOf,
  startChange,
} from "./fault-fleet.ts";
import { type Kill, planKills, servicePid, type Victim, victims } from "./kill-plan.ts";

const sites = 14;
const killsEach = 5;
const slowness = Number(process.env["DROVER_SLOWNESS"] ?? "1");
const patience = { timeout: 200_000 * slowness, interval: 250 };
let fleet: FaultFleet;
let members: HollowMember[] = [];
let rehearsal: Rehearsal;

beforeAll(async () => {
  fleet = await openFaultFleet();
  members = await registerMembers(fleet, sites);
  rehearsal = rehearsalOf(fleet, members);
  await rehearsal.start();
});
afterAll(async () => {
  await rehearsal.end("SIGKILL");
  await fleet.close();
});

/** Nodes that have committed the release and whose site has been acknowledged everything. */
async function settled(version: number): Promise<number> {
  const { imageId } = fleet.release(version);
  const running = await inDatabase(
    fleet.centre,
    (sql) => sql`select node from node_state where running = ${imageId}`,
  );
  const nodes = new Set(running.map((row) => row["node"]));
  return members.filter(
    (member) => nodes.has(member.node) && readSiteSide(rehearsal.sqlite, member).waiting.size === 0,
  ).length;
}

async function kill(victim: Victim): Promise<void> {
  const { centre } = fleet;
  if (victim === "server") return centre.crashAndRestart();
  if (victim === "agent") {
    await rehearsal.end("SIGKILL");
    return rehearsal.start();
  }
  // Supervised by the server: it comes back without the test's help.
  const pid = await vi.waitUntil(() => servicePid(centre.data, victim), patience);
  process.kill(pid, "SIGKILL");
}

/** Carries out the plan; answers how many kills of each there were. */
async function killAll(plan: readonly Kill[], grantsNow: () => Promise<number>) {
  const killed = Object.fromEntries(victims.map((victim) => [victim, 0])) as Record<Victim, number>;
  for (const { victim, afterGrants, delayMs } of plan) {
    await vi.waitFor(
      async () => expect(await grantsNow()).toBeGreaterThanOrEqual(afterGrants),
      patience,
    );
    // Not a wait for something: the seed chooses this moment.
    await systemClock.wait(delayMs, new AbortController().signal);
    await kill(victim);
    killed[victim] += 1;
  }
  return killed;
}

function check(rollout: string): Promise<Checked> {
  const { imageId } = fleet.release(2);
  const { sqlite } = rehearsal;
  return inDatabase(fleet.centre, (sql) => checkFleet({ sql, sqlite, members, rollout, imageId }));
}

function tell(killed: Record<Victim, number>, checked: Checked, seconds: number): void {
  const counts = victims.map((victim) => `${victim} ${killed[victim]}`).join(", ");
  process.stdout.write(
    `kills: ${counts}; ${sites} nodes, ${checked.reports} reports stored once, ${checked.grants} grants ` +
      `(${checked.renewals} given again after a lost answer), ${checked.armings} armings, ` +
      `${checked.breaches.length} breaches; ${seconds} s, seed ${faultSeed}\n` +
      `replay: npm test -- --project integration test/integration/faults-kills.test.ts --seed ${faultSeed}\n`,
  );
}

test(
  "Twenty kills during a rollout lose nothing, repeat nothing, and it finishes by itself.",
  async () => {
    await vi.waitFor(async () => expect(await settled(1)).toBe(sites), patience);
    const startedAt = Date.now();
    const waves = [{ count: 2 }, { percent: 50 }, { percent: 100 }];
    const params = await startChange(fleet, 2, { waves, soakMs: 1_000, inFlightMax: 2 });
    const { rollout } = params;
    const show = () => call(fleet.admin(), rolloutApi.getRollout, { params });
    const grantsNow = async () => (await show()).grants;
    const killed = await killAll(planKills(faultSeed, killsEach, sites - 3), grantsNow);
    const grantsAfterLast = await vi.waitFor(grantsNow, patience);
    await vi.waitFor(async () => expect((await show()).state.phase).toBe("finished"), patience);
    await vi.waitFor(async () => expect(await settled(2)).toBe(sites), patience);
    await rehearsal.end("SIGTERM");
    const checked = await check(rollout);
    tell(killed, checked, Math.round((Date.now() - startedAt) / 1000));
    expect(checked.breaches).toEqual([]);
    expect(killed).toEqual({ server: 5, agent: 5, nats: 5, postgres: 5 });
    expect(grantsAfterLast, "the kills fell while grants were given").toBeLessThan(sites);
  },
  600_000 * slowness,
);

test("The checker is not blind: a row taken away and a grant forgotten are both found.", async () => {
  const rollout = await inDatabase(fleet.centre, async (sql) => {
    await sql`delete from reports where kind = 'node-event' and body ->> 'event' = 'armed'
      and site = ${members[0]?.site ?? ""}`;
    const rows = await sql`delete from grants where site = ${members[1]?.site ?? ""}
      returning rollout_id`;
    return String(rows[0]?.["rollout_id"]);
  });
  const breaches = (await check(rollout)).breaches.join("\n");
  expect(breaches).toMatch(/was acknowledged and is not stored/);
  expect(breaches).toMatch(/told 0 times that it armed/);
  expect(breaches).toMatch(/has 0 grants of the rollout/);
});
