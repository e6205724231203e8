// What an installing node believes: only whole chains of signatures, only an accepted channel, never a
// release below the minimum; and never does an expiry date keep a site from repairing itself.
import { SiteId } from "@drover/shared/ids";
import { defaultProcedure } from "@drover/shared/site/procedure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planInstall, readSteps } from "../core/install/plan-install.ts";
import type { NodeBundle } from "../node-api/contract.ts";
import {
  type BundleChange,
  bundleWith,
  dev,
  issuedAt,
  node,
  nodeClass,
  release,
  signers,
  site,
} from "./bundle-fixture.ts";
import { firstTrust, openProcedure } from "./trust-bundle.ts";

const inTime = issuedAt + 86_400_000;

function planOf(bundle: NodeBundle, now = inTime) {
  const keeper = firstTrust(site, bundle);
  const { view } = keeper;
  if (!view) throw new Error("the bundle has no desired state");
  const plan = planInstall(node, view, now);
  if (plan.kind === "install") openProcedure(keeper, plan.procedure);
  return plan;
}

const refusalOf = (change: BundleChange): string => planOf(bundleWith(change)).because.join("; ");

describe("the bundle of an installing node", () => {
  it("leads to the site's committed release when everything holds", () => {
    expect(planOf(bundleWith())).toMatchObject({ kind: "install", class: nodeClass, release });
  });

  it("still installs the committed release long after desired state and metadata expired", () => {
    const expired = bundleWith({ expiresAt: issuedAt + 1000 });
    expect(planOf(expired, issuedAt + 400 * 86_400_000).kind).toBe("install");
  });

  it("is refused when the wrong role signed desired state, release metadata or the procedure", () => {
    for (const change of [
      { desiredBy: signers.stranger },
      { desiredBy: signers.stable },
      { releasesBy: signers.dev },
      { releasesBy: signers.fleet },
      { procedureBy: signers.stable },
    ])
      expect(() => planOf(bundleWith(change)), JSON.stringify(Object.keys(change))).toThrow(
        /not signed by enough/,
      );
  });

  it("never installs from a channel that the site does not accept, although it is signed", () => {
    expect(refusalOf({ committed: { ...release, channel: dev } })).toMatch(/does not accept/);
  });

  it("never installs below the minimum, a withdrawn release, or another counter than signed", () => {
    expect(refusalOf({ minimum: 4 })).toMatch(/below the minimum 4/);
    expect(refusalOf({ withdrawn: "eats data" })).toMatch(/withdrawn: eats data/);
    expect(refusalOf({ signedCounter: 2 })).toMatch(/signed with another counter/);
  });

  it("says why nothing is installed without intent, committed release or an active site", () => {
    expect(refusalOf({ install: false })).toMatch(/nobody has ordered/);
    expect(refusalOf({ committed: null })).toMatch(/no committed release/);
    expect(refusalOf({ status: "quarantined" })).toMatch(/quarantined/);
  });

  it("of another site is refused", () => {
    expect(() => firstTrust(SiteId.parse("s-other"), bundleWith())).toThrow(/for site s-fixture/);
  });

  it("is refused whichever bit of a signed document is flipped", () => {
    const bundle = bundleWith();
    const documents: readonly ((flip: (text: string) => string) => NodeBundle)[] = [
      (flip) => ({ ...bundle, roots: bundle.roots.map(flip) }),
      (flip) => ({ ...bundle, releases: { stable: flip(bundle.releases["stable"] ?? "") } }),
      (flip) => ({ ...bundle, trustFile: flipped(bundle.trustFile, flip) }),
      (flip) => ({
        ...bundle,
        desired: bundle.desired && {
          ...bundle.desired,
          document: flipped(bundle.desired.document, flip),
        },
      }),
    ];
    fc.assert(
      fc.property(fc.nat(documents.length - 1), fc.nat(1e6), fc.nat(6), (which, at, bit) => {
        const make = documents[which];
        const broken = make?.((text) => flipBit(text, at % text.length, bit)) ?? bundle;
        // A flip may hit what means nothing (spaces, the case of a hex digit): then all is as before.
        let plan: unknown;
        try {
          plan = planOf(broken);
        } catch {
          return;
        }
        expect(plan).toEqual(planOf(bundle));
      }),
      { numRuns: 300 },
    );
  });
});

type Envelope = NodeBundle["trustFile"];
const flipped = (envelope: Envelope, flip: (text: string) => string): Envelope => ({
  ...envelope,
  payload: flip(envelope.payload),
});

function flipBit(text: string, at: number, bit: number): string {
  const changed = String.fromCharCode(text.charCodeAt(at) ^ (1 << bit));
  return text.slice(0, at) + changed + text.slice(at + 1);
}

describe("a procedure", () => {
  const whole = defaultProcedure(nodeClass);

  it("is run only in the order that leaves a cut install unbootable", () => {
    expect(readSteps(whole, nodeClass)).toMatchObject({ kind: "steps", reboots: true });
    const early = [...whole.steps].sort((a) => (a.kind === "write-loader" ? -1 : 0));
    expect(readSteps({ ...whole, steps: early }, nodeClass).kind).toBe("refused");
    const cut = whole.steps.filter(({ kind }) => kind !== "write-slot");
    expect(readSteps({ ...whole, steps: cut }, nodeClass).kind).toBe("refused");
  });

  it("without a reboot at its end leaves the computer switched off", () => {
    const steps = whole.steps.filter(({ kind }) => kind !== "reboot");
    expect(readSteps({ ...whole, steps }, nodeClass)).toMatchObject({ reboots: false });
  });

  it("of another class is refused", () => {
    const other = { ...whole, class: "till" as typeof nodeClass };
    expect(readSteps(other, nodeClass).kind).toBe("refused");
  });
});
