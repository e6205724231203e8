// Debian packages: finds which are missing, installs them as root, and otherwise names the command.
import { existsSync } from "node:fs";
import { debianPackages } from "./packages.mjs";
import { runQuietly } from "./run.mjs";
import { withProgress } from "./say.mjs";

/**
 * @typedef {{ ready: true } | { ready: false, because: string, leftOut: string[] }} PackagesResult
 *   `leftOut` are the purposes whose packages are not all there
 */

/** Makes the packages of the given purposes available. @returns {Promise<PackagesResult>} */
export async function ensureDebianPackages(purposes) {
  if (!existsSync("/usr/bin/dpkg-query") || !existsSync("/usr/bin/apt-get")) {
    return { ready: false, because: "this is not a Debian system", leftOut: purposes };
  }
  const missing = await findMissing(purposes);
  if (missing.size === 0) return { ready: true };
  const names = [...new Set([...missing.values()].flat())].sort();
  const leftOut = [...missing.keys()];
  if (process.getuid?.() !== 0) {
    const command = `sudo apt-get install -y --no-install-recommends ${names.join(" ")}`;
    return {
      ready: false,
      because: `packages are missing; install them with\n  ${command}`,
      leftOut,
    };
  }
  const failure = await withProgress(`installing Debian packages: ${names.join(" ")}`, () =>
    install(names),
  );
  if (failure === undefined) return { ready: true };
  return { ready: false, because: `installing Debian packages failed: ${failure}`, leftOut };
}

async function findMissing(purposes) {
  const wanted = purposes.flatMap((purpose) => debianPackages[purpose].packages);
  // Unknown names make dpkg-query fail, yet it prints the known ones.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders are dpkg-query's
  const format = "${Package} ${db:Status-Status}\n";
  const { output } = await runQuietly("dpkg-query", ["-W", "-f", format, ...wanted]);
  const installed = new Set(
    output.split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0]] : [])),
  );
  const missing = new Map();
  for (const purpose of purposes) {
    const absent = debianPackages[purpose].packages.filter((name) => !installed.has(name));
    if (absent.length > 0) missing.set(purpose, absent);
  }
  return missing;
}

/** Undefined on success, else the reason. */
async function install(names) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const options = ["-q", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300"];
  let reason = "";
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const update = await runQuietly("apt-get", [...options, "update"], { env });
    const args = [...options, "install", "-y", "--no-install-recommends", ...names];
    const result = await runQuietly("apt-get", args, { env });
    if (result.exitCode === 0) return undefined;
    const lines = `${update.output}\n${result.output}`
      .split("\n")
      .filter((line) => /^[EW]:/.test(line));
    reason = lines.at(-1) ?? `apt-get ended with code ${result.exitCode}`;
    await new Promise((done) => setTimeout(done, attempt * 2000));
  }
  return reason;
}
