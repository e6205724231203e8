// Makes a database cluster: beside its final place, then renamed, so that a half-made one is never
// opened; and tells from what Postgres wrote what went wrong.
import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "@drover/shared/log";
import { DataFolderError, EmbeddedError } from "./errors.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { runCommand } from "./run-command.ts";
import type { Unprivileged } from "./unprivileged.ts";

/** Role and database that the control plane uses. */
export const owner = "drover";
export const database = "drover";
/** How messages call it. */
export const postgresName = "the embedded Postgres";

export interface ClusterOptions {
  /** The `postgres` part of the data folder. */
  readonly folder: string;
  /** The PATH to look for programs in. */
  readonly path: string;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly cluster: string;
  readonly binaries: PostgresBinaries;
  readonly identity: Unprivileged;
}

/** @throws EmbeddedError | DataFolderError; nothing of the attempt stays */
export async function makeCluster(options: ClusterOptions): Promise<void> {
  const { folder, binaries, identity, log } = options;
  const fresh = join(folder, "cluster.new");
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  const password = randomBytes(24).toString("hex");
  const passwordFile = join(folder, "password");
  writeFileSync(`${passwordFile}.new`, `${password}\n`, { mode: 0o600, flush: true });
  renameSync(`${passwordFile}.new`, passwordFile);
  // initdb wants a file, readable by its own identity; a pipe from Node is a socket it can't open.
  const handedOver = join(folder, "cluster.password");
  writeFileSync(handedOver, password, { mode: 0o600 });
  try {
    identity.own(handedOver);
    identity.own(fresh);
    await run(
      options,
      "initdb",
      [
        ...["-D", fresh, "-U", owner, "-E", "UTF8", "--locale=C", "--no-instructions"],
        ...["--auth=scram-sha-256", `--pwfile=${handedOver}`],
      ],
      "",
    );
    await run(
      options,
      "postgres",
      ["--single", "-D", fresh, "postgres"],
      `CREATE DATABASE ${database}\n`,
    );
    renameSync(fresh, options.cluster);
    log.info({ postgres: binaries.major, origin: binaries.origin }, "database made");
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(handedOver, { force: true });
  }
}

async function run(
  options: ClusterOptions,
  program: string,
  args: readonly string[],
  stdin: string,
): Promise<void> {
  const wrapped = options.identity.wrap(join(options.binaries.folder, program), args);
  const result = await runCommand(wrapped.program, wrapped.args, {
    stdin,
    env: postgresEnvironment(options.path),
    signal: options.signal,
  });
  if (result.exitCode === 0) return;
  const known = explainPostgres(options.folder, result.tail);
  if (known !== undefined) throw known;
  const last = result.tail.trim().split("\n").at(-1) ?? "";
  const sentence = `making ${postgresName} failed (${program}): ${last}`;
  throw new EmbeddedError("embedded-start-failed", sentence, result.tail);
}

/** The known cause of a failure in the end of Postgres's log, if there is one. */
export function explainPostgres(folder: string, logTail: string): Error | undefined {
  if (/No space left on device|Disk quota exceeded/.test(logTail)) {
    return new DataFolderError(
      "disk-full",
      `the disk of ${folder} is full: ${postgresName} can't start`,
    );
  }
  if (
    /could not open file|invalid data in file|could not locate a valid checkpoint|PANIC/.test(
      logTail,
    )
  ) {
    const sentence = `the database in ${folder} is broken; restore the data folder from a backup`;
    return new DataFolderError("data-folder-broken", sentence, { cause: new Error(logTail) });
  }
  return undefined;
}

/** What Postgres programs see of our environment: nothing that could change their behaviour. */
export function postgresEnvironment(path: string): NodeJS.ProcessEnv {
  return { PATH: path, LC_ALL: "C", TZ: "UTC", ...runId() };
}

/** Test runs mark their processes with DROVER_RUN, to find what was left behind. */
function runId(): NodeJS.ProcessEnv {
  const id = process.env["DROVER_RUN"];
  return id === undefined ? {} : { DROVER_RUN: id };
}
