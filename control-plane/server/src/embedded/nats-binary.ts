// Finds a nats-server: the one named by the operator, a new enough one in PATH, else Debian's package
// unpacked into the cache. The cached program is put in place by a rename, whole or not at all.
import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "@drover/shared/log";
import { unpackDebianPackage } from "./debian-package.ts";
import { EmbeddedError } from "./errors.ts";
import { runCommand } from "./run-command.ts";

/** Below this a nats-server in PATH is passed over; one named explicitly may be as old as the floor. */
const preferredVersion = [2, 10, 27] as const;
const floorVersion = [2, 9, 10] as const;
const suite = "trixie";

export interface NatsBinary {
  readonly program: string;
  readonly version: string;
}

export interface FindNatsOptions {
  /** The operator's own choice, taken without looking further. */
  readonly explicit?: string | undefined;
  readonly path: string;
  readonly cacheFolder: string;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** @throws EmbeddedError when none is found and none can be fetched */
export async function findNatsServer(options: FindNatsOptions): Promise<NatsBinary> {
  if (options.explicit !== undefined && options.explicit !== "") {
    return requireFloor(options.explicit);
  }
  for (const folder of options.path.split(":").filter((part) => part.startsWith("/"))) {
    const program = join(folder, "nats-server");
    if (!existsSync(program)) continue;
    const version = await versionOf(program);
    if (version !== undefined && isAtLeast(version, preferredVersion)) return { program, version };
  }
  const cached = join(options.cacheFolder, "nats-server");
  const version = existsSync(cached) ? await versionOf(cached) : undefined;
  if (version !== undefined) return { program: cached, version };
  return fetchInto(cached, options);
}

async function requireFloor(program: string): Promise<NatsBinary> {
  const version = await versionOf(program);
  if (version === undefined) {
    const sentence = `${program} was named as nats-server but doesn't run as one`;
    throw new EmbeddedError("embedded-program-missing", sentence);
  }
  if (isAtLeast(version, floorVersion)) return { program, version };
  const sentence = `${program} is nats-server ${version}; at least ${floorVersion.join(".")} is needed`;
  throw new EmbeddedError("embedded-program-unfit", sentence);
}

async function fetchInto(cached: string, options: FindNatsOptions): Promise<NatsBinary> {
  options.log.info({ suite, package: "nats-server" }, "fetching nats-server");
  const scratch = join(options.cacheFolder, "nats-server.fetch");
  const root = await unpackDebianPackage({
    packageName: "nats-server",
    suite,
    scratch,
    path: options.path,
    signal: options.signal,
  });
  copyFileSync(join(root, "usr/sbin/nats-server"), `${cached}.new`);
  chmodSync(`${cached}.new`, 0o755);
  const version = await versionOf(`${cached}.new`);
  if (version === undefined) {
    const sentence = `the nats-server of Debian ${suite} doesn't run on this system; install one and name it in NATS_SERVER`;
    throw new EmbeddedError("embedded-program-unfit", sentence);
  }
  renameSync(`${cached}.new`, cached);
  rmSync(scratch, { recursive: true, force: true });
  return { program: cached, version };
}

async function versionOf(program: string): Promise<string | undefined> {
  const result = await runCommand(program, ["--version"], { timeoutMs: 10_000 });
  return /nats-server: v(\d+\.\d+\.\d+)/.exec(result.stdout)?.[1];
}

/** Compares release numbers part by part. */
export function isAtLeast(version: string, floor: readonly number[]): boolean {
  const parts = version.split(".").map(Number);
  for (const [index, wanted] of floor.entries()) {
    const have = parts[index] ?? 0;
    if (have !== wanted) return have > wanted;
  }
  return true;
}
