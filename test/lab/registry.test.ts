// A lab that is killed leaves nothing: its processes die with it, and the next lab removes its network.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadlineMs } from "./deadline.ts";
import { createNamespace } from "./namespace.ts";
import { cleanUpAfterDeadRuns } from "./registry.ts";

/** Starts a lab in a process of its own and returns what it made. */
async function otherLab() {
  const script = join(import.meta.dirname, "leftover-owner.ts");
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString().trim())),
  );
  const [name = "", pid = ""] = line.split(" ");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
  };
  return { name, pid, kill };
}

test("what a killed lab made is gone after the next clean-up, what a live lab made stays", async () => {
  const dead = await otherLab();
  const live = await otherLab();
  try {
    await dead.kill();
    const timeout = deadlineMs(500);
    await expect.poll(() => existsSync(`/proc/${dead.pid}`), { timeout }).toBe(false);
    cleanUpAfterDeadRuns();
    expect(existsSync(`/run/netns/${dead.name}`)).toBe(false);
    expect(existsSync(`/run/netns/${live.name}`)).toBe(true);
    expect(existsSync(`/proc/${live.pid}`)).toBe(true);
  } finally {
    await live.kill();
    cleanUpAfterDeadRuns();
  }
  expect(existsSync(`/run/netns/${live.name}`)).toBe(false);
});

test("a closed namespace is gone at once, with its taps and what ran inside", async () => {
  const namespace = createNamespace({ taps: 2 });
  expect(namespace.run("ip", "-brief", "link")).toMatch(/tap1/);
  const child = namespace.spawn("sleep", ["3600"], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
  namespace.close();
  expect(existsSync(`/run/netns/${namespace.name}`)).toBe(false);
  expect(await ended).toBe("SIGKILL");
});
