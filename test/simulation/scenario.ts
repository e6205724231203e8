// One rollout story drawn from a seed: sites, pairs and regions, the policy, how good the image is,
// and which words people say when.

import type { NewRollout } from "@drover/server/core/rollout/facts";
import { planRollout } from "@drover/server/core/rollout/plan";
import type { Word } from "@drover/server/loops/rollout-word";
import {
  classRow,
  nodeRow,
  release,
  rolloutId,
  siteId,
  siteRow,
  till,
} from "@drover/server/store/contract/samples";
import type { NodeRow, SiteRow, StoreSeed } from "@drover/server/store/contract/seed";
import type { Random } from "@drover/shared/random";
import { RolloutPolicy } from "@drover/shared/rollout/policy";
import { SitePolicy } from "@drover/shared/site/policy";
import type { TrialFate } from "./sim-node.ts";

export interface Scenario {
  readonly sites: readonly { readonly row: SiteRow; readonly nodes: readonly NodeRow[] }[];
  readonly rollout: NewRollout;
  /** Share of trials that end in each way; the rest is healthy. */
  readonly fates: Readonly<Record<Exclude<TrialFate, "healthy">, number>>;
  readonly words: readonly {
    readonly atMs: number;
    readonly word: Word | { readonly kind: "roll-back" };
  }[];
}

const minute = 60_000;

export function drawScenario(random: Random, startMs: number): Scenario {
  const count = 5 + random.integer(8);
  let nodes = 0;
  const sites = Array.from({ length: count }, (_, index) => {
    const n = index + 1;
    const policy = SitePolicy.parse({
      maxUnavailable: 1 + random.integer(2),
      provingMs: minute,
      beatMs: 30_000,
    });
    const region = random.pick(["emea/de/berlin", "emea/de/bonn", "emea/fr/paris"]);
    const partner = n % 2 === 1 ? n + 1 : n - 1;
    const pair = partner <= count && random.chance(0.6) ? siteId(partner) : null;
    const row = siteRow(n, { policy, region, pair, hollow: random.chance(0.2) });
    const rows = Array.from({ length: 1 + random.integer(3) }, () => {
      nodes += 1;
      return nodeRow(nodes, n, { hold: random.chance(0.03) });
    });
    return { row, nodes: rows };
  });
  const quality = random.pick(["good", "good", "bad", "flaky"] as const);
  const share = { good: 0, flaky: 0.15, bad: 0.9 }[quality];
  const fates = { "falls-back": share, hangs: random.chance(0.3) ? 0.1 : 0, inconclusive: 0.03 };
  return { sites, rollout: drawRollout(random, sites, startMs), fates, words: drawWords(random) };
}

function drawRollout(random: Random, sites: Scenario["sites"], startMs: number): NewRollout {
  const policy = RolloutPolicy.parse({
    waves: [{ count: 2 }, { percent: 50 }, { percent: 100 }],
    soakMs: minute,
    gate: { failedMax: random.integer(3), silentMax: random.integer(3), silenceMs: 15 * minute },
    inFlightMax: 1 + random.integer(4),
    place: { regionInFlightMax: random.integer(3), regionDepth: 2, keepPairsApart: true },
    onHalt: random.pick(["hold", "roll-back"]),
  });
  const request = {
    releases: { [till]: release(2) },
    selection: {},
    policy,
    salt: `salt ${random.integer(1_000_000)}`,
    minimum: {},
    withdrawn: [],
  };
  const inventory = sites.map(({ row, nodes }) => ({
    site: row.id,
    status: row.status,
    hollow: row.hollow,
    region: row.region,
    labels: row.labels,
    committed: { [till]: release(1) },
    nodes: nodes.map(({ hold }) => ({
      class: till,
      model: "box",
      running: release(1).imageId,
      hold,
      refuses: [],
    })),
  }));
  const plan = planRollout(inventory, request);
  return {
    head: {
      id: rolloutId(1),
      name: "two",
      createdAt: startMs,
      policy,
      releases: request.releases,
      waveCount: plan.waveCount,
      state: { phase: "draft" },
      rolloutEpoch: 1,
      version: 1,
      accepted: { failed: 0, silent: 0 },
      rollsBack: null,
      rolledBack: false,
    },
    members: plan.members.map((member) => ({ ...member, excluded: random.chance(0.03) })),
  };
}

function drawWords(random: Random): Scenario["words"] {
  const said = { by: "ada", reason: "because of the story" };
  const kinds = ["pause", "resume", "halt", "un-halt", "un-halt", "roll-back"] as const;
  const later = Array.from({ length: random.integer(4) }, () => {
    const kind = random.pick(kinds);
    const word = kind === "roll-back" ? { kind } : { kind, ...said };
    return { atMs: (5 + random.integer(30)) * minute, word };
  });
  const start = { kind: "start", startsAt: null, needsApproval: false } as const;
  // A pause must not last for ever, or nothing could converge.
  const resume = { kind: "resume", ...said } as const;
  return [{ atMs: minute, word: start }, ...later, { atMs: 40 * minute, word: resume }];
}

export async function seedScenario(seed: StoreSeed, scenario: Scenario): Promise<void> {
  await seed.putClass(classRow());
  for (const { row, nodes } of scenario.sites) {
    await seed.putSite(row);
    for (const node of nodes) await seed.putNode(node);
  }
}
