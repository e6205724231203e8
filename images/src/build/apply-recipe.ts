// Applies what a recipe declares to the tree of its packages: accounts, files, units, the pinned
// Node program and the agent. Later steps win, in the order they are written here.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadedPart } from "../core/elf/elf.ts";
import { accountFiles } from "../core/recipe/accounts.ts";
import { type Recipe, RecipeError, type RecipeFile } from "../core/recipe/recipe.ts";
import { type FileTree, FileTreeError } from "../core/tree/file-tree.ts";
import { matchPaths } from "../core/tree/path-pattern.ts";
import { readTreeFile } from "./read-content.ts";

const byRecipe = { uid: 0, gid: 0, origin: "recipe" } as const;

/** Puts a root-owned regular file into the tree. */
export function putFile(
  tree: FileTree,
  path: string,
  bytes: Uint8Array | string,
  options: { readonly mode?: number; readonly origin?: string } = {},
): void {
  tree.set(path, {
    kind: "file",
    mode: options.mode ?? 0o644,
    ...byRecipe,
    origin: options.origin ?? "recipe",
    content: {
      kind: "bytes",
      bytes: typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
    },
  });
}

/** Removes stripped files and, when the recipe keeps only some, all others of packages. */
export function stripTree(tree: FileTree, recipe: Recipe): void {
  const stripped = matchPaths(recipe.strip);
  tree.remove((path) => stripped(path));
  if (recipe.keepOnly.length === 0) return;
  const kept = matchPaths(recipe.keepOnly);
  tree.remove(
    (path, entry) => entry.kind !== "directory" && entry.origin !== "build" && !kept(path),
  );
  removeEmptyFolders(tree);
}

function removeEmptyFolders(tree: FileTree): void {
  const used = new Set<string>();
  for (const [path, entry] of tree.entries()) {
    if (entry.kind === "directory" && entry.origin !== "build") continue;
    const parts = path.split("/");
    for (let depth = 1; depth <= parts.length; depth += 1)
      used.add(parts.slice(0, depth).join("/"));
  }
  tree.remove((path, entry) => entry.kind === "directory" && !used.has(path));
}

async function addAccounts(tree: FileTree, recipe: Recipe): Promise<void> {
  const master = async (name: string): Promise<string> => {
    const path = `usr/share/base-passwd/${name}.master`;
    if (tree.fileAt(path) === undefined) return "root:*:0:0:root:/root:/bin/sh\n";
    return new TextDecoder().decode(await readTreeFile(tree, path));
  };
  const group = tree.fileAt("usr/share/base-passwd/group.master")
    ? await master("group")
    : "root:*:0:\n";
  const files = accountFiles({ passwd: await master("passwd"), group }, recipe.accounts);
  putFile(tree, "etc/passwd", files.passwd);
  putFile(tree, "etc/group", files.group);
  putFile(tree, "etc/shadow", files.shadow, { mode: 0o600 });
}

async function addRecipeFile(
  tree: FileTree,
  file: RecipeFile,
  folders: readonly string[],
): Promise<void> {
  const owner = { uid: file.uid, gid: file.gid, origin: "recipe" };
  const content = file.content;
  const mode = file.mode === undefined ? undefined : Number.parseInt(file.mode, 8);
  if ("folder" in content) {
    tree.set(file.path, { kind: "directory", mode: mode ?? 0o755, ...owner });
    return;
  }
  if ("link" in content) {
    tree.set(file.path, { kind: "symlink", target: content.link, ...owner });
    return;
  }
  let bytes: Uint8Array;
  if ("text" in content) bytes = new TextEncoder().encode(content.text);
  else if ("copy" in content) bytes = await readTreeFile(tree, content.copy);
  else bytes = await readRecipeFile(content.from, folders);
  tree.set(file.path, {
    kind: "file",
    mode: mode ?? 0o644,
    ...owner,
    content: { kind: "bytes", bytes },
  });
}

/** Looks in the variant's own folder first, then in the folders it extends. */
async function readRecipeFile(name: string, folders: readonly string[]): Promise<Uint8Array> {
  for (const folder of folders) {
    const found = await readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (found !== undefined) return found;
  }
  throw new RecipeError(`the recipe names the file ${name}, which is in none of its folders`);
}

function addUnits(tree: FileTree, units: Recipe["units"]): void {
  for (const [target, names] of Object.entries(units.enabled)) {
    for (const name of names) {
      const unit = [`etc/systemd/system/${name}`, `usr/lib/systemd/system/${name}`].find(
        (path) => tree.fileAt(path) !== undefined,
      );
      if (unit === undefined)
        throw new RecipeError(`unit ${name} is enabled but no package has it`);
      const link = `etc/systemd/system/${target}.wants/${name}`;
      tree.set(link, { kind: "symlink", target: `/${unit}`, ...byRecipe });
    }
  }
  for (const name of units.masked) {
    tree.set(`etc/systemd/system/${name}`, { kind: "symlink", target: "/dev/null", ...byRecipe });
  }
}

/** Applies the whole recipe to the tree of its packages. */
export async function applyRecipe(
  tree: FileTree,
  options: {
    readonly recipe: Recipe;
    /** The recipe's own folder, then those it extends. */
    readonly folders: readonly string[];
    readonly nodeProgram: Uint8Array | undefined;
    readonly agentBundle: Uint8Array | undefined;
  },
): Promise<void> {
  const { recipe } = options;
  await addAccounts(tree, recipe);
  for (const file of recipe.files) await addRecipeFile(tree, file, options.folders);
  if (recipe.node) {
    if (options.nodeProgram === undefined) throw new RecipeError("the recipe needs a Node program");
    const program = loadedPart(options.nodeProgram);
    putFile(tree, "usr/bin/node", program, { mode: 0o755, origin: "node" });
  }
  if (recipe.agent) {
    if (options.agentBundle === undefined)
      throw new RecipeError("the recipe needs an agent bundle");
    putFile(tree, "usr/lib/drover/agent.mjs", options.agentBundle, { origin: "drover-agent" });
  }
  addUnits(tree, recipe.units);
  if (tree.get("usr")?.kind !== "directory") throw new FileTreeError("the image has no /usr");
}
