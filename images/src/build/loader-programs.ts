// Gathers the boot programs that nodes and sites need from pinned Debian packages, and makes GRUB's
// core image for BIOS. Same lock, same bytes; nothing of the machine's own GRUB is used.
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { canonicalBytes } from "@drover/shared/canonical-json";
import { sha256Hex } from "@drover/shared/trust/digest";
import { neededLibraries } from "../core/elf/elf.ts";
import { type Lock, lockText } from "../core/lock/lock.ts";
import type { FileTree } from "../core/tree/file-tree.ts";
import { publishFolder, withCacheLock, withTemporaryFolder } from "./cache-folder.ts";
import { readLoaderLock, resolveLoaderLock } from "./loader-lock.ts";
import { type Mirrors, machineMirrors } from "./mirrors.ts";
import { ensurePackages, LockedPackageMissingError, storedPackagePath } from "./package-store.ts";
import { packageTree, type ReadyPackage } from "./package-tree.ts";
import type { BuildProgress, Relock } from "./prepare-packages.ts";
import { readTreeFile } from "./read-content.ts";
import { runCommand } from "./run-command.ts";
import { unpackPackage } from "./unpack-package.ts";

const signedGrub = "usr/lib/grub/x86_64-efi-signed";
const biosGrub = "usr/lib/grub/i386-pc";

/** Name in the output folder and place in the packages. */
const copied = {
  "shimx64.efi": "usr/lib/shim/shimx64.efi.signed",
  "mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
  "grubx64.efi": `${signedGrub}/grubx64.efi.signed`,
  "grubnetx64.efi": `${signedGrub}/grubnetx64.efi.signed`,
  "boot.img": `${biosGrub}/boot.img`,
  "ipxe.lkrn": "usr/lib/ipxe/ipxe.lkrn",
  "undionly.kpxe": "usr/lib/ipxe/undionly.kpxe",
  "snponly.efi": "usr/lib/ipxe/snponly.efi",
  "ipxe.efi": "usr/lib/ipxe/ipxe.efi",
} as const;

/** What a node's disk gets; the installer carries these. */
export const nodeLoaderNames = [
  "shimx64.efi",
  "mmx64.efi",
  "grubx64.efi",
  "grubnetx64.efi",
  "ipxe.lkrn",
  "boot.img",
  "core.img",
] as const;

/** What a site hands to firmware: iPXE for BIOS and UEFI, and the signed chain. */
export const networkLoaderNames = [
  "undionly.kpxe",
  "snponly.efi",
  "ipxe.efi",
  "shimx64.efi",
  "grubnetx64.efi",
] as const;

/** Everything grub.cfg calls, and what reads its disk. Order is part of the bytes. */
const coreModules = [
  ...["biosdisk", "part_gpt", "fat", "normal", "configfile", "linux", "linux16", "loadenv"],
  ...["regexp", "echo", "test", "serial", "terminal", "reboot", "sleep", "minicmd"],
];

/** The prefix is completed with the disk GRUB was started from, on both firmwares. */
const corePrefix = "(,gpt2)/EFI/debian";

export interface BuildLoaderOptions {
  /** Folder with lock.json. */
  readonly loaderFolder: string;
  readonly cacheFolder: string;
  /** Made by the build; must not exist. */
  readonly outFolder: string;
  readonly relock?: Relock;
  readonly mirrors?: Mirrors;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

export interface BuiltLoader {
  readonly folder: string;
  /** By file name. */
  readonly files: Readonly<Record<string, { readonly sizeBytes: number; readonly sha256: string }>>;
}

const libraryFolders = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"];
const programLoader = "usr/lib64/ld-linux-x86-64.so.2";

/** Lays one program of the packages out with its libraries; answers what to run. */
async function layOut(
  tree: FileTree,
  program: string,
  folder: string,
): Promise<readonly [string, ...string[]]> {
  const waiting = [programLoader, program];
  const done = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const name = basename(path);
    if (done.has(name)) continue;
    done.add(name);
    const bytes = await readTreeFile(tree, path);
    await writeFile(join(folder, name), bytes);
    await chmod(join(folder, name), 0o755);
    for (const library of neededLibraries(bytes)) {
      const home = libraryFolders.find((each) => tree.fileAt(`${each}/${library}`) !== undefined);
      waiting.push(`${home ?? libraryFolders[0]}/${library}`);
    }
  }
  const at = (path: string): string => join(folder, basename(path));
  return [at(programLoader), "--library-path", folder, at(program)];
}

