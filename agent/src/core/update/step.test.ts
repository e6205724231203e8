// Walks every (phase × input) pair of the update machine, asserts the arrows and keeps the picture in
// docs/generated/update-states.md equal to what the code does.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as sample from "./examples.ts";
import { at, orders, policy, rootOf, runningV1, v1, v2 } from "./examples.ts";
import type { UpdateEvent } from "./input.ts";
import type { Phase, Progress, UpdateState } from "./state.ts";
import { UpdateState as StateSchema } from "./state.ts";
import { step } from "./step.ts";

const picture = fileURLToPath(
  new URL("../../../../docs/generated/update-states.md", import.meta.url),
);

const booted = (
  slot: "a" | "b",
  why: "cold" | "try" | "fall" | "late",
  root = "2",
): UpdateEvent => ({
  kind: "booted",
  slot,
  why,
  measuredVerityRoot: rootOf(slot === "a" ? "1" : root),
  measuredImageId: slot === "a" ? v1.imageId : v2.imageId,
});

/** Every kind of input, with the variants that can make a difference. */
const inputs: readonly { label: string; event: UpdateEvent; bootId?: string; atMs?: number }[] = [
  { label: "orders", event: { kind: "orders", orders: orders({ generation: 3 }) } },
  {
    label: "orders: nothing assigned",
    event: { kind: "orders", orders: orders({ generation: 3, assigned: null }) },
  },
  {
    label: "orders: hold",
    event: { kind: "orders", orders: orders({ generation: 3, hold: true }) },
  },
  {
    label: "orders: withdrawn",
    event: {
      kind: "orders",
      orders: orders({ generation: 3, withdrawn: [{ imageId: v2.imageId, reason: "bad" }] }),
    },
  },
  {
    label: "orders: refusals cleared",
    event: { kind: "orders", orders: orders({ generation: 3, refusalsCleared: 1 }) },
  },
  {
    label: "content arrives",
    event: { kind: "prefetch-progress", imageId: v2.imageId, doneBytes: 1, totalBytes: 2 },
  },
  {
    label: "content complete",
    event: { kind: "prefetched", imageId: v2.imageId, verityRoot: rootOf("2"), totalBytes: 9 },
  },
  {
    label: "content fails",
    event: { kind: "prefetch-failed", imageId: v2.imageId, because: "no space" },
  },
  {
    label: "slot written",
    event: { kind: "slot-written", slot: "b", imageId: v2.imageId, verityRoot: rootOf("2") },
  },
  {
    label: "slot reads back wrong",
    event: { kind: "slot-written", slot: "b", imageId: v2.imageId, verityRoot: rootOf("9") },
  },
  {
    label: "write fails",
    event: { kind: "write-failed", slot: "b", imageId: v2.imageId, because: "I/O error" },
  },
  { label: "nonce", event: { kind: "nonce-made", nonce: "zyxwvutsrqponmlkjihgfe" } },
  { label: "grant", event: sample.grantEvent },
  { label: "grant too late", event: sample.grantEvent, atMs: 130_000 },
  {
    label: "grant denied",
    event: { kind: "grant-denied", nonce: sample.nonce, retryAfterMs: 1, because: ["paused"] },
  },
  { label: "armed", event: { kind: "armed", slot: "b" } },
  { label: "arming fails", event: { kind: "arm-failed", slot: "b", because: "read-only" } },
  { label: "agent starts again", event: booted("a", "cold") },
  { label: "new slot boots", event: booted("b", "try"), bootId: "boot-2" },
  { label: "new slot boots, wrong root", event: booted("b", "try", "9"), bootId: "boot-2" },
  { label: "loader fell back", event: booted("a", "fall"), bootId: "boot-2" },
  { label: "old slot boots cold", event: booted("a", "cold"), bootId: "boot-2" },
  { label: "probes", event: { kind: "probes", healthy: true, because: [] } },
  { label: "site answers", event: { kind: "site-answer", answered: true } },
  { label: "marked", event: { kind: "marked", slot: "b", defaultSlot: "b" } },
  { label: "events sent", event: { kind: "events-sent", upToSeq: 9 } },
  { label: "tick", event: { kind: "tick" } },
  { label: "tick after every deadline", event: { kind: "tick" }, atMs: 4_000_000 },
];

