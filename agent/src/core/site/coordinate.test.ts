// The rules by which a site lets its nodes ask for grants, keeps to windows, and takes claims.
import type { NodeId } from "@drover/shared/ids";
import type { UpdatePhase } from "@drover/shared/node/update-state";
import { SitePolicy } from "@drover/shared/site/policy";
import { expect, test } from "vitest";
import {
  FakeCentre,
  testClass,
  testNode,
  testRelease,
  testRollout,
} from "../../site/fake-centre.ts";
import { judgeClaim, keyOf } from "./claim.ts";
import { coordinate, type GrantAsk, type SiteSituation } from "./coordinate.ts";
import { isInWindow } from "./window.ts";

const centre = new FakeCentre([testNode(1), testNode(2), testNode(3)]);
centre.assign(testRelease("2", 2), { policy: SitePolicy.parse({ maxUnavailable: 2 }) });
const { desired } = centre;

const situation = (changes: Partial<SiteSituation> = {}): SiteSituation => ({
  desired,
  ceilings: { rebootsPerDayMax: 9, nodesAtOnceMax: 9 },
  phases: new Map(),
  justGranted: new Set(),
  local: { day: "mon", minuteOfDay: 600 },
  isCentreInReach: true,
  ...changes,
});
const idOf = (number: number): NodeId => testNode(number).id;
const ask = (number: number, changes: Partial<GrantAsk> = {}): GrantAsk => ({
  node: idOf(number),
  nonce: "abcdefghijklmnopqrstuv",
  rolloutId: testRollout,
  rolloutEpoch: 1,
  class: testClass,
  imageId: testRelease("2", 2).imageId,
  askedAtMs: number,
  isReturn: false,
  ...changes,
});
const asked = (asks: GrantAsk[], changes?: Partial<SiteSituation>) =>
  coordinate(asks, situation(changes)).requests.flatMap(({ nodes }) =>
    nodes.map(({ node }) => node),
  );

test("Never more nodes than max unavailable are in one request, the longest waiting first.", () => {
  const plan = coordinate([ask(3), ask(1), ask(2)], situation());
  expect(plan.requests.map(({ nodes }) => nodes.map(({ node }) => node))).toEqual([
    [idOf(1), idOf(2)],
  ]);
  expect(plan.waiting).toEqual([
    { node: idOf(3), because: "2 node(s) of the site may change at the same time" },
  ]);
});

test("Nodes that are away, or were granted just now, take a place.", () => {
  const phases = new Map<NodeId, UpdatePhase>([[idOf(3), "proving"]]);
  expect(asked([ask(1), ask(2)], { phases })).toEqual([idOf(1)]);
  expect(asked([ask(1), ask(2)], { phases, justGranted: new Set([idOf(9)]) })).toEqual([]);
});

test("A node that repeats its question takes no second place.", () => {
  const justGranted = new Set([idOf(1), idOf(2)]);
  expect(asked([ask(1), ask(3)], { justGranted })).toEqual([idOf(1)]);
});

test("The ceiling of the trust file wins over desired state.", () => {
  const ceilings = { rebootsPerDayMax: 9, nodesAtOnceMax: 1 };
  expect(asked([ask(1), ask(2)], { ceilings })).toEqual([idOf(1)]);
});

test("With the centre out of reach nobody is asked for, whatever else is true.", () => {
  const plan = coordinate([ask(1)], situation({ isCentreInReach: false }));
  expect(plan.requests).toEqual([]);
  expect(plan.waiting[0]?.because).toContain("cannot be reached");
});

test("An ask for a change that is no longer assigned waits.", () => {
  expect(asked([ask(1, { rolloutEpoch: 2 })])).toEqual([]);
});

test("Outside the window only a return to a proved release is asked for.", () => {
  const windows = [{ days: ["tue" as const], from: "02:00", to: "04:00" }];
  const closed = { desired: { ...desired, policy: { ...desired.policy, windows } } };
  expect(asked([ask(1), ask(2, { isReturn: true })], closed)).toEqual([idOf(2)]);
});

test("A window over midnight belongs to the day on which it starts.", () => {
  const windows = [{ days: ["fri" as const], from: "22:00", to: "04:00" }];
  expect(isInWindow(windows, { day: "fri", minuteOfDay: 23 * 60 })).toBe(true);
  expect(isInWindow(windows, { day: "sat", minuteOfDay: 3 * 60 })).toBe(true);
  expect(isInWindow(windows, { day: "fri", minuteOfDay: 3 * 60 })).toBe(false);
  expect(isInWindow(windows, { day: "sat", minuteOfDay: 23 * 60 })).toBe(false);
});

test("One claim per install intent is taken; a second key for it is an alarm.", () => {
  const node = { ...testNode(1), install: { serial: 4, issuedAt: 0 } };
  const wanted = { ...desired, nodes: [node] };
  const attempt = { macs: node.macs, publicKey: "aa", installSerial: 4 };
  expect(judgeClaim(attempt, wanted, [])).toMatchObject({ kind: "accepted", isNew: true });
  const claims = [{ node: node.id, installSerial: 4, publicKey: "aa" }];
  expect(judgeClaim(attempt, wanted, claims)).toMatchObject({ kind: "accepted", isNew: false });
  const other = { ...attempt, publicKey: "bb" };
  expect(judgeClaim(other, wanted, claims)).toMatchObject({ kind: "refused", isAlarm: true });
  const late = { ...attempt, installSerial: 3 };
  expect(judgeClaim(late, wanted, [])).toMatchObject({ kind: "refused", isAlarm: false });
  expect(judgeClaim(attempt, undefined, [])).toMatchObject({ kind: "refused", node: null });
});

test("A node speaks with the key of its newest claim.", () => {
  const claims = [
    { node: "n-1", installSerial: 2, publicKey: "new" },
    { node: "n-1", installSerial: 1, publicKey: "old" },
  ];
  expect(keyOf("n-1", claims)).toBe("new");
  expect(keyOf("n-2", claims)).toBeUndefined();
});
