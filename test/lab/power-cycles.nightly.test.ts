// Ten power cuts at early moments of the boot, from the loader to early userspace: a node on a committed
// slot stays on it, and its boot state is the same bytes after every one of them.
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { openBlockDevice } from "@drover/agent/node/block-device";
import { findGrubenv } from "@drover/shared/disk/boot-control";
import { type BootEnv, parseBootEnv } from "@drover/shared/disk/boot-env";
import { parseGpt } from "@drover/shared/disk/gpt-parse";
import { grubenvBytes } from "@drover/shared/disk/grubenv";
import { afterAll, beforeAll, expect, it } from "vitest";
import { coreSlowness } from "./deadline.ts";
import { type InstallLab, startInstallLab } from "./install-lab.ts";
import type { Vm } from "./vm.ts";

/** The plug is pulled `delayMs` (on a quiet computer) after the console showed `pattern`. */
const moments: readonly { readonly pattern: RegExp; readonly delayMs: number }[] = [
  { pattern: /Booting from Hard Disk/, delayMs: 0 },
  { pattern: /Welcome to GRUB|GRUB loading/, delayMs: 0 },
  { pattern: /drover: slot a why cold/, delayMs: 0 },
  { pattern: /drover: slot a why cold/, delayMs: 400 },
  { pattern: /drover: slot a why cold/, delayMs: 2_000 },
  { pattern: /drover-initrd.*: start/, delayMs: 0 },
  { pattern: /drover-initrd.*: start/, delayMs: 700 },
  { pattern: /drover-initrd.*: root of slot a/, delayMs: 0 },
  { pattern: /drover-lite.*: system start/, delayMs: 0 },
  { pattern: /drover-lite.*: system start/, delayMs: 1_500 },
];
const committed = /drover-node: booted slot a image ([0-9a-f]{8}) why cold/;
const strayed = /why (try|fall|late|resc)|slot b|cannot be loaded|boot state is unreadable/;

let lab: InstallLab;
let vm: Vm;

beforeAll(async () => {
  lab = await startInstallLab({ recipes: ["lite"], provingMs: 5_000 });
  vm = await lab.powerOn("bios");
});
afterAll(async () => {
  await vm?.cutPower();
  await lab?.close();
});

/** The boot state as it lies on the disk of a node without power. */
function bootStateOnDisk(): { bytes: string; env: BootEnv } {
  const disk = openBlockDevice(join(lab.runFolder, "node.disk"), { durable: false });
  try {
    const block = findGrubenv(disk, parseGpt(disk, disk.sizeBytes, disk.sectorBytes));
    const bytes = block.read(0, grubenvBytes);
    return { bytes: Buffer.from(bytes).toString("latin1"), env: parseBootEnv(bytes) };
  } finally {
    disk.close();
  }
}

/** The slots the node told last, and from which boot. */
function lastNodeState() {
  const state = lab.reports().findLast((report) => report.kind === "node-state");
  if (state?.kind !== "node-state") throw new Error("the node has told no state");
  return { slots: state.slots, bootId: state.bootId };
}

it("a node is installed and commits slot a", async () => {
  lab.order({ isClassified: true, installSerial: 1, committed: 0 });
  await vm.waitFor(/drover-install: done/, 150_000);
  lab.order({ installSerial: null });
  await vm.waitFor(committed, 60_000);
  await lab.host.waitFor(/report \{"kind":"node-state".*"measuredImageId":"[0-9a-f]{64}"/, 20_000);
});

it("ten power cuts during the boot leave it on its committed slot and change no byte of the boot state", async () => {
  const before = lastNodeState();
  await vm.cutPower();
  const atRest = bootStateOnDisk();
  expect(atRest.env).toMatchObject({ def: "a", try: "-", left: 0, why: "cold", rej: "-" });
  for (const { pattern, delayMs } of moments) {
    vm = await lab.powerOn("bios");
    const { atMs } = await vm.waitFor(pattern, 60_000);
    await wait(delayMs * coreSlowness());
    await vm.cutPower();
    const lines = vm.console.lines.map(({ text }) => text);
    process.stdout.write(
      `cut ${delayMs} ms after ${pattern} (${(atMs / 1000).toFixed(1)} s): ${lines.at(-2)}\n`,
    );
    expect(lines.filter((line) => strayed.test(line))).toEqual([]);
    expect(bootStateOnDisk().bytes).toBe(atRest.bytes);
  }
  vm = await lab.powerOn("bios");
  await vm.waitFor(committed, 60_000);
  await expect
    .poll(() => lastNodeState().bootId, { timeout: 120_000, interval: 500 })
    .not.toBe(before.bootId);
  expect(lastNodeState().slots).toEqual(before.slots);
  await vm.cutPower();
  expect(bootStateOnDisk().bytes).toBe(atRest.bytes);
});
