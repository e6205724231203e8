// The words of people on a store: applied at once, refused with reasons, tried again when overtaken.
import { RolloutId } from "@drover/shared/ids";
import { describe, expect, it } from "vitest";
import {
  classRow,
  nodeRow,
  rolloutId,
  rolloutRow,
  siteRow,
  start,
} from "../store/contract/samples.ts";
import { inMemoryStore } from "../store/in-memory/in-memory-store.ts";
import { VersionConflictError } from "./errors.ts";
import type { RolloutStore } from "./ports.ts";
import { rollBack, sayWord, supersedeOlder } from "./rollout-word.ts";

const person = { kind: "person", by: "ada" } as const;
const said = { id: rolloutId(1), by: "ada", now: start };
const halt = { kind: "halt", by: "ada", reason: "smoke" } as const;

async function withRollouts(...rows: readonly ReturnType<typeof rolloutRow>[]) {
  const under = inMemoryStore();
  await under.seed.putClass(classRow());
  for (const n of [1, 2]) {
    await under.seed.putSite(siteRow(n));
    await under.seed.putNode(nodeRow(n, n));
  }
  await under.store.createRollouts({ fence: person, rows, events: [] });
  return under.store;
}

describe("a word to a rollout", () => {
  it("is applied at once, with its reason on record", async () => {
    const store = await withRollouts(rolloutRow(1, [1, 2]));
    const answer = await sayWord(store, { ...said, word: halt });
    expect(answer).toMatchObject({
      applied: true,
      head: { rolloutEpoch: 2, state: { phase: "halted" } },
    });
    expect(await store.rolloutHead(rolloutId(1))).toMatchObject({ rolloutEpoch: 2 });
  });

  it("that means nothing is answered with the reason and changes nothing", async () => {
    const store = await withRollouts(rolloutRow(1, [1, 2]));
    const word = { kind: "resume", by: "ada", reason: "go" } as const;
    const answer = await sayWord(store, { ...said, word });
    expect(answer.applied).toBe(false);
    expect(answer.because.join()).toMatch(/resume means nothing/);
    expect(await store.rolloutHead(rolloutId(1))).toMatchObject({ version: 1 });
  });

  it("is tried again on fresh facts when a loop overtakes it", async () => {
    const store = await withRollouts(rolloutRow(1, [1, 2]));
    let overtaken = 2;
    const racing: RolloutStore = {
      ...store,
      saveRolloutStep: async (write) => {
        overtaken -= 1;
        if (overtaken >= 0) throw new VersionConflictError("rollout", 1, 2);
        await store.saveRolloutStep(write);
      },
    };
    expect((await sayWord(racing, { ...said, word: halt })).applied).toBe(true);
  });

  it("of a start ends older rollouts that share a class and a site", async () => {
    const store = await withRollouts(rolloutRow(1, [1]), rolloutRow(2, [2]), rolloutRow(3, [1]));
    expect(await supersedeOlder(store, { id: rolloutId(3), now: start })).toEqual([rolloutId(1)]);
    expect((await store.rolloutHead(rolloutId(2)))?.state.phase).toBe("running");
  });

  it("to roll back halts first, and makes nothing when nobody left", async () => {
    const store = await withRollouts(rolloutRow(1, [1, 2]));
    const newId = () => RolloutId.parse("r-back01");
    const answer = await rollBack(store, { ...said, reason: "smoke", newId });
    expect(answer.rollouts).toEqual([]);
    expect((await store.rolloutHead(rolloutId(1)))?.state.phase).toBe("halted");
  });
});
