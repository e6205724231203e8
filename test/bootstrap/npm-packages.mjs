// Installs the npm packages of the lock file when they are missing or stale, and finds the Node that
// everything after the bootstrap runs on. Install scripts don't run: none of our packages needs one.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runQuietly } from "./run.mjs";
import { BootstrapError, withProgress } from "./say.mjs";

const stampName = "node_modules/.drover-stamp";

/** Makes `node_modules` what the lock file says. Fast when it already is. */
export async function installNpmPackages(root) {
  const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
  const stamp = createHash("sha256").update(lockText).digest("hex");
  const stampFile = join(root, stampName);
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8").trim() === stamp) return;
  if (!matchesLock(root, JSON.parse(lockText))) {
    await withProgress("installing npm packages", () => runNpmCi(root));
  }
  writeFileSync(stampFile, `${stamp}\n`);
}

async function runNpmCi(root) {
  // Started by npm, its own program file is known; it need not be in PATH.
  const npm = process.env.npm_execpath;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const result =
    npm?.endsWith(".js") === true
      ? await runQuietly(process.execPath, [npm, ...args], { cwd: root })
      : await runQuietly("npm", args, { cwd: root });
  if (result.exitCode === 0) return;
  const last = result.output.trim().split("\n").slice(-15).join("\n");
  throw new BootstrapError(`Installing the npm packages failed:\n${last}`);
}

/** Whether what npm says it installed is what the lock file wants, as after a plain `npm install`. */
export function matchesLock(root, lock) {
  const hidden = join(root, "node_modules/.package-lock.json");
  if (!existsSync(hidden)) return false;
  const installed = JSON.parse(readFileSync(hidden, "utf8")).packages;
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (!path.includes("node_modules/") || wanted.link === true) continue;
    const found = installed[path];
    if (found === undefined && (wanted.optional === true || wanted.peer === true)) continue;
    if (found?.version !== wanted.version) return false;
  }
  return true;
}

/** Path of the pinned Node for this computer. */
export function pinnedNode(root) {
  const node = join(root, `node_modules/node-linux-${process.arch}/bin/node`);
  if (process.platform === "linux" && existsSync(node)) return node;
  const sentence = `Drover runs on Linux on x64 and arm64 with npm's optional packages; there is no pinned Node for ${process.platform} ${process.arch} in node_modules.`;
  throw new BootstrapError(sentence);
}
