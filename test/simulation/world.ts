// One simulated run: two replicas of the control plane, a bad network, some sites and one rollout.
// Faults stop half way; then everything has to converge within a bounded simulated time.
import type { IdSource, Sealer } from "@drover/server/loops/bus-ports";
import type { LoopStore } from "@drover/server/loops/ports";
import { rollBack, sayWord } from "@drover/server/loops/rollout-word";
import { outboxId, release, rolloutId, start, till } from "@drover/server/store/contract/samples";
import { inMemoryStore } from "@drover/server/store/in-memory/in-memory-store";
import type { Tables } from "@drover/server/store/in-memory/tables";
import { describeError, InvariantError } from "@drover/shared/errors";
import { RolloutId } from "@drover/shared/ids";
import { DesiredDocument } from "@drover/shared/messages/desired";
import { GrantDocument } from "@drover/shared/messages/grant";
import { type Random, seededRandom } from "@drover/shared/random";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import { unfinished } from "./convergence.ts";
import { type FaultCounts, type FaultName, type Faults, makeFaults } from "./faults.ts";
import { Invariants } from "./invariants.ts";
import { drawScenario, type Scenario, seedScenario } from "./scenario.ts";
import { SimBus } from "./sim-bus.ts";
import { type SimClock, simClock } from "./sim-clock.ts";
import { simNode, type TrialFate } from "./sim-node.ts";
import { type SimServer, startServer } from "./sim-server.ts";
import { SimSite } from "./sim-site.ts";

export interface RunResult {
  readonly seed: number;
  readonly faults: FaultCounts;
  readonly simulatedMs: number;
  readonly events: number;
  /** Where the rollouts ended, for a summary. */
  readonly phases: readonly string[];
}

const minute = 60_000;
const faultsEndMs = 42 * minute;
const limitMs = 6 * 60 * minute;

interface World {
  readonly clock: SimClock;
  readonly faults: Faults;
  readonly random: Random;
  readonly bus: SimBus;
  readonly store: LoopStore;
  readonly tables: Tables;
  readonly invariants: Invariants;
  readonly scenario: Scenario;
  readonly ids: IdSource;
  readonly sites: SimSite[];
  readonly servers: { readonly name: string; server: SimServer }[];
  readonly bugs: unknown[];
}

/** Runs one seed; throws on the first broken invariant or when nothing converges in time. */
export async function simulate(seed: number): Promise<RunResult> {
  const world = await makeWorld(seed);
  const { clock, tables, sites, servers, invariants, bugs } = world;
  startServers(world);
  startSites(world);
  startTroubles(world);
  for (let at = start; at < start + limitMs; at += minute) {
    await clock.runUntil(at);
    if (bugs.length > 0) throw new InvariantError(describeError(bugs[0]));
    invariants.checkGenerations();
    if (at > start + faultsEndMs && unfinished(tables, sites).length === 0) break;
  }
  const left = unfinished(tables, sites);
  for (const { server } of servers) server.crash();
  if (left.length > 0) throw new InvariantError(`did not converge: ${left.slice(0, 6).join("; ")}`);
  return {
    seed,
    faults: world.faults.counts,
    simulatedMs: clock.now() - start,
    events: clock.eventCount,
    phases: [...tables.rollouts.values()].map(({ head }) => head.state.phase),
  };
}

async function makeWorld(seed: number): Promise<World> {
  const random = seededRandom(seed);
  const clock = simClock(start);
  const faults = makeFaults(random.fork("faults"), () => clock.now() < start + faultsEndMs);
  const { store: inner, seed: put, tables } = inMemoryStore();
  const sites: SimSite[] = [];
  const watched = { tables, faults, sites: () => sites, now: () => clock.now() };
  const invariants = new Invariants(watched);
  const store = invariants.observe(inner);
  const scenario = drawScenario(random.fork("scenario"), start);
  await seedScenario(put, scenario);
  const fence = { kind: "person", by: "ada" } as const;
  await store.createRollouts({ fence, rows: [scenario.rollout], events: [] });
  const ids = idSource(random.fork("ids"));
  const bus = new SimBus(clock, faults);
  return {
    clock,
    faults,
    random,
    bus,
    store,
    tables,
    invariants,
    scenario,
    ids,
    sites,
    servers: [],
    bugs: [],
  };
}

