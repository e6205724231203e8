// Everything a lab site needs to install real nodes, built from source: the node agent as one file, the
// installer, boot programs and images. Packages are kept between runs, all else is made anew.
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildImage, finishManifest } from "@drover/images/build/build-image";
import { buildInstaller, installerFiles } from "@drover/images/build/build-installer";
import { buildLoaderPrograms, networkLoaderNames } from "@drover/images/build/loader-programs";
import { makeIndex } from "@drover/images/distribution/make-index";
import { Sha256 } from "@drover/shared/ids";
import { labFolder } from "./lab-folder.ts";

const agentFolder = join(import.meta.dirname, "../../agent");
const imagesFolder = join(import.meta.dirname, "../../images");

export interface LabImages {
  /** Boot files: loaders for firmware, kernel and initramfs of the installer. */
  readonly bootFiles: readonly { readonly name: string; readonly path: string }[];
  readonly installerArgs: readonly string[];
  /** One folder per recipe with manifest, id, index and artefacts, in the order asked for. */
  readonly images: readonly string[];
}

const run = promisify(execFile);

/** The agent as it is shipped. */
async function bundleAgent(outFile: string): Promise<void> {
  await run(process.execPath, [join(agentFolder, "build.mjs")]);
  copyFileSync(join(agentFolder, "dist/agent.mjs"), outFile);
}

/** Builds into `folder`. `recipes` are names of recipe folders, oldest release first. */
export async function buildLabImages(
  folder: string,
  recipes: readonly string[],
): Promise<LabImages> {
  mkdirSync(folder, { recursive: true });
  const common = {
    cacheFolder: labFolder("builds"),
    agentBundle: join(folder, "agent.mjs"),
    relock: "when-missing",
  } as const;
  await bundleAgent(common.agentBundle);
  const loader = await buildLoaderPrograms({
    ...common,
    loaderFolder: join(imagesFolder, "recipes/loader"),
    outFolder: join(folder, "loader"),
  });
  const installer = await buildInstaller({
    ...common,
    installerFolder: join(imagesFolder, "installer"),
    loaderFolder: loader.folder,
    outFolder: join(folder, "installer"),
  });
  const images: string[] = [];
  for (const name of recipes) {
    const outFolder = join(folder, name);
    const built = await buildImage({
      ...common,
      recipeFolder: join(imagesFolder, "recipes", name),
      initrdFolder: join(imagesFolder, "recipes/initrd"),
      outFolder,
    });
    await addIndex(outFolder, built);
    images.push(outFolder);
  }
  const loaders = networkLoaderNames.map((name) => ({ name, path: join(loader.folder, name) }));
  return {
    bootFiles: [
      ...loaders,
      { name: installerFiles.kernel, path: installer.files.kernel },
      { name: installerFiles.initramfs, path: installer.files.initramfs },
    ],
    installerArgs: installer.kernelArguments,
    images,
  };
}

async function addIndex(
  folder: string,
  built: Awaited<ReturnType<typeof buildImage>>,
): Promise<void> {
  const names = ["root", "kernel", "initrd"] as const;
  const artefacts = names.map((name) => ({ name, path: built.files[name] }));
  const { index, header, pages } = await makeIndex({ artefacts });
  const file = Buffer.concat([header, ...pages]);
  const facts = { indexRoot: Sha256.parse(index.root), indexBytes: file.length };
  const { text, imageId } = finishManifest(built.parts, facts);
  writeFileSync(join(folder, "index"), file);
  writeFileSync(join(folder, "manifest"), text);
  writeFileSync(join(folder, "id"), imageId);
}
