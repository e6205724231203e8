// The lock of the loader set: the Debian packages whose boot programs nodes and sites get, pinned by
// digest like those of an image. Only making a new lock depends on the archive of the day.
import { join } from "node:path";
import { canonicalJson } from "@drover/shared/canonical-json";
import { sha256Hex } from "@drover/shared/trust/digest";
import { type Lock, LockError } from "../core/lock/lock.ts";
import { openApt, PackageResolutionError } from "./apt.ts";
import { withTemporaryFolder } from "./cache-folder.ts";
import { readLockFile } from "./load-recipe.ts";
import { onePerName, toResolved } from "./lock.ts";
import { type Mirrors, machineMirrors } from "./mirrors.ts";

/** What is asked of the archive: the programs, and GRUB's image maker with the libraries it loads. */
export const loaderSet = {
  suite: "bookworm",
  components: ["main"],
  architecture: "amd64",
  packages: [
    "grub-common",
    "grub-efi-amd64-signed",
    "grub-pc-bin",
    "ipxe",
    "libc6",
    "libdevmapper1.02.1",
    "liblzma5",
    "libpcre2-8-0",
    "libselinux1",
    "libudev1",
    "shim-helpers-amd64-signed",
    "shim-signed",
  ],
} as const;

const request = (): Lock["request"] => sha256Hex(canonicalJson(loaderSet));

export interface LoaderLockOptions {
  /** Folder with lock.json. */
  readonly folder: string;
  readonly cacheFolder: string;
  readonly mirrors?: Mirrors | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The committed lock. Throws {@link LockError} when there is none or it is for another set. */
export async function readLoaderLock(folder: string): Promise<Lock> {
  const lock = await readLockFile(folder);
  if (lock?.request === request()) return lock;
  throw new LockError("the loader set has no lock file that fits; make a new one");
}

/** Resolves the set against the archive as it is now. */
export async function resolveLoaderLock(options: LoaderLockOptions): Promise<Lock> {
  const { cacheFolder, signal } = options;
  const mirrors = options.mirrors ?? (await machineMirrors());
  return withTemporaryFolder(cacheFolder, async (folder) => {
    const { packages, ...base } = loaderSet;
    const apt = await openApt({ folder: join(folder, "apt"), mirrors, ...base, signal });
    const found = (await apt.candidates(packages)).map(toResolved);
    const missing = packages.filter((name) => !found.some((each) => each.name === name));
    if (missing.length > 0)
      throw new PackageResolutionError(`the archive has no package ${missing.join(", ")}`);
    return {
      schema: "drover.lock/1",
      suite: loaderSet.suite,
      builtAtSeconds: await apt.newestIndexAtSeconds(),
      request: request(),
      packages: onePerName(await apt.describe(found)),
    };
  });
}
