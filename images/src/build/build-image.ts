// Builds an image: recipe in, artefacts and papers out. Rootless, without mounts, and bit for bit the
// same for the same recipe, lock, Node program and agent, on any machine at any time.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalBytes, canonicalJson } from "@drover/shared/canonical-json";
import type { Sha256 } from "@drover/shared/ids";
import { Manifest, manifestText } from "@drover/shared/image/manifest";
import { sha256Hex } from "@drover/shared/trust/digest";
import { type Lock, lockText } from "../core/lock/lock.ts";
import type { FileTree } from "../core/tree/file-tree.ts";
import { applyRecipe, putFile, stripTree } from "./apply-recipe.ts";
import {
  publishFolder,
  requireAbsent,
  withCacheLock,
  withTemporaryFolder,
} from "./cache-folder.ts";
import { checkLibraries } from "./check-libraries.ts";
import { packageList, provenance, softwareBill } from "./documents.ts";
import { initrdFolder } from "./folders.ts";
import { initramfsTree, toCpio } from "./initrd.ts";
import { type Kernel, openKernel } from "./kernel.ts";
import { type LoadedRecipe, loadRecipe } from "./load-recipe.ts";
import type { Mirrors } from "./mirrors.ts";
import { type NodeProgram, readNodeProgram } from "./node-program.ts";
import { checkScripts, packageStatus, packageTree, type ReadyPackage } from "./package-tree.ts";
import { type BuildProgress, preparePackages, type Relock } from "./prepare-packages.ts";
import { type RootFileSystem, writeRoot } from "./root-file-system.ts";
import { splitKernel } from "./split-kernel.ts";

