// Fetches one Debian package from the machine's own mirror into a private folder: signatures are
// checked with Debian's archive key, nothing outside the folder is read as state or changed.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmbeddedError } from "./errors.ts";
import { runCommand } from "./run-command.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

export interface DebianPackageRequest {
  readonly packageName: string;
  /** Suite to take it from, such as `trixie`. */
  readonly suite: string;
  /** Empty scratch folder; what was unpacked is in its `root` afterwards. */
  readonly scratch: string;
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Downloads, verifies and unpacks a package. Returns the folder it was unpacked into.
 * @throws EmbeddedError `embedded-download-failed`
 */
export async function unpackDebianPackage(request: DebianPackageRequest): Promise<string> {
  const { scratch, packageName, suite } = request;
  if (!existsSync(keyring)) {
    throw failure(request, "the package debian-archive-keyring is not installed");
  }
  const mirror = machineMirror("/etc/apt");
  if (mirror === undefined) throw failure(request, "no Debian mirror is configured in /etc/apt");
  rmSync(scratch, { recursive: true, force: true });
  for (const folder of ["lists/partial", "cache/archives/partial", "download", "root"]) {
    mkdirSync(join(scratch, folder), { recursive: true });
  }
  const list = join(scratch, "sources.list");
  writeFileSync(list, `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
  await run(request, "apt-get", [...aptOptions(scratch, list), "update"]);
  await run(request, "apt-get", [...aptOptions(scratch, list), "download", packageName]);
  const deb = readdirSync(join(scratch, "download")).find((name) => name.endsWith(".deb"));
  if (deb === undefined) throw failure(request, "apt-get downloaded nothing");
  const root = join(scratch, "root");
  await run(request, "dpkg-deb", ["--extract", join(scratch, "download", deb), root]);
  return root;
}

function aptOptions(scratch: string, list: string): string[] {
  const settings = [
    // As root apt drops to its own user, which can't write into a private folder.
    "APT::Sandbox::User=",
    `Dir::Etc::sourcelist=${list}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(scratch, "lists")}`,
    `Dir::Cache=${join(scratch, "cache")}`,
    "Acquire::Languages=none",
    "Acquire::Retries=3",
    "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
  ];
  return ["-q", ...settings.flatMap((setting) => ["-o", setting])];
}

async function run(
  request: DebianPackageRequest,
  program: string,
  args: readonly string[],
): Promise<void> {
  const result = await runCommand(program, args, {
    cwd: join(request.scratch, "download"),
    env: { ...process.env, PATH: request.path, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
    timeoutMs: 300_000,
    signal: request.signal,
  });
  if (result.exitCode === 0) return;
  const lines = result.tail.trim().split("\n");
  const line = lines.findLast((text) => /^E:|error/i.test(text)) ?? lines.at(-1) ?? "";
  throw failure(request, line);
}

function failure(request: DebianPackageRequest, reason: string): EmbeddedError {
  const sentence = `fetching ${request.packageName} of Debian ${request.suite} failed: ${reason}`;
  return new EmbeddedError("embedded-download-failed", sentence);
}

/** The first archive mirror of the machine's own package lists, security archives left out. */
export function machineMirror(aptFolder: string): string | undefined {
  const single = join(aptFolder, "sources.list");
  const parts = join(aptFolder, "sources.list.d");
  const files = existsSync(single) ? [single] : [];
  if (existsSync(parts)) {
    const names = readdirSync(parts).filter((name) => /\.(list|sources)$/.test(name));
    files.push(...names.sort().map((name) => join(parts, name)));
  }
  const uris = files.flatMap((file) => readMirrors(readFileSync(file, "utf8")));
  return uris.find((uri) => /\/debian\/?$/.test(uri));
}

/** Addresses in one-line (`deb`) and deb822 (`URIs:`) package lists, see sources.list(5). */
export function readMirrors(text: string): string[] {
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const deb822 = /^URIs:\s*(.+)$/i.exec(line)?.[1];
    if (deb822 !== undefined) found.push(...deb822.trim().split(/\s+/));
    const oneLine = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1];
    if (oneLine !== undefined) found.push(oneLine);
  }
  return found;
}
