// Turns unpacked packages into one file tree, in an order that depends on their names only. Refuses
// packages whose maintainer scripts nobody has accounted for: they would be half configured.
import type { LockedPackage } from "../core/lock/lock.ts";
import { RecipeError } from "../core/recipe/recipe.ts";
import { FileTree, FileTreeError, treePath } from "../core/tree/file-tree.ts";
import { addMergedLinks, mergedPath } from "../core/tree/usr-merge.ts";
import type { PackedEntry, UnpackedPackage } from "./unpack-package.ts";

/** A locked package together with its unpacked form. */
export interface ReadyPackage {
  readonly locked: LockedPackage;
  readonly unpacked: UnpackedPackage;
}

function addEntry(tree: FileTree, entry: PackedEntry, ready: ReadyPackage): void {
  const path = mergedPath(treePath(entry.path));
  const owner = { uid: entry.uid, gid: entry.gid, origin: ready.locked.name };
  const old = tree.get(path);
  switch (entry.type) {
    case "directory":
      // The package that brought a folder first keeps it, as with dpkg.
      if (old === undefined || old.origin === "build") {
        if (old === undefined || old.kind === "directory") {
          tree.set(path, { kind: "directory", mode: entry.mode, ...owner });
        }
      }
      return;
    case "file":
      tree.set(path, {
        kind: "file",
        mode: entry.mode,
        ...owner,
        content: {
          kind: "span",
          file: ready.unpacked.dataFile,
          offsetBytes: entry.offsetBytes,
          sizeBytes: entry.sizeBytes,
        },
      });
      return;
    case "symlink":
      if (old?.kind === "directory") {
        throw new FileTreeError(`${path}: link of ${owner.origin} meets folder of ${old.origin}`);
      }
      tree.set(path, { kind: "symlink", target: entry.target, ...owner });
      return;
    case "link":
      tree.set(path, { kind: "hard-link", target: mergedPath(treePath(entry.target)), ...owner });
      return;
  }
}

/** The tree of all packages, merged /usr included. */
export function packageTree(packages: readonly ReadyPackage[]): FileTree {
  const tree = new FileTree();
  addMergedLinks(tree);
  for (const ready of packages) {
    for (const entry of ready.unpacked.entries) addEntry(tree, entry, ready);
  }
  return tree;
}

/** Throws {@link RecipeError} naming packages with scripts that the recipe does not list as replaced. */
export function checkScripts(packages: readonly ReadyPackage[], replaced: readonly string[]): void {
  const listed = new Set(replaced);
  const open = packages
    .filter(({ unpacked, locked }) => unpacked.scripts.length > 0 && !listed.has(locked.name))
    .map(({ locked, unpacked }) => `${locked.name} (${unpacked.scripts.join(", ")})`);
  if (open.length === 0) return;
  throw new RecipeError(
    `these packages configure themselves by scripts, which builds never run; declare what they would do and list them in packages.scriptsReplaced: ${open.join(", ")}`,
  );
}

/** `/var/lib/dpkg/status`, so that scanners see which packages an image holds. */
export function packageStatus(packages: readonly ReadyPackage[]): string {
  return packages
    .map(({ unpacked }) => {
      const lines = unpacked.control.trimEnd().split("\n");
      return `${[lines[0], "Status: install ok installed", ...lines.slice(1)].join("\n")}\n`;
    })
    .join("\n");
}
