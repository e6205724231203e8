// Where a site stands is derived from its nodes alone, and an outcome once known stays known.
import { GrantId, type ImageId } from "@drover/shared/ids";
import { grantValidMs } from "@drover/shared/messages/grant";
import { describe, expect, it } from "vitest";
import {
  nodeId,
  release,
  rolloutId,
  rolloutRow,
  siteId,
  start,
  till,
} from "../../store/contract/samples.ts";
import type { NodeGrant, NodeInRollout, RolloutSite } from "./facts.ts";
import { deriveSite } from "./site-state.ts";

const { head } = rolloutRow(1, [1]);
const hour = 3_600_000;
const now = start + hour;

function node(n: number, change: Partial<NodeInRollout> = {}): NodeInRollout {
  return {
    id: nodeId(n),
    class: till,
    hold: false,
    phase: "steady",
    movingTo: null,
    movingFor: null,
    running: release(1).imageId,
    refuses: [],
    reportedAt: now,
    reportGeneration: 1,
    grant: null,
    ...change,
  };
}

function grant(change: Partial<NodeGrant> = {}): NodeGrant {
  return {
    id: GrantId.parse("g-one1"),
    grantedAt: now - 60_000,
    rolloutEpoch: 1,
    outcome: null,
    ...change,
  };
}

function site(nodes: readonly NodeInRollout[], change: Partial<RolloutSite> = {}): RolloutSite {
  return {
    site: siteId(1),
    wave: 0,
    state: "ready",
    since: start,
    status: "active",
    hollow: false,
    stratum: "real",
    heardAt: now,
    beatMs: 30_000,
    excluded: false,
    before: { [till]: release(1) },
    committed: { [till]: release(1) },
    document: { generation: 1, assigned: { [till]: { rolloutId: rolloutId(1), rolloutEpoch: 1 } } },
    nodes,
    ...change,
  };
}

const target: ImageId = release(2).imageId;
const done = node(1, { running: target, grant: grant({ outcome: "committed" }) });
const moving = { movingTo: target, movingFor: rolloutId(1), grant: grant() };
const stateOf = (given: RolloutSite) => deriveSite(head, given, now).state;

describe("a site in a rollout", () => {
  it("is what the node furthest from rest is", () => {
    expect(stateOf(site([node(1), node(2)]))).toBe("ready");
    expect(stateOf(site([done, node(2, { grant: grant() })]))).toBe("granted");
    expect(stateOf(site([done, node(2, { ...moving, phase: "trial" })]))).toBe("trial");
    expect(stateOf(site([done, node(2, { ...moving, phase: "proving", running: target })]))).toBe(
      "proving",
    );
    expect(stateOf(site([done, node(2)]))).toBe("ready");
  });

  it("fails with one node, however many others run the release", () => {
    const refusing = node(2, { refuses: [target], grant: grant() });
    expect(stateOf(site([done, refusing]))).toBe("fallen-back");
    const settledLongAgo = node(2, { grant: grant({ outcome: "fallen-back" }) });
    expect(stateOf(site([done, settledLongAgo]))).toBe("fallen-back");
  });

  it("is silent once a granted node has not committed in time, and no longer when it has", () => {
    const late = { ...moving, grant: grant({ grantedAt: now - hour - 1 }) };
    expect(stateOf(site([node(1, { ...late, phase: "trial" })]))).toBe("silent");
    expect(stateOf(site([node(1, { running: target, grant: late.grant })]))).toBe("committed");
  });

  it("takes the release as its own when every node that may change runs it", () => {
    const held = node(2, { hold: true });
    const derived = deriveSite(head, site([done, held]), now);
    expect(derived).toMatchObject({
      state: "committed",
      releases: [{ class: till, release: release(2) }],
    });
    expect(deriveSite(head, site([done, node(2)]), now).releases).toEqual([]);
  });

  it("is no evidence when its nodes ran the release before any grant", () => {
    expect(stateOf(site([node(1, { running: target })]))).toBe("skipped");
    expect(stateOf(site([node(1, { class: null })]))).toBe("skipped");
    expect(stateOf(site([node(1)], { status: "quarantined" }))).toBe("skipped");
    expect(stateOf(site([node(1)], { excluded: true }))).toBe("excluded");
    expect(stateOf(site([node(1, { hold: true })]))).toBe("excluded");
    expect(stateOf(site([node(1)], { wave: 1 }))).toBe("waiting");
  });

  it("settles a grant as soon as its outcome is known", () => {
    const { settled } = deriveSite(head, site([node(1, { running: target, grant: grant() })]), now);
    expect(settled).toMatchObject([{ node: nodeId(1), outcome: "committed" }]);
  });

  it("settles a grant as unused only on proof that it can no longer be armed", () => {
    const old = grant({ grantedAt: now - 2 * grantValidMs - 1 });
    const document = { generation: 2, assigned: { [till]: null } };
    const seen = { grant: old, phase: "verified", reportGeneration: 2 } as const;
    const settledOf = (
      change: Partial<NodeInRollout>,
      given: Partial<RolloutSite> = { document },
    ) => deriveSite(head, site([node(1, { ...seen, ...change })], given), now).settled;
    expect(settledOf({})).toMatchObject([{ outcome: "unused" }]);
    expect(settledOf({}, {})).toEqual([]);
    expect(settledOf({ reportGeneration: 1 })).toEqual([]);
    expect(settledOf({ reportedAt: old.grantedAt + 1 })).toEqual([]);
    expect(settledOf({ phase: "granted" })).toEqual([]);
    expect(settledOf({ ...moving, grant: old, phase: "trial" })).toEqual([]);
  });
});
