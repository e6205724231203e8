// Endpoints of rollouts: draft with its plan, start against the plan's hash, and the stop words. Halting
// needs the database only.
import { type PlanView, type RolloutView, rolloutApi } from "@drover/shared/api/rollout-api";
import type { RolloutId, SiteId } from "@drover/shared/ids";
import type { SiteInRollout, Tally } from "@drover/shared/rollout/state";
import type { Person } from "./callers.ts";
import { conflict, notFound } from "./problem.ts";
import type { RolloutPlanner } from "./rollout-planner.ts";
import type { Server } from "./serve.ts";

type StoredRollout = Omit<RolloutView, "waves" | "planHash"> & {
  readonly plan: PlanView | null;
};

export interface RolloutDesk {
  list(): Promise<StoredRollout[]>;
  get(id: RolloutId): Promise<StoredRollout | undefined>;
  tallies(id: RolloutId): Promise<{ wave: number; sites: number; tally: Tally }[]>;
  sites(
    id: RolloutId,
    wave?: number,
  ): Promise<
    { site: SiteId; wave: number; state: SiteInRollout; because: string[]; since: number }[]
  >;
}

export type StopWord = "pause" | "resume" | "halt" | "un-halt" | "cancel";

/** The words of people, applied at once. */
export interface RolloutWords {
  say(input: {
    id: RolloutId;
    word: StopWord | "start";
    by: string;
    reason: string;
  }): Promise<{ applied: boolean; because: readonly string[] }>;
  /** Ends older rollouts that overlap the one just started. */
  supersedeOlder(id: RolloutId): Promise<void>;
  rollBack(input: {
    id: RolloutId;
    by: string;
    reason: string;
  }): Promise<{ rollouts: readonly RolloutId[]; because: readonly string[] }>;
  activeRollouts(): Promise<readonly RolloutId[]>;
  frozen(): Promise<boolean>;
}

export interface RolloutOptions {
  readonly desk: RolloutDesk;
  readonly words: RolloutWords;
  readonly planner: RolloutPlanner;
  readonly wakeLoops: () => void;
}

export function serveRollouts(server: Server, options: RolloutOptions): void {
  const { desk, planner } = options;
  const need = (id: RolloutId) => readRollout(desk, id);
  server.person(rolloutApi.listRollouts, "read", async () => ({
    items: await Promise.all((await desk.list()).map((row) => viewOf(desk, row))),
  }));
  server.person(rolloutApi.createRollout, "release", async ({ body }, person) => {
    const { id, plan } = await planner.draft(body, person.name);
    return { rollout: await need(id), plan };
  });
  server.person(rolloutApi.getRollout, "read", ({ params }) => need(params.rollout));
  server.person(rolloutApi.planRollout, "read", async ({ params }) => {
    const row = await desk.get(params.rollout);
    if (!row?.plan) throw notFound(`a plan of the rollout ${params.rollout}`);
    return row.plan;
  });
  server.person(rolloutApi.rolloutSites, "read", async ({ params, query }) => {
    await need(params.rollout);
    return { items: await desk.sites(params.rollout, query.wave) };
  });
  server.person(rolloutApi.startRollout, "release", ({ params, body }, person) =>
    start(options, params.rollout, body.plan, person),
  );
  serveWords(server, options);
}

function serveWords(server: Server, options: RolloutOptions): void {
  const { desk, words } = options;
  const say =
    (word: StopWord) =>
    async (
      { params, body }: { params: { rollout: RolloutId }; body: { reason: string } },
      person: Person,
    ): Promise<RolloutView> => {
      await speak(options, { id: params.rollout, word, by: person.name, reason: body.reason });
      return readRollout(desk, params.rollout);
    };
  server.person(rolloutApi.pauseRollout, "operate", say("pause"));
  server.person(rolloutApi.resumeRollout, "operate", say("resume"));
  server.person(rolloutApi.haltRollout, "operate", say("halt"));
  server.person(rolloutApi.unhaltRollout, "release", say("un-halt"));
  server.person(rolloutApi.cancelRollout, "operate", say("cancel"));
  server.person(rolloutApi.rollBackRollout, "operate", async ({ params, body }, person) => {
    const back = await words.rollBack({ id: params.rollout, by: person.name, ...body });
    options.wakeLoops();
    const [first] = back.rollouts;
    if (first === undefined) throw conflict("nothing-to-roll-back", back.because.join("; "));
    return readRollout(desk, first);
  });
  server.person(rolloutApi.haltAll, "operate", async ({ body }, person) => {
    const halted: RolloutId[] = [];
    for (const id of await words.activeRollouts()) {
      const answer = await words.say({ id, word: "halt", by: person.name, ...body });
      if (answer.applied) halted.push(id);
    }
    options.wakeLoops();
    return { halted };
  });
}

async function start(
  options: RolloutOptions,
  id: RolloutId,
  hash: string,
  person: Person,
): Promise<RolloutView> {
  const row = await options.desk.get(id);
  if (!row) throw notFound(`the rollout ${id}`);
  if (await options.words.frozen())
    throw conflict(
      "fleet-frozen",
      "the fleet is frozen: nothing starts until a person unfreezes it",
    );
  await options.planner.check(row, hash);
  await speak(options, { id, word: "start", by: person.name, reason: "started" });
  await options.words.supersedeOlder(id);
  options.wakeLoops();
  return readRollout(options.desk, id);
}

/** A word that means nothing in the rollout's present state is a conflict, with the machine's own reasons. */
async function speak(
  options: RolloutOptions,
  input: Parameters<RolloutWords["say"]>[0],
): Promise<void> {
  const { applied, because } = await options.words.say(input);
  options.wakeLoops();
  if (!applied) throw conflict("word-refused", because.join("; ") || "nothing to do");
}

async function readRollout(desk: RolloutDesk, id: RolloutId): Promise<RolloutView> {
  const row = await desk.get(id);
  if (!row) throw notFound(`the rollout ${id}`);
  return viewOf(desk, row);
}

const noPlan = "0".repeat(64) as RolloutView["planHash"];

/** A roll back is made without a plan of its own. */
async function viewOf(desk: RolloutDesk, row: StoredRollout): Promise<RolloutView> {
  const { plan, ...rest } = row;
  return { ...rest, planHash: plan?.hash ?? noPlan, waves: await desk.tallies(row.id) };
}
