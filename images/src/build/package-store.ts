// Our own store of packages by digest. A package enters it only after its SHA-256 matched the lock,
// so whatever served it, a mirror or a file somebody carried in, needs no trust.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@drover/shared/errors";
import type { LockedPackage } from "../core/lock/lock.ts";
import { withTemporaryFolder } from "./cache-folder.ts";
import type { Mirrors } from "./mirrors.ts";
import { CommandError, runCommand } from "./run-command.ts";

/** The mirror no longer has a locked version: the lock has to be made anew. */
export class LockedPackageMissingError extends FleetError {
  readonly code = "locked-package-missing";
}

/** The mirror could not be reached, or sent other bytes than the lock names. */
export class PackageFetchError extends FleetError {
  readonly code = "package-fetch-failed";
}

const FETCHER = "/usr/lib/apt/apt-helper";
const BATCH = 24;
const GONE = /\b404\b|\b410\b|File not found|No such file/;

export function storedPackagePath(cacheFolder: string, entry: LockedPackage): string {
  return join(cacheFolder, "packages", `${entry.sha256}.deb`);
}

/** SHA-256 of a file as lower-case hex. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes);
  return hash.digest("hex");
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function fetchBatch(
  batch: readonly LockedPackage[],
  options: { cacheFolder: string; mirrors: Mirrors; signal?: AbortSignal | undefined },
): Promise<void> {
  await withTemporaryFolder(options.cacheFolder, async (folder) => {
    const triples = batch.flatMap((entry) => [
      `${options.mirrors[entry.archive]}/${entry.filename}`,
      join(folder, entry.sha256),
      `SHA256:${entry.sha256}`,
    ]);
    const failure = await runCommand(
      FETCHER,
      ["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download-file", ...triples],
      { signal: options.signal },
    ).then(
      () => undefined,
      (error: unknown) => error,
    );
    options.signal?.throwIfAborted();
    const absent: string[] = [];
    for (const entry of batch) {
      const path = join(folder, entry.sha256);
      if (!(await isFile(path)) || (await fileSha256(path)) !== entry.sha256) {
        absent.push(`${entry.name} ${entry.version}`);
      } else {
        await rename(path, storedPackagePath(options.cacheFolder, entry));
      }
    }
    if (absent.length === 0) return;
    const list = absent.join(", ");
    if (failure instanceof CommandError && GONE.test(failure.message)) {
      throw new LockedPackageMissingError(
        `the mirror no longer has ${list}; make a new lock (build with relock)`,
        { cause: failure },
      );
    }
    throw new PackageFetchError(`fetching ${list} failed`, { cause: failure });
  });
}

/** Makes sure that every package of a lock is in the store; fetches only what is absent. */
export async function ensurePackages(
  packages: readonly LockedPackage[],
  options: {
    readonly cacheFolder: string;
    readonly mirrors: () => Promise<Mirrors>;
    readonly signal?: AbortSignal | undefined;
    readonly onProgress: (done: { doneBytes: number; totalBytes: number }) => void;
  },
): Promise<void> {
  await mkdir(join(options.cacheFolder, "packages"), { recursive: true });
  const absent: LockedPackage[] = [];
  for (const entry of packages) {
    if (!(await isFile(storedPackagePath(options.cacheFolder, entry)))) absent.push(entry);
  }
  if (absent.length === 0) return;
  const mirrors = await options.mirrors();
  const totalBytes = absent.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  let doneBytes = 0;
  for (let start = 0; start < absent.length; start += BATCH) {
    const batch = absent.slice(start, start + BATCH);
    await fetchBatch(batch, { ...options, mirrors });
    doneBytes += batch.reduce((sum, entry) => sum + entry.sizeBytes, 0);
    options.onProgress({ doneBytes, totalBytes });
  }
}
