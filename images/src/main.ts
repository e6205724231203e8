// The image builder as a program: `image`, `boot` and `lock`. Progress goes to standard error, one JSON
// result to standard output, so that a control plane, CI or a person can run it alike.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeError, FleetError } from "@drover/shared/errors";
import { ImageId } from "@drover/shared/ids";
import { buildImage } from "./build/build-image.ts";
import { buildInstaller, installerFiles } from "./build/build-installer.ts";
import { initrdFolder, recipesFolder } from "./build/folders.ts";
import { loadRecipe } from "./build/load-recipe.ts";
import { buildLoaderPrograms, networkLoaderNames } from "./build/loader-programs.ts";
import { type Relock, relockRecipe } from "./build/prepare-packages.ts";
import { distributeImage } from "./distribute-image.ts";
import { testZstdDictionaries } from "./distribution/zstd-self-test.ts";

class UsageError extends FleetError {
  readonly code = "usage";
}

const usage = `usage: image RECIPE --out DIR --cache DIR --agent FILE [--earlier IMAGE]... [--recipes DIR] [--relock never|when-missing|always]
       boot --out DIR --cache DIR --agent FILE [--relock …]
       lock RECIPE --cache DIR [--recipes DIR]`;

function readArguments(argv: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      out: { type: "string" },
      cache: { type: "string" },
      agent: { type: "string" },
      recipes: { type: "string", default: recipesFolder },
      earlier: { type: "string", multiple: true, default: [] },
      relock: { type: "string", default: "never" },
    },
  });
  const need = (name: "out" | "cache" | "agent"): string => {
    const value = values[name];
    if (!value) throw new UsageError(`--${name} is missing\n${usage}`);
    return resolve(value);
  };
  const relock = values.relock;
  if (relock !== "never" && relock !== "when-missing" && relock !== "always") {
    throw new UsageError(`--relock takes never, when-missing or always\n${usage}`);
  }
  return {
    positionals,
    need,
    relock: relock as Relock,
    recipes: resolve(values.recipes),
    earlier: values.earlier,
  };
}

type Arguments = ReturnType<typeof readArguments>;

function recipeFolder(input: Arguments): string {
  const name = input.positionals[1];
  if (!name || !/^[a-z][a-z0-9-]{0,39}$/.test(name))
    throw new UsageError(`name a recipe\n${usage}`);
  return join(input.recipes, name);
}

let told = "";
function tell(text: string): void {
  if (text === told) return;
  told = text;
  process.stderr.write(`${text}\n`);
}

async function makeImage(input: Arguments, signal: AbortSignal): Promise<unknown> {
  await testZstdDictionaries();
  const cacheFolder = input.need("cache");
  const builtFolder = join(cacheFolder, "built", randomUUID());
  try {
    const built = await buildImage({
      recipeFolder: recipeFolder(input),
      cacheFolder,
      outFolder: builtFolder,
      agentBundle: input.need("agent"),
      initrdFolder,
      relock: input.relock,
      signal,
      onProgress: ({ message }) => tell(message),
    });
    const earlier = input.earlier.map((id) => ImageId.parse(id));
    const image = await distributeImage({
      builtFolder,
      built,
      cacheFolder,
      outFolder: input.need("out"),
      earlier,
      signal,
      onProgress: tell,
    });
    return { ...image, relocked: built.relocked };
  } finally {
    await rm(builtFolder, { recursive: true, force: true });
  }
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part);
  return hash.digest("hex");
}

/** Everything a site hands to firmware, in one folder: network loaders, installer kernel and initramfs. */
async function makeBootFiles(input: Arguments, signal: AbortSignal): Promise<unknown> {
  const cacheFolder = input.need("cache");
  const outFolder = input.need("out");
  const work = join(cacheFolder, "built", randomUUID());
  const common = {
    cacheFolder,
    relock: input.relock,
    signal,
    onProgress: ({ message }: { message: string }) => tell(message),
  };
  try {
    const loader = await buildLoaderPrograms({
      ...common,
      loaderFolder: join(recipesFolder, "loader"),
      outFolder: join(work, "loader"),
    });
    const installer = await buildInstaller({
      ...common,
      agentBundle: input.need("agent"),
      loaderFolder: loader.folder,
      outFolder: join(work, "installer"),
    });
    await mkdir(outFolder, { recursive: true });
    for (const name of networkLoaderNames)
      await cp(join(loader.folder, name), join(outFolder, name));
    for (const name of Object.values(installerFiles))
      await cp(join(work, "installer", name), join(outFolder, name));
    const names = (await readdir(outFolder)).sort();
    const files: Record<string, string> = {};
    for (const name of names) files[name] = await sha256OfFile(join(outFolder, name));
    return {
      folder: outFolder,
      files,
      kernelArguments: installer.kernelArguments,
      installerBytes: installer.kernel.sizeBytes + installer.initramfs.sizeBytes,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function run(argv: readonly string[], signal: AbortSignal): Promise<unknown> {
  const input = readArguments(argv);
  switch (input.positionals[0]) {
    case "image":
      return await makeImage(input, signal);
    case "boot":
      return await makeBootFiles(input, signal);
    case "lock": {
      const folder = recipeFolder(input);
      const { recipe } = await loadRecipe(folder);
      const cacheFolder = input.need("cache");
      return await relockRecipe({ recipe, recipeFolder: folder, cacheFolder, signal });
    }
    default:
      throw new UsageError(usage);
  }
}

const cancel = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => cancel.abort(new Error("the build was cancelled")));
}
try {
  const result = await run(process.argv.slice(2), cancel.signal);
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  const code = error instanceof FleetError ? error.code : "bug";
  process.stderr.write(`${describeError(error)} (${code})\n`);
  if (code === "bug" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
