// Sample orders, policy and states of every phase for tests of the update machine and its driver.
import type { GrantId, ImageId, NodeClass, NodeId, RolloutId, Sha256 } from "@drover/shared/ids";
import { ChannelName } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { UpdateEvent, UpdatePolicy } from "./input.ts";
import type { Moment } from "./moment.ts";
import type { NodeOrders } from "./orders.ts";
import { firstState, type Progress, type UpdateState } from "./state.ts";

export const imageOf = (digit: string): ImageId => digit.repeat(64) as ImageId;
export const rootOf = (digit: string): Sha256 => `${digit}0`.repeat(32) as Sha256;

export const release = (digit: string, counter: number): ReleaseRef => ({
  name: "till",
  semver: `${counter}.0.0`,
  channel: ChannelName.parse("stable"),
  counter,
  imageId: imageOf(digit),
});

export const v1 = release("1", 1);
export const v2 = release("2", 2);
export const rolloutId = "r-test" as RolloutId;
export const grantId = "g-test" as GrantId;
export const nonce = "abcdefghijklmnopqrstuv";

export const policy: UpdatePolicy = {
  provingMs: 60_000,
  trialDeadlineMs: 300_000,
  trialBootsMax: 1,
  rebootsPerDayMax: 10,
  grantValidMs: 120_000,
  checkEveryMs: 10_000,
  retryInconclusiveMs: 3_600_000,
  attemptsMax: 3,
};

export const at = (monotonicMs: number, bootId = "boot-1"): Moment => ({
  bootId,
  monotonicMs,
  wallMs: 1_800_000_000_000 + monotonicMs,
});

export function orders(changes: Partial<NodeOrders> = {}): NodeOrders {
  return {
    node: "n-test" as NodeId,
    class: "till" as NodeClass,
    generation: 2,
    hold: false,
    committed: v1,
    assigned: { release: v2, rolloutId, rolloutEpoch: 1 },
    minimum: 0,
    withdrawn: [],
    refusalsCleared: 0,
    because: [],
    ...changes,
  };
}

/** A node that runs v1 from slot a and has v2 assigned. */
export function runningV1(changes: Partial<UpdateState> = {}): UpdateState {
  return {
    ...firstState(0),
    because: ["as before"],
    orders: orders(),
    booted: { slot: "a", bootId: "boot-1", imageId: v1.imageId },
    slots: {
      a: { condition: "good", imageId: v1.imageId },
      b: { condition: "empty", imageId: null },
    },
    committedImageId: v1.imageId,
    proved: [v1.imageId],
    ...changes,
  };
}

const target = { kind: "change", release: v2, rolloutId, rolloutEpoch: 1 } as const;
const ready = { ...target, verityRoot: rootOf("2"), totalBytes: 1000 } as const;
const moving = { target: ready, slot: "b", grantId, since: 0 } as const;

/** One progress of each phase, at about 10 s after boot-1. */
export const progressOf = {
  steady: { phase: "steady", since: 0 },
  prefetching: {
    phase: "prefetching",
    target,
    doneBytes: 0,
    totalBytes: 0,
    retryAt: null,
    failures: 0,
    since: 0,
  },
  writing: { phase: "writing", target: ready, slot: "b", retryAt: null, failures: 0, since: 0 },
  verified: {
    phase: "verified",
    target: ready,
    slot: "b",
    ask: { nonce, madeAt: at(5_000) },
    askAt: null,
    since: 0,
  },
  granted: { phase: "granted", ...moving, validUntil: at(125_000) },
  trial: { phase: "trial", ...moving },
  proving: {
    phase: "proving",
    ...moving,
    startedAt: at(1_000),
    probes: null,
    siteAnsweredAt: null,
    act: "watching",
    leaveAs: "fallen-back",
    leaveBecause: [],
  },
  "fallen-back": { phase: "fallen-back", target, because: ["it panicked"], since: 0 },
  inconclusive: {
    phase: "inconclusive",
    target,
    because: ["the site agent was silent"],
    retryAt: at(3_600_000),
    since: 0,
  },
} as const satisfies Record<Progress["phase"], Progress>;

export const grantEvent: UpdateEvent = {
  kind: "grant",
  grantId,
  nonce,
  imageId: v2.imageId,
  rolloutId,
  rolloutEpoch: 1,
  validMs: 120_000,
};
