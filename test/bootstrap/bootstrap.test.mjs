// What people and CI rely on: the closing line, a set-up that is not repeated, signals that arrive once,
// and leftovers that are found.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchLeftovers } from "./leftovers.mjs";
import { matchesLock } from "./npm-packages.mjs";
import { closingLine, countReport, splitSeeds } from "./test-run.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-bootstrap-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("the closing line names skipped tests only when there are some", () => {
  expect(closingLine({ passed: 12, failed: 0, skipped: 0 })).toBe("12 passed, 0 failed");
  expect(closingLine({ passed: 1, failed: 2, skipped: 3 })).toBe("1 passed, 2 failed, 3 skipped");
});

test("seeds given on the command line reach randomised tests as variables", () => {
  expect(splitSeeds(["--project", "simulation", "--seed", "17"])).toEqual({
    rest: ["--project", "simulation"],
    environment: { DROVER_SEED: "17" },
  });
});

test("a file that can't be loaded and a run that ends badly count as failures", () => {
  const counts = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  const good = { status: "passed", assertionResults: [{ status: "passed" }] };
  const unloadable = { status: "failed", assertionResults: [] };
  const failed = (testResults, endedBadly) =>
    countReport({ ...counts, testResults }, endedBadly).failed;
  expect(failed([good], false)).toBe(0);
  expect(failed([good], true)).toBe(1);
  expect(failed([good, unloadable], true)).toBe(1);
});

test("installed packages match the lock file only with the same versions, absent optional ones aside", () => {
  const lock = {
    packages: {
      "": {},
      "node_modules/a": { version: "1.0.0" },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
      "node_modules/ours": { link: true },
    },
  };
  const install = (packages) => {
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    writeFileSync(join(folder, "node_modules/.package-lock.json"), JSON.stringify({ packages }));
  };
  expect(matchesLock(folder, lock)).toBe(false);
  install({ "node_modules/a": { version: "1.0.0" } });
  expect(matchesLock(folder, lock)).toBe(true);
  install({ "node_modules/a": { version: "1.0.1" } });
  expect(matchesLock(folder, lock)).toBe(false);
});

test("a process and a file that a run left behind are named, ended and removed", async () => {
  const watch = watchLeftovers("r0000aa");
  const child = spawn("/bin/sleep", ["60"], { env: { ...process.env, ...watch.environment } });
  writeFileSync(join(watch.temporary, "forgotten"), "");
  // The environment shows once the new program has been loaded.
  await vi.waitUntil(() => readFileSync(`/proc/${child.pid}/comm`, "utf8") === "sleep\n");
  const ended = new Promise((done) => child.once("exit", (_, signal) => done(signal)));
  const found = await watch.collect();
  expect(await ended).toBe("SIGKILL");
  expect(existsSync(watch.temporary)).toBe(false);
  expect(found).toEqual([
    expect.stringContaining(`process ${child.pid} still runs: /bin/sleep 60`),
    expect.stringContaining("forgotten"),
  ]);
});

test("a signal reaches the main program once, and its exit code is ours", async () => {
  const program = join(folder, "program.mjs");
  const text = `let n = 0; process.on("SIGINT", () => { n += 1; setTimeout(() => process.exit(40 + n), 300); });
    console.log("ready"); setInterval(() => undefined, 1000);`;
  writeFileSync(program, text);
  const front = join(folder, "front.mjs");
  const run = join(import.meta.dirname, "run.mjs");
  writeFileSync(
    front,
    `import { runInFront } from ${JSON.stringify(run)};
    process.exit(await runInFront(process.execPath, [${JSON.stringify(program)}], {}));`,
  );
  const child = spawn(process.execPath, [front], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((done) => child.stdout.once("data", done));
  const ended = new Promise((done) => child.once("exit", done));
  // As after a Ctrl-C: the terminal and npm both deliver it.
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await ended).toBe(41);
});
