// The program as a shell sees it: exit codes, streams and JSON, against an HTTPS server of the test.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Send } from "@drover/shared/api/client";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addRollout } from "./commands/rollout.ts";
import { addSite } from "./commands/site.ts";
import { contextOf, ExitError } from "./context.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

function run(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, DROVER_DATA: "/nonexistent", DROVER_URL: "", DROVER_TOKEN: "" };
    const child = execFile(process.execPath, [main, ...args], { env }, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

const rollout = (phase: Record<string, unknown>) => ({
  id: "r-abcd",
  name: "spring",
  releases: {},
  policy: { waves: [{ count: 1 }] },
  selection: {},
  state: phase,
  rolloutEpoch: 1,
  planHash: "a".repeat(64),
  waves: [],
  grants: 0,
  createdAt: 1,
  createdBy: "ann",
  rollsBack: null,
  because: [],
});

async function inProcess(
  send: Send,
  args: readonly string[],
  json = true,
): Promise<{ out: string[]; thrown: unknown }> {
  const out: string[] = [];
  const context = contextOf(
    { send, put: async () => ({ status: 500, text: "" }) },
    { json, line: (text) => out.push(text), notice() {} },
  );
  const program = new Command().exitOverride();
  addRollout(program, () => context);
  addSite(program, () => context);
  try {
    await program.parseAsync(["node", "drover", ...args]);
    return { out, thrown: undefined };
  } catch (thrown) {
    return { out, thrown };
  }
}

describe("the command line", () => {
  it("says in one sentence what to give when no control plane is known, with exit code 1", async () => {
    const { code, out, err } = await run(["fleet"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^drover: no control plane given: pass --data DIR/);
  });

  it("ends with exit code 2 on wrong usage and names what was expected", async () => {
    const { code, err } = await run(["why", "site", "nonsense"]);
    expect(code).toBe(2);
    expect(err).toMatch(/expected a site id/);
  });

  it("tells CI a halt by exit code 3, and prints the rollout as JSON", async () => {
    const halted = rollout({
      phase: "halted",
      wave: 0,
      by: "gate",
      because: ["2 sites fell back"],
    });
    const { out, thrown } = await inProcess(
      async () => ({ status: 200, text: JSON.stringify(halted) }),
      ["rollout", "wait", "r-abcd"],
    );
    expect(thrown).toBeInstanceOf(ExitError);
    expect((thrown as ExitError).exitCode).toBe(3);
    expect(JSON.parse(out.join(""))).toMatchObject({
      state: { phase: "halted", because: ["2 sites fell back"] },
    });
  });

  it("ends at once with success when the rollout has finished", async () => {
    const finished = rollout({ phase: "finished", at: 5 });
    const { out, thrown } = await inProcess(
      async () => ({ status: 200, text: JSON.stringify(finished) }),
      ["rollout", "wait", "r-abcd"],
      false,
    );
    expect(thrown).toBeUndefined();
    expect(out).toEqual(["finished: pass"]);
  });

  it("never sends a stop word without a reason", async () => {
    const { thrown } = await inProcess(
      async () => ({ status: 500, text: "" }),
      ["rollout", "halt", "r-abcd"],
    );
    expect(thrown).toMatchObject({ code: "commander.missingMandatoryOptionValue" });
  });
});
