// The headlines of "why": one sentence that says where the thing stands.
import { expect, test } from "vitest";
import { rolloutHeadline, siteHeadline } from "./why.ts";

const site = {
  status: "active",
  reachability: "live",
  generation: 7,
  appliedGeneration: 6,
} as Parameters<typeof siteHeadline>[0];

test("A site that lags says which generation it has and which it should have.", () => {
  expect(siteHeadline(site)).toBe("the site is live and applied generation 6 of 7");
});

test("A site that is not active says so before anything else.", () => {
  expect(siteHeadline({ ...site, status: "quarantined" })).toBe("the site is quarantined");
});

test("A halted rollout says by whom and in which wave.", () => {
  const state = { phase: "halted", wave: 1, by: "the gate", because: ["2 failed"] } as const;
  expect(rolloutHeadline({ state: { ...state, because: [...state.because] } })).toBe(
    "halted in wave 2 by the gate",
  );
});