const proven = {
  ...sample.progressOf.proving,
  probes: { healthy: true, at: at(61_000), because: [] },
  siteAnsweredAt: at(61_000),
} satisfies Progress;

/** Starting points: one per phase, and the variants of proving. */
const starts: Record<string, { progress: Progress; atMs: number }> = {
  ...Object.fromEntries(
    Object.entries(sample.progressOf).map(([phase, progress]) => [
      phase,
      { progress, atMs: 10_000 },
    ]),
  ),
  "proving, proof complete": { progress: proven, atMs: 62_000 },
  "proving, marking": { progress: { ...proven, act: "marking" }, atMs: 62_000 },
  "proving, leaving (failed)": {
    progress: { ...proven, act: "leaving", leaveBecause: ["probes fail"] },
    atMs: 62_000,
  },
  "proving, leaving (silent)": {
    progress: { ...proven, act: "leaving", leaveAs: "inconclusive", leaveBecause: ["silence"] },
    atMs: 62_000,
  },
};

function startState(progress: Progress): UpdateState {
  const isNew = progress.phase === "proving";
  return runningV1({
    progress,
    booted: {
      slot: isNew ? "b" : "a",
      bootId: "boot-1",
      imageId: isNew ? v2.imageId : v1.imageId,
    },
    refusalCount: progress.phase === "fallen-back" ? 1 : 0,
    refusals:
      progress.phase === "fallen-back"
        ? [{ number: 1, imageId: v2.imageId, at: 0, because: ["it panicked"] }]
        : [],
  });
}

function walk(): Map<string, Set<string>> {
  const arrows = new Map<string, Set<string>>();
  for (const { progress, atMs } of Object.values(starts)) {
    for (const { label, event, bootId, atMs: later } of inputs) {
      const state = startState(progress);
      const before = structuredClone(state);
      const result = step(policy, state, { ...event, now: at(later ?? atMs, bootId) });
      expect(state, "a step never changes its input").toEqual(before);
      expect(StateSchema.parse(result.state)).toEqual(result.state);
      expect(result.because.length, `${progress.phase} × ${label} says why`).toBeGreaterThan(0);
      const to = result.state.progress.phase;
      if (to === progress.phase) continue;
      const arrow = `${progress.phase} --> ${to}`;
      arrows.set(arrow, (arrows.get(arrow) ?? new Set()).add(label));
    }
  }
  return arrows;
}

const allowed: Record<Phase, readonly Phase[]> = {
  steady: ["prefetching"],
  prefetching: ["steady", "writing"],
  writing: ["steady", "prefetching", "verified"],
  verified: ["steady", "prefetching", "granted"],
  granted: ["steady", "verified", "trial", "proving", "fallen-back"],
  trial: ["proving", "fallen-back", "inconclusive"],
  proving: ["steady", "fallen-back", "inconclusive"],
  "fallen-back": ["steady", "prefetching"],
  inconclusive: ["steady", "prefetching"],
};

const identifier = (phase: string) => phase.replace("-", "_");

function diagram(arrows: Map<string, Set<string>>): string {
  const lines = [...arrows]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([arrow, labels]) => {
      const [from = "", to = ""] = arrow.split(" --> ");
      return `  ${identifier(from)} --> ${identifier(to)}: ${[...labels].sort().join(", ")}`;
    });
  return [
    "# States of a node's update",
    "",
    "Written by `agent/src/core/update/step.test.ts` from the code itself.",
    "",
    "```mermaid",
    "stateDiagram-v2",
    "  [*] --> steady",
    ...lines,
    "```",
    "",
  ].join("\n");
}

test("Every phase takes every input, says why, and moves only along the allowed arrows.", () => {
  for (const arrow of walk().keys()) {
    const [from, to] = arrow.split(" --> ") as [Phase, Phase];
    expect(allowed[from], arrow).toContain(to);
  }
});

test("The picture in the documentation is the one the code draws.", () => {
  const text = diagram(walk());
  if (process.env["UPDATE_DIAGRAMS"] === "1") {
    mkdirSync(dirname(picture), { recursive: true });
    writeFileSync(picture, text);
  }
  expect(readFileSync(picture, "utf8")).toBe(text);
});
