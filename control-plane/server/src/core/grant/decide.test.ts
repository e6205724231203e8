// Walks every pair of reasons to refuse a grant: the wider one is always the one given, and without
// any reason the answer is yes. The picture in docs is made from the same list.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { GrantId } from "@drover/shared/ids";
import { describe, expect, it } from "vitest";
import { head, limits, site } from "../../store/contract/grant-samples.ts";
import { nodeId, release, request, rolloutId, siteId, till } from "../../store/contract/samples.ts";
import { mermaidPage } from "../mermaid-page.ts";
import { decideGrants } from "./decide.ts";
import type { GrantFacts, GrantSite, OpenGrant, PendingGrantRequest } from "./facts.ts";

const now = 1_000_000;

interface Case {
  readonly facts: GrantFacts;
  readonly asked: PendingGrantRequest;
}

const yes: Case = {
  facts: {
    frozen: false,
    withdrawn: [],
    rollouts: [head],
    sites: [site(1)],
    openGrants: [],
    earlierGrants: [],
  },
  asked: request("one", 1, [11]),
};

function open(n: number, change: Partial<OpenGrant> = {}): OpenGrant {
  return {
    site: siteId(n),
    node: nodeId(n * 10 + 2),
    rolloutId: rolloutId(1),
    hollow: false,
    region: "emea/de/berlin",
    pair: null,
    silent: false,
    ...change,
  };
}

const withFacts =
  (change: (facts: GrantFacts) => Partial<GrantFacts>) =>
  (given: Case): Case => ({
    ...given,
    facts: { ...given.facts, ...change(given.facts) },
  });
const withSite = (change: (site: GrantSite) => Partial<GrantSite>) =>
  withFacts(({ sites }) => ({ sites: sites.map((s) => ({ ...s, ...change(s) })) }));
const withNode = (change: object) =>
  withSite(({ nodes }) => ({ nodes: nodes.map((node) => ({ ...node, ...change })) }));
const withHead = (change: object) =>
  withFacts(({ rollouts }) => ({ rollouts: rollouts.map((r) => ({ ...r, ...change })) }));
const withMember = (change: object) =>
  withSite(({ memberships }) => ({ memberships: memberships.map((m) => ({ ...m, ...change })) }));
const withAsked =
  (change: object) =>
  (given: Case): Case => ({
    ...given,
    asked: { ...given.asked, request: { ...given.asked.request, ...change } },
  });
const withOpen = (grant: OpenGrant) =>
  withFacts(({ openGrants }) => ({ openGrants: [...openGrants, grant] }));

/** In the order in which they are looked at: name, words of the answer, how to bring it about. */
const reasons: readonly (readonly [string, RegExp, (given: Case) => Case])[] = [
  ["fleet frozen", /fleet is frozen/, withFacts(() => ({ frozen: true }))],
  ["site not active", /site is quarantined/, withSite(() => ({ status: "quarantined" }))],
  ["site ahead of the database", /ahead of the database/, withSite(() => ({ ahead: true }))],
  ["release withdrawn", /withdrawn/, withFacts(() => ({ withdrawn: [release(2).imageId] }))],
  [
    "rollout not running",
    /rollout is halted/,
    withHead({ state: { phase: "halted", wave: 0, by: "ada", because: [] } }),
  ],
  ["other epoch", /epoch 7/, withHead({ rolloutEpoch: 7 })],
  ["other image", /does not bring/, withHead({ releases: { [till]: release(3) } })],
  ["site left out", /left the site out/, withMember({ excluded: true })],
  ["wave not open", /wave 2 is not open/, withMember({ wave: 1 })],
  ["desired state not written", /not written yet/, withMember({ state: "waiting" })],
  [
    "window closed",
    /no window is open/,
    withSite(({ policy }) => ({
      policy: { ...policy, windows: [{ days: ["mon"], from: "22:00", to: "23:00" }] },
    })),
  ],
  [
    "node unknown here",
    /not a node of this site/,
    withAsked({ nodes: [{ node: nodeId(99), nonce: "n".repeat(22) }] }),
  ],
  ["node of another class", /not of class/, withNode({ class: null })],
  ["node held", /is held/, withNode({ hold: true })],
  ["node refuses the image", /refuses the image/, withNode({ refuses: [release(2).imageId] })],
  ["node runs it already", /runs the image already/, withNode({ running: release(2).imageId })],
  [
    "grant used",
    /has used its grant/,
    withFacts(() => ({
      earlierGrants: [
        {
          id: GrantId.parse("g-used"),
          rolloutId: rolloutId(1),
          node: nodeId(11),
          outcome: "inconclusive",
          armed: true,
        },
      ],
    })),
  ],
  [
    "pair in flight",
    /pair s-000009 is in flight/,
    withOpen(open(9, { pair: siteId(1), rolloutId: rolloutId(8) })),
  ],
  [
    "rollout full",
    /at most 1 may be/,
    (given) => withOpen(open(5))(withHead({ policy: limits({}).policy })(given)),
  ],
  [
    "region full",
    /sites of emea\/de are/,
    (given) =>
      withOpen(open(6, { rolloutId: rolloutId(8) }))(
        withHead({ policy: limits({ regionInFlightMax: 1 }).policy })(given),
      ),
  ],
  ["site full", /at most 1 nodes of the site/, withOpen(open(1))],
];