/** `core.img` for i386-pc, made by the packages' own program under their own libraries. */
async function makeCoreImage(
  tree: FileTree,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const modules = join(folder, "i386-pc");
  await mkdir(modules, { recursive: true });
  for (const [path] of tree.entries()) {
    if (dirname(path) !== biosGrub || tree.fileAt(path) === undefined) continue;
    await writeFile(join(modules, basename(path)), await readTreeFile(tree, path));
  }
  const programFolder = join(folder, "program");
  await mkdir(programFolder);
  const [program, ...words] = await layOut(tree, "usr/bin/grub-mkimage", programFolder);
  const out = join(folder, "core.img");
  const options = ["-O", "i386-pc", "-d", modules, "-p", corePrefix, "-o", out];
  await runCommand(program, [...words, ...options, ...coreModules], { signal });
  return readFile(out);
}

async function fetchLocked(lock: Lock, options: BuildLoaderOptions): Promise<void> {
  await ensurePackages(lock.packages, {
    cacheFolder: options.cacheFolder,
    mirrors: async () => options.mirrors ?? (await machineMirrors()),
    signal: options.signal,
    onProgress: (done) =>
      options.onProgress?.({ stage: "fetch", message: "fetching boot programs", ...done }),
  });
}

async function unpackLocked(options: BuildLoaderOptions): Promise<{ lock: Lock; tree: FileTree }> {
  const source = { ...options, folder: options.loaderFolder };
  const relock = options.relock ?? "never";
  let lock =
    relock === "always"
      ? await resolveLoaderLock(source)
      : await readLoaderLock(options.loaderFolder);
  try {
    await fetchLocked(lock, options);
  } catch (error) {
    if (!(error instanceof LockedPackageMissingError) || relock === "never") throw error;
    options.onProgress?.({ stage: "lock", message: `${error.message}: making a new lock` });
    lock = await resolveLoaderLock(source);
    await fetchLocked(lock, options);
  }
  const ready: ReadyPackage[] = [];
  for (const locked of lock.packages) {
    const file = storedPackagePath(options.cacheFolder, locked);
    ready.push({ locked, unpacked: await unpackPackage(file, options.cacheFolder) });
  }
  return { lock, tree: packageTree(ready) };
}

/** Makes the folder of boot programs. On failure or cancellation nothing is left in `outFolder`. */
export async function buildLoaderPrograms(options: BuildLoaderOptions): Promise<BuiltLoader> {
  const { cacheFolder, outFolder, signal } = options;
  const onWait = (pid: number): void =>
    options.onProgress?.({ stage: "wait", message: `process ${pid} uses the cache` });
  return withCacheLock({ cacheFolder, name: "build", signal, onWait }, async () => {
    const { lock, tree } = await unpackLocked(options);
    const made = new Map<string, Uint8Array>();
    for (const [name, path] of Object.entries(copied))
      made.set(name, await readTreeFile(tree, path));
    await withTemporaryFolder(cacheFolder, async (folder) => {
      made.set("core.img", await makeCoreImage(tree, folder, signal));
    });
    const files = Object.fromEntries(
      [...made].map(([name, bytes]) => [
        name,
        { sizeBytes: bytes.length, sha256: sha256Hex(bytes) },
      ]),
    );
    await withTemporaryFolder(cacheFolder, async (folder) => {
      for (const [name, bytes] of made) await writeFile(join(folder, name), bytes);
      const description = { v: 1, files, lock: sha256Hex(lockText(lock)) };
      await writeFile(join(folder, "loader.json"), canonicalBytes(description));
      await publishFolder(folder, outFolder);
    });
    return { folder: outFolder, files };
  });
}
