// Builds the installer: a kernel and one compressed initramfs with Node, the node agent and drivers.
// It travels over the site LAN only and is loaded by slow firmware, so here compression pays.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { canonicalBytes } from "@drover/shared/canonical-json";
import { sha256Hex } from "@drover/shared/trust/digest";
import { loadedPart } from "../core/elf/elf.ts";
import { lockText } from "../core/lock/lock.ts";
import { RecipeError } from "../core/recipe/recipe.ts";
import { putFile } from "./apply-recipe.ts";
import {
  publishFolder,
  requireAbsent,
  withCacheLock,
  withTemporaryFolder,
} from "./cache-folder.ts";
import { installerFolder } from "./folders.ts";
import { initramfsTree, toCpio } from "./initrd.ts";
import { openKernel } from "./kernel.ts";
import { loadRecipe } from "./load-recipe.ts";
import { nodeLoaderNames } from "./loader-programs.ts";
import type { Mirrors } from "./mirrors.ts";
import { readNodeProgram } from "./node-program.ts";
import { checkScripts, packageTree } from "./package-tree.ts";
import { type BuildProgress, preparePackages, type Relock } from "./prepare-packages.ts";
import { splitKernel } from "./split-kernel.ts";

export interface BuildInstallerOptions {
  /** Folder with recipe.yaml, lock.json, init and udhcpc; this repository's own when not given. */
  readonly installerFolder?: string;
  readonly cacheFolder: string;
  /** Made by the build; must not exist. */
  readonly outFolder: string;
  /** The node agent as one file. */
  readonly agentBundle: string;
  /** Boot programs for the node's disk, as `buildLoaderPrograms` made them. */
  readonly loaderFolder: string;
  readonly relock?: Relock;
  readonly mirrors?: Mirrors;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

/** Names of the files in the output folder. */
export const installerFiles = {
  kernel: "vmlinuz",
  initramfs: "initramfs.zst",
  description: "installer.json",
} as const;

export interface BuiltInstaller {
  readonly files: Readonly<Record<keyof typeof installerFiles, string>>;
  readonly kernel: { readonly sizeBytes: number; readonly sha256: string };
  readonly initramfs: { readonly sizeBytes: number; readonly sha256: string };
  /** What the boot script must put on the command line besides its own words. */
  readonly kernelArguments: readonly string[];
}

/** Level 6 was within 20 % of the best size and 30 times as fast; decoding costs the same. */
const ZSTD_LEVEL = 6;

async function compress(bytes: Uint8Array): Promise<Uint8Array> {
  return promisify(zstdCompress)(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}

async function assemble(
  options: BuildInstallerOptions,
  report: (progress: BuildProgress) => void,
): Promise<{ kernel: Uint8Array; initramfs: Uint8Array; arguments: string[]; lock: string }> {
  const folder = options.installerFolder ?? installerFolder;
  const { recipe } = await loadRecipe(folder);
  const agent = await readFile(options.agentBundle);
  const { lock, packages } = await preparePackages({
    ...options,
    recipe,
    recipeFolder: folder,
    relock: options.relock ?? "never",
    onProgress: report,
  });
  report({ stage: "assemble", message: "putting the installer together" });
  const { kernel: kernelPackage, others } = splitKernel(recipe.name, packages);
  if (!recipe.node || !recipe.agent) throw new RecipeError("an installer needs node and agent");
  checkScripts(others, recipe.packages.scriptsReplaced);
  const from = packageTree(others);
  const node = await readNodeProgram(recipe.architecture);
  putFile(from, "usr/bin/node", loadedPart(node.bytes), { mode: 0o755, origin: "node" });
  const tree = await initramfsTree(from, {
    programs: ["usr/bin/node", ...recipe.initrd.programs],
    init: await readFile(join(folder, "init")),
  });
  const udhcpc = await readFile(join(folder, "udhcpc"));
  putFile(tree, "usr/lib/drover/udhcpc", udhcpc, { mode: 0o755, origin: "build" });
  putFile(tree, "app/agent.mjs", agent, { origin: "drover-agent" });
  for (const name of nodeLoaderNames) {
    const bytes = await readFile(join(options.loaderFolder, name));
    putFile(tree, `usr/lib/drover/loader/${name}`, bytes, { origin: "loader" });
  }
  const kernel = await openKernel(kernelPackage);
  await kernel.addModules(tree, recipe.initrd.modules);
  report({ stage: "write", message: "compressing the installer" });
  return {
    kernel: kernel.image,
    initramfs: await compress(await toCpio(tree)),
    arguments: recipe.kernel.arguments,
    lock: lockText(lock),
  };
}

/** Builds the installer. On failure or cancellation nothing is left in `outFolder`. */
export async function buildInstaller(options: BuildInstallerOptions): Promise<BuiltInstaller> {
  const { cacheFolder, outFolder, signal } = options;
  const report = options.onProgress ?? (() => {});
  await requireAbsent(outFolder);
  const onWait = (pid: number): void =>
    report({ stage: "wait", message: `another build (process ${pid}) uses the cache` });
  return withCacheLock({ cacheFolder, name: "build", signal, onWait }, async () => {
    const made = await assemble(options, report);
    signal?.throwIfAborted();
    const describe = (bytes: Uint8Array) => ({ sizeBytes: bytes.length, sha256: sha256Hex(bytes) });
    const facts = {
      kernel: describe(made.kernel),
      initramfs: describe(made.initramfs),
      kernelArguments: made.arguments,
    };
    await withTemporaryFolder(cacheFolder, async (folder) => {
      await writeFile(join(folder, installerFiles.kernel), made.kernel);
      await writeFile(join(folder, installerFiles.initramfs), made.initramfs);
      const description = { v: 1, ...facts, lock: sha256Hex(made.lock) };
      await writeFile(join(folder, installerFiles.description), canonicalBytes(description));
      await publishFolder(folder, outFolder);
    });
    const path = (name: string): string => join(outFolder, name);
    return {
      files: {
        kernel: path(installerFiles.kernel),
        initramfs: path(installerFiles.initramfs),
        description: path(installerFiles.description),
      },
      ...facts,
    };
  });
}
