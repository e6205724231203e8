// One run of the tests: Vitest on the pinned Node, a look for leftovers, and the closing line
// `N passed, N failed`. Whatever ends a run early counts as a failure in that line.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchLeftovers } from "./leftovers.mjs";
import { runInFront } from "./run.mjs";
import { complain, say } from "./say.mjs";

/** Takes `--seed N` and `--seeds N` out of the arguments: randomised tests read them as variables. */
export function splitSeeds(args) {
  const names = new Map([
    ["--seed", "DROVER_SEED"],
    ["--seeds", "DROVER_SEEDS"],
  ]);
  const environment = {};
  const rest = args.filter((arg, at) => {
    const name = names.get(args[at - 1]);
    if (name !== undefined) environment[name] = arg;
    return name === undefined && !names.has(arg);
  });
  return { rest, environment };
}

/** Runs the projects and returns the exit code. `words` go to Vitest, seeds to the environment. */
export async function runTests({ root, node, projects, args: words }) {
  const { rest: args, environment: seeds } = splitSeeds(words);
  const id = `r${randomBytes(3).toString("hex")}`;
  const report = join(tmpdir(), `drover-report-${id}.json`);
  const watch = watchLeftovers(id);
  const wanted = args.some((arg) => arg.startsWith("--project"))
    ? []
    : projects.flatMap((name) => ["--project", name]);
  const exitCode = await runInFront(
    node,
    [
      ...[join(root, "node_modules/vitest/vitest.mjs"), "run", ...wanted],
      ...["--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...args],
    ],
    { cwd: root, env: { ...process.env, ...seeds, ...watch.environment } },
  );
  const left = await watch.collect();
  for (const sentence of left) complain(`left behind: ${sentence}`);
  const counts = count(report, exitCode !== 0);
  rmSync(report, { force: true });
  const failed = counts.failed + (left.length > 0 ? 1 : 0);
  say(closingLine({ ...counts, failed }));
  return exitCode !== 0 ? exitCode : failed > 0 ? 1 : 0;
}

/** The last line of every run. */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function count(report, endedBadly) {
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  return countReport(JSON.parse(readFileSync(report, "utf8")), endedBadly);
}

/** Counts of Vitest's JSON report. A file that could not be loaded counts as one failure. */
export function countReport(report, endedBadly) {
  const broken = report.testResults.filter(
    (file) =>
      file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"),
  ).length;
  const failed = report.numFailedTests + broken;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && endedBadly ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