export interface BuildImageOptions {
  readonly recipeFolder: string;
  /** May be deleted at any time between builds. */
  readonly cacheFolder: string;
  /** Made by the build; must not exist. */
  readonly outFolder: string;
  /** The node agent as one file. */
  readonly agentBundle: string;
  /** Folder with the initrd's first program; this repository's own when not given. */
  readonly initrdFolder?: string;
  readonly relock?: Relock;
  readonly mirrors?: Mirrors;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

/** Names of the files in the output folder. */
export const imageFiles = {
  root: "root.erofs",
  kernel: "kernel",
  initrd: "initrd.cpio",
  lock: "lock.json",
  packages: "packages.json",
  sbom: "sbom.spdx.json",
  provenance: "provenance.json",
  extents: "extents.json",
  parts: "manifest-parts.json",
} as const;

/** A manifest but for what the distribution of its bytes adds. */
export type ManifestParts = Omit<Manifest, "chunkIndexRoot" | "chunkIndexBytes">;

export interface BuiltImage {
  readonly parts: ManifestParts;
  readonly files: Readonly<Record<keyof typeof imageFiles, string>>;
  /** True when the checked-in lock could not be used as it is. */
  readonly relocked: boolean;
}

/** Completes a manifest with its chunk index; the SHA-256 of the returned text is the image id. */
export function finishManifest(
  parts: ManifestParts,
  index: { readonly indexRoot: Sha256; readonly indexBytes: number },
): { manifest: Manifest; text: string; imageId: Sha256 } {
  const { indexRoot, indexBytes } = index;
  const manifest = Manifest.parse({
    ...parts,
    chunkIndexRoot: indexRoot,
    chunkIndexBytes: indexBytes,
  });
  const text = manifestText(manifest);
  return { manifest, text, imageId: sha256Hex(text) };
}

interface Work {
  readonly loaded: LoadedRecipe;
  readonly lock: Lock;
  readonly packages: readonly ReadyPackage[];
  readonly node: NodeProgram | undefined;
  readonly agent: Uint8Array;
  readonly kernel: Kernel;
  readonly options: BuildImageOptions;
}

async function assembleRoot(work: Work): Promise<{ root: FileTree; initrd: FileTree }> {
  const { recipe, folders } = work.loaded;
  const { others } = splitKernel(recipe.name, work.packages);
  checkScripts(others, recipe.packages.scriptsReplaced);
  const tree = packageTree(others);
  const init = await readFile(join(work.options.initrdFolder ?? initrdFolder, "init"));
  const initrd = await initramfsTree(tree, { programs: recipe.initrd.programs, init });
  await work.kernel.addModules(initrd, recipe.initrd.modules);
  stripTree(tree, recipe);
  await applyRecipe(tree, {
    recipe,
    folders,
    nodeProgram: work.node?.bytes,
    agentBundle: work.agent,
  });
  await work.kernel.addModules(tree, recipe.kernel.modules);
  await checkLibraries(tree);
  putFile(tree, "var/lib/dpkg/status", packageStatus(work.packages), { origin: "build" });
  return { root: tree, initrd };
}

async function writeArtefacts(work: Work, folder: string) {
  const { recipe } = work.loaded;
  const { root: tree, initrd: initrdTree } = await assembleRoot(work);
  const lockSha256 = sha256Hex(lockText(work.lock));
  const seed = sha256Hex(`drover-image:${recipe.name}:${lockSha256}`);
  const root = await writeRoot({
    tree,
    path: join(folder, imageFiles.root),
    uuid: Buffer.from(seed, "hex").subarray(0, 16),
    saltHex: sha256Hex(`drover-verity-salt:${seed}`),
    builtAtSeconds: work.lock.builtAtSeconds,
    signal: work.options.signal,
  });
  const initrd = await toCpio(initrdTree);
  await writeFile(join(folder, imageFiles.initrd), initrd);
  await writeFile(join(folder, imageFiles.kernel), work.kernel.image);
  const artefacts = {
    root: root.artefact,
    kernel: { sizeBytes: work.kernel.image.length, sha256: sha256Hex(work.kernel.image) },
    initrd: { sizeBytes: initrd.length, sha256: sha256Hex(initrd) },
  };
  return { root, artefacts, lockSha256 };
}

async function writePapers(
  work: Work,
  folder: string,
  made: Awaited<ReturnType<typeof writeArtefacts>>,
) {
  const { recipe } = work.loaded;
  const papers = {
    lock: lockText(work.lock),
    packages: packageList(work.packages),
    sbom: softwareBill({
      recipe,
      lock: work.lock,
      lockSha256: made.lockSha256,
      packages: work.packages,
      nodeVersion: work.node?.version,
    }),
    provenance: provenance({
      recipe,
      recipeSha256: sha256Hex(canonicalJson(recipe)),
      lock: work.lock,
      lockSha256: made.lockSha256,
      artefacts: made.artefacts,
      materials: [
        { name: "drover-agent", sha256: sha256Hex(work.agent) },
        ...(work.node === undefined ? [] : [{ name: "node", sha256: sha256Hex(work.node.bytes) }]),
      ],
    }),
  };
  for (const [name, text] of Object.entries(papers)) {
    await writeFile(join(folder, imageFiles[name as keyof typeof papers]), text);
  }
  return {
    lock: sha256Hex(papers.lock),
    packages: sha256Hex(papers.packages),
    sbom: sha256Hex(papers.sbom),
    provenance: sha256Hex(papers.provenance),
  };
}

function extentsDocument(root: RootFileSystem): Uint8Array {
  const extents = root.extents.map(({ path, origin, offsetBytes, sizeBytes }) => ({
    path,
    origin,
    offsetBytes,
    sizeBytes,
  }));
  return canonicalBytes({ v: 1, artefact: "root", extents });
}

async function buildInto(work: Work, folder: string): Promise<ManifestParts> {
  const { recipe } = work.loaded;
  const made = await writeArtefacts(work, folder);
  const digests = await writePapers(work, folder, made);
  const parts: ManifestParts = {
    v: 1,
    name: recipe.name,
    architecture: recipe.architecture,
    bootModes: ["bios", "uefi"],
    artefacts: made.artefacts,
    verity: made.root.verity,
    kernelArguments: recipe.kernel.arguments,
    ...digests,
    probes: recipe.probes,
    state: recipe.state,
    requires: recipe.requires,
    parametersSchema: canonicalJson(recipe.parametersSchema),
    agentProtocolMin: 1,
  };
  await writeFile(join(folder, imageFiles.extents), extentsDocument(made.root));
  await writeFile(join(folder, imageFiles.parts), canonicalBytes(parts));
  return parts;
}

/** Builds the image of a recipe. On failure or cancellation nothing is left in `outFolder`. */
export async function buildImage(options: BuildImageOptions): Promise<BuiltImage> {
  const { cacheFolder, outFolder, signal } = options;
  const report = options.onProgress ?? (() => {});
  await requireAbsent(outFolder);
  const loaded = await loadRecipe(options.recipeFolder);
  const { recipe } = loaded;
  const agent = await readFile(options.agentBundle);
  const onWait = (pid: number): void =>
    report({ stage: "wait", message: `another build (process ${pid}) uses the cache` });
  return withCacheLock({ cacheFolder, name: "build", signal, onWait }, async () => {
    const prepared = await preparePackages({
      ...options,
      recipe,
      relock: options.relock ?? "never",
      onProgress: report,
    });
    report({ stage: "assemble", message: `putting ${recipe.name} together` });
    const { kernel } = splitKernel(recipe.name, prepared.packages);
    const work: Work = {
      loaded,
      ...prepared,
      node: recipe.node ? await readNodeProgram(recipe.architecture) : undefined,
      agent,
      kernel: await openKernel(kernel),
      options,
    };
    const parts = await withTemporaryFolder(cacheFolder, async (folder) => {
      report({ stage: "write", message: "writing the file system and the initrd" });
      const built = await buildInto(work, folder);
      signal?.throwIfAborted();
      await publishFolder(folder, outFolder);
      return built;
    });
    const files = Object.fromEntries(
      Object.entries(imageFiles).map(([name, file]) => [name, join(outFolder, file)]),
    ) as BuiltImage["files"];
    return { parts, files, relocked: prepared.relocked };
  });
}
