// The course of an installation against a site that is silent, unsure, refusing or fine: it never gives
// up, never hot loops, and tells every failure once it is a node.
import { ImageId, MacAddress, NodeId, SiteId } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import { NodeFacts } from "@drover/shared/node/facts";
import { describe, expect, it } from "vitest";
import type { InventoryAnswer } from "../node-api/contract.ts";
import type { InstallOutcome } from "./install-run.ts";
import { backOffMs, runInstallSession } from "./install-session.ts";
import type { NodeSite } from "./site-ports.ts";

const site = SiteId.parse("s-abcd");
const node = NodeId.parse("n-abcd");
const imageId = ImageId.parse("ab".repeat(32));
const ready: InventoryAnswer = { node, installSerial: 4, because: ["an install is ordered"] };
const installed: InstallOutcome = { kind: "installed", imageId, reboots: true, because: ["fine"] };
const facts = NodeFacts.parse({
  ...{ vendor: "", model: "", serial: "", uuid: "", firmware: "bios", firmwareVersion: "" },
  ...{ secureBoot: false, architecture: "amd64", cpuModel: "", cpuCount: 1, memoryBytes: 1 },
  ...{ kernel: "", disks: [] },
  links: [
    {
      ...{ name: "eth0", driver: "virtio_net", carrier: true, speedMbit: 0 },
      mac: MacAddress.parse("52:54:00:00:00:01"),
    },
  ],
});

/** Answers of the site and of the run in order; the last one is repeated. */
interface Script {
  readonly inventory: readonly (InventoryAnswer | Error)[];
  readonly runs: readonly (InstallOutcome | Error)[];
  readonly sendFails?: number;
}

async function play(script: Script) {
  const said: string[] = [];
  const waits: number[] = [];
  const reports: Report[] = [];
  let asked = 0;
  let ran = 0;
  let sends = 0;
  const answer = <T>(list: readonly (T | Error)[], at: number): T => {
    const next = list[Math.min(at, list.length - 1)];
    if (next === undefined || next instanceof Error) throw next ?? new Error("no script");
    return next;
  };
  const calls = {
    async sendReports(more: readonly Report[]) {
      sends += 1;
      if (sends <= (script.sendFails ?? 0)) throw new Error("the site agent restarts");
      reports.push(...more);
    },
  } as unknown as NodeSite;
  const end = await runInstallSession({
    words: {
      siteUrl: "http://10.0.0.1",
      siteIp: "10.0.0.1",
      mode: "install",
      consoleArguments: [],
    },
    key: {
      seedHex: "",
      publicHex: "00".repeat(32),
      shortCode: "0000-0000",
      sign: (bytes) => bytes,
    },
    readFacts: () => facts,
    stranger: {
      inventory: async () => answer(script.inventory, asked++),
      claim: async () => ({ site, node }),
    },
    asNode: () => calls,
    run: async () => answer(script.runs, ran++),
    say: (line) => said.push(line),
    wait: async (ms) => void waits.push(ms),
    random: () => 0.5,
  });
  const events = reports.flatMap((report) => (report.kind === "node-event" ? [report] : []));
  return { end, said, waits, events };
}

describe("an installation", () => {
  it("asks again and again, ever less often, until an install is ordered", async () => {
    const waiting = { node, installSerial: null, because: ["no install is ordered yet"] };
    const { said, waits } = await play({
      inventory: [waiting, waiting, waiting, ready],
      runs: [installed],
    });
    expect(waits).toEqual([2_000, 4_000, 8_000]);
    expect(said.filter((line) => line.startsWith("waiting"))).toHaveLength(1);
    expect(said.at(-1)).toBe("done fine");
  });

  it("survives a site agent that does not answer", async () => {
    const { end, events } = await play({
      inventory: [new Error("no route"), ready],
      runs: [installed],
    });
    expect(end).toBe("reboot");
    expect(events.map(({ event }) => event)).toEqual(["installed"]);
  });

  it("reports a refusal and a failure with their reasons, and tries again", async () => {
    const refused = { kind: "refused", because: ["several disks match"] } as const;
    const { events } = await play({
      inventory: [ready],
      runs: [refused, new Error("chunk 3 of root came with wrong bytes"), installed],
    });
    expect(events.map(({ event, because }) => [event, because[0]])).toEqual([
      ["install-failed", "several disks match"],
      ["install-failed", "chunk 3 of root came with wrong bytes"],
      ["installed", "fine"],
    ]);
  });

  it("waits for a site that has yet to fetch the image, which is no failure", async () => {
    const waiting = { kind: "waiting", because: ["the site fetches lite@1.0.0 first"] } as const;
    const { said, waits, events } = await play({
      inventory: [ready],
      runs: [waiting, waiting, installed],
    });
    expect(said.filter((line) => line.startsWith("waiting"))).toEqual([
      "waiting: the site fetches lite@1.0.0 first",
    ]);
    expect(waits).toEqual([2_000, 4_000]);
    expect(events.map(({ event }) => event)).toEqual(["installed"]);
  });

  it("keeps its evidence for a site agent that is just restarting", async () => {
    const { events } = await play({ inventory: [ready], runs: [installed], sendFails: 3 });
    expect(events.map(({ event }) => event)).toEqual(["installed"]);
  });

  it("leaves the computer switched off when the procedure says so", async () => {
    const { end } = await play({ inventory: [ready], runs: [{ ...installed, reboots: false }] });
    expect(end).toBe("power-off");
  });
});

describe("the back-off", () => {
  it("stays between a second and a half and 75 seconds", () => {
    for (let failures = 0; failures < 100; failures += 1)
      for (const random of [0, 0.5, 0.999]) {
        expect(backOffMs(failures, random)).toBeGreaterThanOrEqual(1_500);
        expect(backOffMs(failures, random)).toBeLessThanOrEqual(75_000);
      }
  });
});