function startServers(world: World): void {
  const { store, bus, clock, faults, ids, bugs, servers, invariants } = world;
  const acks = invariants.observeAcks(bus.acks);
  const onBug = (error: unknown): void => void bugs.push(error);
  const parts = { store, bus, acks, clock, faults, sealer: plainSealer, ids, onBug };
  for (const name of ["one", "two"]) {
    servers.push({ name, server: startServer({ ...parts, name }) });
  }
  every(
    world,
    () => 10_000,
    () => {
      for (const entry of servers) {
        if (!entry.server.alive()) entry.server = startServer({ ...parts, name: entry.name });
      }
    },
  );
}

function startSites(world: World): void {
  const { scenario, sites, bus, clock, random, faults, invariants } = world;
  const fates = random.fork("fates");
  for (const { row, nodes } of scenario.sites) {
    const site = new SimSite({
      id: row.id,
      nodeClass: till,
      nodes: nodes.map((node) => simNode(node.id, release(1).imageId)),
      outboxId: outboxId(1),
      bus,
      clock,
      random: random.fork(row.id),
      faults,
      watch: invariants,
      fateOf: (image) => (image === release(1).imageId ? "healthy" : drawFate(world, fates)),
      openDesired: (envelope) => DesiredDocument.parse(open(envelope)),
      openGrant: (envelope) => GrantDocument.parse(open(envelope)),
    });
    sites.push(site);
    every(
      world,
      () => 4_000 + faults.random.integer(2_000),
      () => site.tick(),
    );
  }
}

function drawFate({ scenario, faults }: World, random: Random): TrialFate {
  const { "falls-back": fallsBack, hangs, inconclusive } = scenario.fates;
  const draw = random.next();
  const note = (name: FaultName, fate: TrialFate): TrialFate => {
    faults.note(name);
    return fate;
  };
  if (draw < fallsBack) return note("node-fell-back", "falls-back");
  if (draw < fallsBack + hangs) return note("node-hung", "hangs");
  if (draw < fallsBack + hangs + inconclusive) return note("node-inconclusive", "inconclusive");
  return "healthy";
}

function startTroubles(world: World): void {
  const { scenario, clock, bugs } = world;
  every(
    world,
    () => 30_000,
    () => trouble(world),
  );
  for (const { atMs, word } of scenario.words) {
    clock.after(atMs, () => void speak(world, word).catch((error) => bugs.push(error)));
  }
}

function trouble({ sites, bus, faults, clock, store, bugs }: World): void {
  for (const site of sites) {
    if (bus.cutOff.has(site.id)) continue;
    if (faults.strikes("site-restarted", 0.01)) site.restart();
    if (!faults.strikes("site-cut-off", 0.012)) continue;
    bus.cutOff.add(site.id);
    clock.after(faults.random.integer(15 * minute), () => bus.cutOff.delete(site.id));
  }
  if (!faults.strikes("bus-wiped", 0.01)) return;
  bus.wipe();
  // A replica that reconnects to an empty bus fills it again.
  clock.after(2_000, () => void store.republishAll().catch((error) => bugs.push(error)));
}

async function speak(world: World, word: Scenario["words"][number]["word"]): Promise<void> {
  const { clock, ids, store, servers } = world;
  const said = { id: rolloutId(1), by: "ada", now: clock.now() };
  if (word.kind === "roll-back") {
    const newId = (): RolloutId => RolloutId.parse(`r-${ids.idTail()}`);
    await rollBack(store, { ...said, reason: "the story", newId });
  } else await sayWord(store, { ...said, word });
  for (const { server } of servers) if (server.alive()) server.wakeAll();
}

/** Does `action` again and again; what it throws is a bug. */
function every(world: World, pauseMs: () => number, action: () => void): void {
  world.clock.after(pauseMs(), () => {
    try {
      action();
    } catch (error) {
      world.bugs.push(error);
    }
    every(world, pauseMs, action);
  });
}

function idSource(random: Random): IdSource {
  const letters = "abcdefghijkmnopqrstuvwxyz2345678";
  return {
    idTail: () => Array.from({ length: 20 }, () => letters[random.integer(32)] ?? "a").join(""),
  };
}

/** Signatures have their own tests; here a document travels in clear. */
const seal = async (document: unknown): Promise<DsseEnvelope> => ({
  payloadType: "plain",
  payload: Buffer.from(JSON.stringify(document)).toString("base64"),
  signatures: [{ keyid: "plain", sig: "" }],
});
const plainSealer: Sealer = { sealDesired: seal, sealGrant: seal };
const open = (envelope: DsseEnvelope): unknown =>
  JSON.parse(Buffer.from(envelope.payload, "base64").toString("utf8"));
