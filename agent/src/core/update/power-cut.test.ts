// A node whose power fails between any two effects, driven by a loader that obeys its environment block.
// The real update machine decides; the world only checks what must never be true of it.

import { otherSlot, type Slot } from "@drover/shared/node/slot";
import { type Random, seededRandom } from "@drover/shared/random";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { at, grantId, imageOf, orders, policy, rolloutId, rootOf, v1, v2 } from "./examples.ts";
import type { BootReason, UpdateEffect, UpdateEvent } from "./input.ts";
import { firstState, UpdateState } from "./state.ts";
import { step } from "./step.ts";

type Fate = "good" | "panics" | "never-healthy" | "silent-site" | "hangs";
type Content = "v1" | "v2" | "broken";

class World {
  readonly loader: { def: Slot; tried: Slot | null; left: number } = {
    def: "a",
    tried: null,
    left: 0,
  };
  readonly content: Record<Slot, Content> = { a: "v1", b: "broken" };
  running: Slot = "a";
  why: BootReason = "cold";
  boot = 1;
  clockMs = 0;
  stored = JSON.stringify(firstState(0));
  queue: UpdateEvent[] = [];
  asked: { nonce: string; madeAtMs: number; boot: number } | null = null;
  grantedNonces = new Set<string>();
  cuts = 0;
  armings = 0;
  readonly #random: Random;
  readonly #fate: Fate;
  cutChance: number;

  constructor(random: Random, fate: Fate, cutChance: number) {
    this.#random = random;
    this.#fate = fate;
    this.cutChance = cutChance;
  }

  get state(): UpdateState {
    return UpdateState.parse(JSON.parse(this.stored));
  }

  /** The loader's ladder; a trial that cannot reach its agent comes straight back. */
  powerCycle(): void {
    this.boot += 1;
    this.clockMs = 0;
    const { loader } = this;
    if (loader.tried && loader.left > 0) {
      loader.left -= 1;
      const isDead = this.#fate === "panics" || this.#fate === "hangs";
      if (this.content[loader.tried] === "v2" && isDead) {
        this.powerCycle();
        return;
      }
      this.running = loader.tried;
      this.why = "try";
    } else {
      this.why = loader.tried ? "fall" : "cold";
      loader.tried = null;
      this.running = loader.def;
    }
    expect(this.content[this.running], "the loader always finds a whole slot").not.toBe("broken");
    const isV2 = this.content[this.running] === "v2";
    this.queue = [
      {
        kind: "booted",
        slot: this.running,
        why: this.why,
        measuredVerityRoot: rootOf(isV2 ? "2" : "1"),
        measuredImageId: isV2 ? v2.imageId : v1.imageId,
      },
      { kind: "orders", orders: orders() },
    ];
  }

