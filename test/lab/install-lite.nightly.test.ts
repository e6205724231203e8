// The life of one real node on BIOS: found, classified, installed over the network, booted from its own
// disk, changed to the next release and proved, and brought back by the loader from one that panics.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type InstallLab, startInstallLab } from "./install-lab.ts";
import type { Vm } from "./vm.ts";

/** A place that differs between any two releases, so that its chunk has to be fetched. */
const superblockAt = 1_030;

let lab: InstallLab;
let vm: Vm;

beforeAll(async () => {
  lab = await startInstallLab({ recipes: ["lite", "lite-v2", "lite-v3"], provingMs: 8_000 });
  vm = await lab.powerOn("bios");
});
afterAll(async () => {
  await vm?.cutPower();
  await lab?.close();
});

/** Names of the node's events so far, in the order in which the site took them. */
const events = (): string[] =>
  lab.reports().flatMap((report) => (report.kind === "node-event" ? [report.event] : []));

describe("a computer with an empty disk", () => {
  it("boots the installer, tells its facts and waits while nobody has classified it", async () => {
    await vm.waitFor(/drover-install: step start/, 40_000);
    await vm.waitFor(/drover-install: waiting: no install is ordered yet/, 10_000);
    const [facts] = lab.reports().filter((report) => report.kind === "node-facts");
    expect(facts?.facts).toMatchObject({ firmware: "bios", architecture: "amd64" });
    expect(facts?.facts.disks).toMatchObject([{ name: "vda", serial: "lab-node" }]);
  });

  it("is refused with the reason while the site has no committed release", async () => {
    lab.order({ isClassified: true, installSerial: 1 });
    await vm.waitFor(/refused: the site has no committed release for class lite/, 30_000);
    expect(events()).toContain("install-failed");
  });

  it("is installed and says with what evidence", async () => {
    lab.order({ committed: 0 });
    await vm.waitFor(/drover-install: step partition/, 60_000);
    const done = await vm.waitFor(/drover-install: done/, 60_000);
    expect(done.text).toMatch(/slot a reads back with verity root [0-9a-f]{64}/);
    expect(events().filter((event) => event === "claimed")).toHaveLength(1);
    expect(events().at(-1)).toBe("installed");
    lab.order({ installSerial: null });
  });

  it("boots its own disk, measures the root it runs and is committed", async () => {
    await vm.waitFor(/drover-node: booted slot a image [0-9a-f]{8} why cold/, 60_000);
    await vm.waitFor(/drover-node: committed [0-9a-f]{8}/, 5_000);
    await lab.host.waitFor(
      /report \{"kind":"node-state".*"measuredImageId":"[0-9a-f]{64}"/,
      20_000,
    );
  });
});

describe("an installed node", () => {
  it("refuses a flipped bit before anything is armed, with the reason", async () => {
    lab.flipBit(1, superblockAt);
    lab.order({ assigned: 1 });
    await lab.host.waitFor(/"node-state".*chunk \d+ of root came with wrong bytes/, 90_000);
    expect(events()).not.toContain("armed");
    lab.flipBit(1, superblockAt);
  });

  it("changes to the assigned release: written, granted, tried, proved and committed", async () => {
    await vm.waitFor(/drover-node: slot b written/, 60_000);
    await vm.waitFor(/drover-node: booted slot b image [0-9a-f]{8} why try/, 90_000);
    await vm.waitFor(/drover-node: committed [0-9a-f]{8}/, 60_000, lastLine(/why try/));
    await lab.host.waitFor(/"event":"committed"/, 10_000);
    lab.order({ committed: 1, assigned: null });
  });

  it("stays on the committed release after a reset", async () => {
    const from = vm.console.lines.length;
    await vm.reset();
    await vm.waitFor(/drover-node: booted slot b image [0-9a-f]{8} why cold/, 60_000, from);
  });

  it("comes back by itself from a release that panics, and refuses it", async () => {
    lab.order({ assigned: 2 });
    const from = vm.console.lines.length;
    await vm.waitFor(/drover-node: booted slot b image [0-9a-f]{8} why fall/, 180_000, from);
    await vm.waitFor(/drover-node: fell back by itself/, 10_000, from);
    await lab.host.waitFor(/"event":"fell-back"/, 20_000);
  });
});

function lastLine(pattern: RegExp): number {
  return vm.console.lines.findLastIndex(({ text }) => pattern.test(text));
}