function decide({ facts, asked }: Case) {
  const context = {
    now,
    localTime: () => ({ day: "mon", minute: 600 }) as const,
    newId: () => GrantId.parse("g-fresh"),
  };
  const [decision] = decideGrants(facts, [asked], context);
  if (decision === undefined) throw new Error("a request got no answer");
  return decision;
}

describe("a grant decision", () => {
  it("is yes when nothing stands in the way, and echoes the node's nonce", () => {
    expect(decide(yes)).toMatchObject({
      outcome: "granted",
      rows: [
        {
          id: "g-fresh",
          node: nodeId(11),
          nonce: yes.asked.request.nodes[0]?.nonce,
          rolloutEpoch: 1,
        },
      ],
    });
  });

  it("is no for each reason alone, with that reason and a time to ask again", () => {
    for (const [name, words, bring] of reasons) {
      const decision = decide(bring(yes));
      expect([name, decision.outcome]).toEqual([name, "denied"]);
      expect(decision.because.join("; ")).toMatch(words);
      if (decision.outcome === "denied") expect(decision.retryAfterMs).toBeGreaterThan(0);
    }
  });

  it("is no for every pair of reasons, and names the one that is looked at first", () => {
    for (const [index, [first, words, bring]] of reasons.entries()) {
      for (const [second, , also] of reasons.slice(index + 1)) {
        const decision = decide(bring(also(yes)));
        expect([first, second, decision.outcome]).toEqual([first, second, "denied"]);
        const isNodeReason = first.startsWith("node") || first === "grant used";
        // A node that is not of this site has no other property to look at, and a site that is in
        // flight already adds nothing to its rollout or region.
        const isInFlight = second === "site full" && /^(rollout|region) full/.test(first);
        if (!isNodeReason && !isInFlight) {
          expect(decision.because.join("; ")).toMatch(words);
        }
      }
    }
  });

  it("does not wait for a window on the way back to what the site has proved", () => {
    const [, , closed] = reasons.find(([name]) => name === "window closed") ?? [];
    const back = withHead({ rollsBack: rolloutId(5) })(closed?.(yes) ?? yes);
    expect(decide(back).outcome).toBe("granted");
  });

  it("renews the grant of a node that never armed, and takes no further place for it", () => {
    const earlier = {
      id: GrantId.parse("g-earlier"),
      rolloutId: rolloutId(1),
      node: nodeId(11),
      outcome: null,
      armed: false,
    };
    const facts = {
      ...yes.facts,
      openGrants: [open(1, { node: nodeId(11) })],
      earlierGrants: [earlier],
    };
    expect(decide({ ...yes, facts })).toMatchObject({
      outcome: "granted",
      rows: [{ id: "g-earlier", renewal: true }],
    });
  });

  it("is drawn in docs in the order in which it is made", () => {
    const steps = reasons.flatMap(([name], index) => [
      `    c${index}{"${name}?"} -- yes --> no["denied: ${name}"]`.replace("no[", `d${index}[`),
      `    c${index} -- no --> ${index + 1 < reasons.length ? `c${index + 1}` : "granted"}`,
    ]);
    const lines = ["    request([request]) --> c0", ...steps, "    granted([granted])"];
    const text = mermaidPage({ title: "Grant decision", kind: "flowchart TD", lines });
    const file = new URL("../../../../../docs/generated/grant-decision.md", import.meta.url);
    if (process.env["UPDATE_DIAGRAMS"] === "1") {
      mkdirSync(new URL(".", file), { recursive: true });
      writeFileSync(file, text);
    }
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});
