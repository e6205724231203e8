// Takes the kernel package apart: the kernel itself, and trees of modules cut down to what a hardware
// profile needs, with tables of our own so that no depmod of the builder leaves its marks.
import { moduleClosure } from "../core/modules/closure.ts";
import { moduleTables } from "../core/modules/depmod.ts";
import { type KernelModule, moduleName, readModuleInfo } from "../core/modules/modinfo.ts";
import { RecipeError } from "../core/recipe/recipe.ts";
import type { Content, FileTree } from "../core/tree/file-tree.ts";
import { putFile } from "./apply-recipe.ts";
import { decompressModule } from "./decompress-module.ts";
import { packageTree, type ReadyPackage } from "./package-tree.ts";
import { readContent, readTreeFile } from "./read-content.ts";

/** One kernel, ready to give module trees. */
export interface Kernel {
  readonly release: string;
  readonly image: Uint8Array;
  /** Adds `/usr/lib/modules/RELEASE` with the closure of `wanted`; returns how many modules that is. */
  addModules(tree: FileTree, wanted: readonly string[]): Promise<number>;
}

function onlyMatch(paths: readonly string[], pattern: RegExp, what: string): string {
  const found = paths.flatMap((path) => pattern.exec(path)?.[1] ?? []);
  const [first] = found;
  if (first === undefined || found.length > 1) {
    throw new RecipeError(`the kernel package has ${found.length} ${what}, not one`);
  }
  return first;
}

async function readModules(
  tree: FileTree,
  home: string,
): Promise<{ modules: KernelModule[]; contents: Map<string, Content> }> {
  const order = new TextDecoder().decode(await readTreeFile(tree, `${home}/modules.order`));
  const rank = new Map(order.split("\n").map((line, index) => [line.trim(), index]));
  const modules: KernelModule[] = [];
  const contents = new Map<string, Content>();
  for (const [path, entry] of tree.entries()) {
    const match = /^(.*\.ko)(?:\.xz|\.zst|\.gz)?$/.exec(path);
    if (entry.kind !== "file" || match === null || !path.startsWith(`${home}/`)) continue;
    const plain = (match[1] ?? "").slice(home.length + 1);
    const bytes = await decompressModule(path, await readContent(entry.content));
    modules.push(readModuleInfo(plain, bytes));
    contents.set(plain, path.endsWith(".ko") ? entry.content : { kind: "bytes", bytes });
  }
  const rankOf = (module: KernelModule): number => rank.get(module.path) ?? rank.size;
  modules.sort((a, b) => rankOf(a) - rankOf(b) || (a.path < b.path ? -1 : 1));
  return { modules, contents };
}

/** Reads the kernel out of its package. Throws {@link RecipeError} when it holds none or several. */
export async function openKernel(ready: ReadyPackage): Promise<Kernel> {
  const tree = packageTree([ready]);
  const paths = tree.entries().map(([path]) => path);
  const release = onlyMatch(paths, /^boot\/vmlinuz-(.+)$/, "kernel images");
  const home = `usr/lib/modules/${release}`;
  const builtIn = new TextDecoder()
    .decode(await readTreeFile(tree, `${home}/modules.builtin`))
    .split("\n")
    .filter(Boolean)
    .map(moduleName);
  const { modules, contents } = await readModules(tree, home);
  return {
    release,
    image: await readTreeFile(tree, `boot/vmlinuz-${release}`),
    async addModules(into, wanted) {
      const kept = moduleClosure(modules, wanted, new Set(builtIn));
      for (const module of kept) {
        const content = contents.get(module.path);
        if (content === undefined) throw new RecipeError(`module ${module.path} has no bytes`);
        const entry = { kind: "file", mode: 0o644, uid: 0, gid: 0, content } as const;
        into.set(`${home}/${module.path}`, { ...entry, origin: ready.locked.name });
      }
      for (const [name, bytes] of moduleTables(kept, builtIn)) {
        putFile(into, `${home}/${name}`, bytes, { origin: ready.locked.name });
      }
      return kept.length;
    },
  };
}
