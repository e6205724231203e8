// Rows and reports for the contract suite: small, valid, and different only where a test says so.
import { ImageId, MacAddress, NodeClass, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { GrantRequest } from "@drover/shared/messages/grant";
import { NodeStateReport, OutboxId } from "@drover/shared/messages/report";
import { ReleaseRef } from "@drover/shared/release/release";
import { RolloutPolicy } from "@drover/shared/rollout/policy";
import type { RolloutState } from "@drover/shared/rollout/state";
import { SitePolicy } from "@drover/shared/site/policy";
import type { PendingGrantRequest } from "../../core/grant/facts.ts";
import type { NewRollout } from "../../core/rollout/facts.ts";
import type { AcceptedReport } from "../../loops/ports.ts";
import type { ClassRow, NodeRow, SiteRow } from "./seed.ts";

export const start = 1_800_000_000_000;
export const till = NodeClass.parse("till");
const padded = (prefix: string, n: number): string => `${prefix}-${String(n).padStart(6, "0")}`;
export const siteId = (n: number): SiteId => SiteId.parse(padded("s", n));
export const nodeId = (n: number): NodeId => NodeId.parse(padded("n", n));
export const rolloutId = (n: number): RolloutId => RolloutId.parse(padded("r", n));
export const outboxId = (n: number) => OutboxId.parse(`o-${String(n).padStart(8, "0")}`);

export function release(n: number): ReleaseRef {
  const digit = n.toString(16).padStart(2, "0");
  return ReleaseRef.parse({
    name: "till",
    semver: `${n}.0.0`,
    channel: "stable",
    counter: n,
    imageId: ImageId.parse(digit.repeat(32)),
  });
}

export function siteRow(n: number, change: Partial<SiteRow> = {}): SiteRow {
  return {
    id: siteId(n),
    status: "active",
    policy: SitePolicy.parse({}),
    name: `site ${n}`,
    region: "emea/de/berlin",
    coordinates: null,
    timeZone: "Etc/UTC",
    labels: {},
    class: "shop",
    pair: null,
    hollow: false,
    ...change,
  };
}

export function nodeRow(n: number, site: number, change: Partial<NodeRow> = {}): NodeRow {
  const mac = n
    .toString(16)
    .padStart(6, "0")
    .replace(/(..)(..)(..)/, "02:00:00:$1:$2:$3");
  return {
    id: nodeId(n),
    site: siteId(site),
    macs: [MacAddress.parse(mac)],
    class: till,
    hold: false,
    install: null,
    refusalsCleared: 0,
    ...change,
  };
}

export function classRow(change: Partial<ClassRow> = {}): ClassRow {
  return { name: till, release: release(1), minimum: 0, withdrawn: [], procedure: null, ...change };
}

export function rolloutRow(
  n: number,
  sites: readonly number[],
  change: { policy?: object; state?: RolloutState; release?: number; rollsBack?: number } = {},
): NewRollout {
  return {
    head: {
      id: rolloutId(n),
      name: `rollout ${n}`,
      createdAt: start + n,
      policy: RolloutPolicy.parse({ waves: [{ percent: 100 }], ...change.policy }),
      releases: { [till]: release(change.release ?? 2) },
      waveCount: 1,
      state: change.state ?? { phase: "running", wave: 0, step: "updating" },
      rolloutEpoch: 1,
      version: 1,
      accepted: { failed: 0, silent: 0 },
      rollsBack: change.rollsBack === undefined ? null : rolloutId(change.rollsBack),
      rolledBack: false,
    },
    members: sites.map((site) => ({
      site: siteId(site),
      wave: 0,
      stratum: "real",
      excluded: false,
      before: { [till]: release(1) },
    })),
  };
}

export function nodeState(
  node: number,
  running: number,
  update: Partial<NodeStateReport["update"]> = {},
): NodeStateReport {
  const { imageId } = release(running);
  return NodeStateReport.parse({
    kind: "node-state",
    node: nodeId(node),
    slots: {
      booted: "a",
      a: { condition: "good", imageId },
      b: { condition: "empty", imageId: null },
      measuredImageId: imageId,
    },
    update: {
      phase: "steady",
      imageId: null,
      rolloutId: null,
      grantId: null,
      attempt: 0,
      since: start,
      because: [],
      ...update,
    },
    refusals: [],
    bootId: "boot",
    agentVersion: "0.1.0",
    accepts: { min: 1, max: 1 },
  });
}

export function report(
  site: number,
  seq: number,
  change: Partial<AcceptedReport> = {},
): AcceptedReport {
  return {
    outcome: "accepted",
    site: siteId(site),
    outboxId: outboxId(1),
    seq,
    oldestSeq: 1,
    at: start,
    receivedAt: start + seq,
    generation: 0,
    report: nodeState(site, 1),
    ...change,
  };
}

export function request(
  key: string,
  site: number,
  nodes: readonly number[],
  change: Partial<GrantRequest> = {},
): PendingGrantRequest {
  return {
    key,
    site: siteId(site),
    receivedAt: start,
    request: {
      rolloutId: rolloutId(1),
      rolloutEpoch: 1,
      class: till,
      imageId: release(2).imageId,
      nodes: nodes.map((n) => ({
        node: nodeId(n),
        nonce: `nonce-nonce-nonce-${key}-${n}`.padEnd(22, "x"),
      })),
      ...change,
    },
  };
}