  /** One input: persist, then each effect, with the power failing anywhere in between. */
  handle(event: UpdateEvent): void {
    this.clockMs += 1 + this.#random.integer(20);
    const now = at(this.clockMs, `boot-${this.boot}`);
    const result = step(policy, this.state, { ...event, now });
    if (this.#isCut()) return;
    this.stored = JSON.stringify(result.state);
    for (const effect of result.effects) {
      if (this.#isCut() || this.#perform(effect) === "gone" || this.#isCut()) return;
    }
  }

  #isCut(): boolean {
    if (!this.#random.chance(this.cutChance)) return false;
    this.cuts += 1;
    this.powerCycle();
    return true;
  }

  #perform(effect: UpdateEffect): "gone" | undefined {
    const { imageId } = v2;
    switch (effect.kind) {
      case "prefetch":
        this.queue.push({ kind: "prefetched", imageId, verityRoot: rootOf("2"), totalBytes: 1 });
        return undefined;
      case "write-slot":
        return this.#write(effect);
      case "make-nonce": {
        const nonce = `nonce-${this.boot}-${this.clockMs}`.padEnd(22, "x");
        this.asked = { nonce, madeAtMs: this.clockMs, boot: this.boot };
        this.queue.push({ kind: "nonce-made", nonce });
        return undefined;
      }
      case "ask-grant":
        return this.#answer(effect.nonce);
      case "arm-trial":
        return this.#arm(effect);
      case "disarm":
        this.loader.tried = null;
        return undefined;
      case "run-probes":
        this.queue.push({
          kind: "probes",
          healthy: this.#fate !== "never-healthy" || this.content[this.running] === "v1",
          because: [],
        });
        return undefined;
      case "ask-site":
        this.queue.push({ kind: "site-answer", answered: this.#fate !== "silent-site" });
        return undefined;
      case "mark-good":
        return this.#mark(effect.slot);
      case "reboot":
        this.powerCycle();
        return "gone";
    }
  }

  #write({ slot, verityRoot }: Extract<UpdateEffect, { kind: "write-slot" }>): "gone" | undefined {
    expect(slot, "the running slot is never written").not.toBe(this.running);
    expect(slot, "the default slot is never written").not.toBe(this.loader.def);
    this.content[slot] = "broken";
    if (this.#isCut()) return "gone";
    this.content[slot] = "v2";
    this.queue.push({ kind: "slot-written", slot, imageId: imageOf("2"), verityRoot });
    return undefined;
  }

  /** The centre grants late now and then, so that expired grants really occur. */
  #answer(nonce: string): undefined {
    if (this.#random.chance(0.2)) this.clockMs += 130_000;
    this.grantedNonces.add(nonce);
    const { imageId } = v2;
    this.queue.push({
      kind: "grant",
      grantId,
      nonce,
      imageId,
      rolloutId,
      rolloutEpoch: 1,
      validMs: 120_000,
    });
    return undefined;
  }

  #arm(effect: Extract<UpdateEffect, { kind: "arm-trial" }>): undefined {
    const limit = effect.notAfter;
    expect(limit, "a change is armed only with a limit").not.toBeNull();
    if (!limit || limit.monotonicMs <= this.clockMs || limit.bootId !== `boot-${this.boot}`) {
      this.queue.push({ kind: "arm-failed", slot: effect.slot, because: "too late" });
      return undefined;
    }
    const { asked } = this;
    expect(asked && this.grantedNonces.has(asked.nonce), "armed without a grant").toBe(true);
    expect(asked?.boot, "armed with a grant of another boot").toBe(this.boot);
    expect(this.clockMs - (asked?.madeAtMs ?? 0), "armed late").toBeLessThan(120_000);
    expect(this.content[effect.slot], "armed a slot that is not whole").toBe("v2");
    this.loader.tried = effect.slot;
    this.loader.left = effect.bootsMax;
    this.armings += 1;
    this.queue.push({ kind: "armed", slot: effect.slot });
    return undefined;
  }

  #mark(slot: Slot): undefined {
    expect(slot, "only the running slot is marked").toBe(this.running);
    expect(["good"], "committed without proof").toContain(this.#fate);
    const { probes, startedAt } = provingOf(this.state);
    expect(probes?.healthy).toBe(true);
    const isSameBoot = startedAt?.bootId === `boot-${this.boot}`;
    if (isSameBoot)
      expect(this.clockMs - (startedAt?.monotonicMs ?? 0)).toBeGreaterThanOrEqual(policy.provingMs);
    this.loader.def = slot;
    this.loader.tried = null;
    this.queue.push({ kind: "marked", slot, defaultSlot: slot });
    return undefined;
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i += 1) {
      const event = this.queue.shift();
      if (event) this.handle(event);
      else {
        this.clockMs += 5_000;
        this.handle({ kind: "tick" });
      }
      const whole = [this.content.a, this.content.b].filter((each) => each !== "broken").length;
      expect(whole, "one slot is always whole").toBeGreaterThan(0);
    }
  }
}

function provingOf(state: UpdateState) {
  return state.progress.phase === "proving"
    ? state.progress
    : { probes: undefined, startedAt: undefined };
}

const fates: readonly Fate[] = ["good", "panics", "never-healthy", "silent-site", "hangs"];

test("Power cuts between any two effects never arm without a grant, commit without proof or lose both slots.", async () => {
  let cuts = 0;
  let armings = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.constantFrom(...fates), async (seed, fate) => {
      const world = new World(seededRandom(seed), fate, 0.08);
      world.powerCycle();
      world.run(150);
      world.cutChance = 0;
      world.run(120);
      cuts += world.cuts;
      armings += world.armings;
      const { state } = world;
      if (world.content[world.loader.def] === "v2") {
        expect(fate).toBe("good");
        expect(state.committedImageId).toBe(v2.imageId);
      } else {
        expect(world.content[world.loader.def]).toBe("v1");
        expect(world.loader.def).toBe("a");
      }
      if (fate === "panics" || fate === "hangs" || fate === "never-healthy")
        expect(state.refusals.map((each) => each.imageId)).toEqual([v2.imageId]);
      if (state.progress.phase === "steady")
        expect(otherSlot(world.loader.def)).not.toBe(world.running);
    }),
    { numRuns: 60 },
  );
  expect(cuts).toBeGreaterThan(100);
  expect(armings).toBeGreaterThan(30);
});

test("Without power cuts a good image is committed once, with one grant and one arming.", () => {
  const world = new World(seededRandom(7), "good", 0);
  world.powerCycle();
  world.run(200);
  expect(world.state.committedImageId).toBe(v2.imageId);
  expect(world.state.progress.phase).toBe("steady");
  expect(world.loader.def).toBe("b");
  expect(world.state.events.map((event) => event.event)).toEqual([
    "granted",
    "armed",
    "booted",
    "committed",
  ]);
});
