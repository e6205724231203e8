// Makes initramfs archives: programs of the image's own packages with exactly the libraries they
// load, modules, and a first program. Raw cpio, so that a small change stays small on the wire.
import { type CpioEntry, writeCpio } from "@drover/shared/disk/cpio";
import { isElf, neededLibraries } from "../core/elf/elf.ts";
import { RecipeError } from "../core/recipe/recipe.ts";
import { FileTree } from "../core/tree/file-tree.ts";
import { addMergedLinks } from "../core/tree/usr-merge.ts";
import { putFile } from "./apply-recipe.ts";
import { readContent } from "./read-content.ts";

const LIBRARY_FOLDERS = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"];
const LOADER = "usr/lib64/ld-linux-x86-64.so.2";

async function copyProgram(from: FileTree, into: FileTree, path: string): Promise<void> {
  if (into.get(path) !== undefined) return;
  const entry = from.fileAt(path);
  if (entry === undefined) throw new RecipeError(`the initrd wants /${path}, which no package has`);
  // Links are followed: the copy holds one plain file under the name that is asked for.
  into.set(path, { ...entry, mode: 0o755, uid: 0, gid: 0 });
  const bytes = await readContent(entry.content);
  if (!isElf(bytes)) return;
  for (const library of neededLibraries(bytes)) {
    const folder = LIBRARY_FOLDERS.find((name) => from.fileAt(`${name}/${library}`) !== undefined);
    if (folder === undefined)
      throw new RecipeError(`/${path} needs ${library}, which no package has`);
    copyLoader(from, into);
    if (`${folder}/${library}` !== LOADER) await copyProgram(from, into, `${folder}/${library}`);
  }
}

function copyLoader(from: FileTree, into: FileTree): void {
  const entry = from.fileAt(LOADER);
  if (entry === undefined) throw new RecipeError(`no package has the program loader /${LOADER}`);
  into.set(LOADER, { ...entry, mode: 0o755 });
}

/** A tree with busybox as its shell, the given programs and the folders a first program expects. */
export async function initramfsTree(
  from: FileTree,
  options: { readonly programs: readonly string[]; readonly init: Uint8Array },
): Promise<FileTree> {
  const tree = new FileTree();
  addMergedLinks(tree);
  for (const folder of ["dev", "proc", "sys", "run", "tmp", "root", "mnt"]) {
    tree.set(folder, { kind: "directory", mode: 0o755, uid: 0, gid: 0, origin: "build" });
  }
  await copyProgram(from, tree, "usr/bin/busybox");
  for (const path of options.programs) await copyProgram(from, tree, path);
  const link = { kind: "symlink", uid: 0, gid: 0, origin: "build" } as const;
  tree.set("usr/bin/sh", { ...link, target: "busybox" });
  // The kernel itself calls this path for modules it wants.
  tree.set("usr/sbin/modprobe", { ...link, target: "../bin/busybox" });
  putFile(tree, "init", options.init, { mode: 0o755, origin: "build" });
  return tree;
}

/** The tree as a raw newc archive. */
export async function toCpio(tree: FileTree): Promise<Uint8Array> {
  const entries: CpioEntry[] = [];
  for (const [path, entry] of tree.entries()) {
    if (path === "") continue;
    if (entry.kind === "directory") entries.push({ kind: "directory", path, mode: entry.mode });
    else if (entry.kind === "symlink") entries.push({ kind: "link", path, to: entry.target });
    else {
      const file = tree.fileAt(path);
      if (file === undefined) throw new RecipeError(`/${path} is a second name of nothing`);
      entries.push({ kind: "file", path, mode: file.mode, bytes: await readContent(file.content) });
    }
  }
  return writeCpio(entries);
}
