// The words of people to a rollout, applied at once and without the bus: a halt needs the database
// only. A write that was overtaken is tried again on fresh facts.
import type { EpochMs, RolloutId } from "@drover/shared/ids";
import type { RolloutHead } from "../core/rollout/facts.ts";
import type { RolloutInput, RolloutWord } from "../core/rollout/inputs.ts";
import { currentFigures, sayToRollout } from "../core/rollout/look.ts";
import { planRollBack } from "../core/rollout/roll-back.ts";
import { supersededBy } from "../core/rollout/supersede.ts";
import { UnknownSubjectError, VersionConflictError } from "./errors.ts";
import type { RolloutStore } from "./ports.ts";
import { rolloutWrite } from "./rollout-write.ts";

export type Word =
  | RolloutWord
  | { readonly kind: "un-halt"; readonly by: string; readonly reason: string };

export interface WordAnswer {
  /** False when the word means nothing in the rollout's present state; `because` says why. */
  readonly applied: boolean;
  readonly head: RolloutHead;
  readonly because: readonly string[];
}

interface Said {
  readonly id: RolloutId;
  readonly word: Word;
  /** Name of the person, for the record. */
  readonly by: string;
  readonly now: EpochMs;
}

const triesMax = 8;

/** Throws UnknownSubjectError for an unknown rollout, VersionConflictError when overtaken over and over. */
export async function sayWord(store: RolloutStore, said: Said): Promise<WordAnswer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await sayOnce(store, said);
    } catch (error) {
      if (!(error instanceof VersionConflictError) || tries >= triesMax) throw error;
    }
  }
}

async function sayOnce(store: RolloutStore, { id, word, by, now }: Said): Promise<WordAnswer> {
  const { head, input } = await read(store, { id, word, now });
  const { change, because } = sayToRollout(head, input, now);
  if (change === null) return { applied: false, head, because };
  const write = rolloutWrite(head, change, { fence: { kind: "person", by }, now });
  await store.saveRolloutStep(write);
  const { state, rolloutEpoch, accepted } = change;
  return {
    applied: true,
    head: { ...head, state, rolloutEpoch, accepted, version: head.version + 1 },
    because,
  };
}

/** Un-halting accepts the figures, so it reads them; every other word needs the row alone. */
async function read(
  store: RolloutStore,
  { id, word, now }: Pick<Said, "id" | "word" | "now">,
): Promise<{ head: RolloutHead; input: Exclude<RolloutInput, { kind: "look" }> }> {
  if (word.kind === "un-halt") {
    const facts = await store.rolloutFacts(id);
    if (facts === null) throw new UnknownSubjectError(`rollout ${id}`);
    return { head: facts.head, input: { ...word, waves: currentFigures(facts, now) } };
  }
  const head = await store.rolloutHead(id);
  if (head === null) throw new UnknownSubjectError(`rollout ${id}`);
  return { head, input: word };
}

/** After a start: older rollouts that overlap the new one in class and site end as superseded. */
export async function supersedeOlder(
  store: RolloutStore,
  { id, now }: { id: RolloutId; now: EpochMs },
): Promise<readonly RolloutId[]> {
  const newer = await store.rolloutFacts(id);
  if (newer === null) throw new UnknownSubjectError(`rollout ${id}`);
  const reach = (facts: typeof newer) => ({
    id: facts.head.id,
    classes: Object.keys(facts.head.releases),
    sites: facts.sites.map((site) => site.site),
  });
  const ended: RolloutId[] = [];
  for (const otherId of await store.activeRollouts()) {
    const older = await store.rolloutFacts(otherId);
    if (older === null || older.head.createdAt > newer.head.createdAt) continue;
    for (const { id: superseded } of supersededBy(reach(newer), [reach(older)])) {
      const word = { kind: "supersede", by: id } as const;
      const answer = await sayWord(store, { id: superseded, word, by: id, now });
      if (answer.applied) ended.push(superseded);
    }
  }
  return ended;
}

/** A person takes a rollout back: it is halted first if it can still move, then its way back is made. */
export async function rollBack(
  store: RolloutStore,
  said: { id: RolloutId; by: string; reason: string; now: EpochMs; newId: () => RolloutId },
): Promise<{ readonly rollouts: readonly RolloutId[]; readonly because: readonly string[] }> {
  const { id, by, reason, now, newId } = said;
  await sayWord(store, { id, word: { kind: "halt", by, reason }, by, now });
  const facts = await store.rolloutFacts(id);
  if (facts === null) throw new UnknownSubjectError(`rollout ${id}`);
  const { rows, because } = planRollBack(facts, { now, newId });
  const events = rows.map((row) => ({
    at: now,
    site: null,
    rolloutId: row.head.id,
    what: "roll back started",
    because: [`by ${by}: ${reason}`, ...because],
  }));
  const fence = { kind: "person", by } as const;
  const created = rows.length > 0 && (await store.createRollouts({ fence, rows, events }));
  return created
    ? { rollouts: rows.map((row) => row.head.id), because }
    : { rollouts: [], because: rows.length > 0 ? ["it is taken back already"] : because };
}
