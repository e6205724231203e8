// Merged /usr: packages still name /bin, /sbin, /lib and /lib64, the image has these as links into
// /usr. Paths are rewritten while packages are read, so no file ever lies behind such a link.
import type { FileTree } from "./file-tree.ts";

const MERGED = ["bin", "lib", "lib64", "sbin"] as const;

/** The path below /usr at which a merged tree keeps `path` (canonical, no leading slash). */
export function mergedPath(path: string): string {
  const first = path.split("/", 1)[0] ?? "";
  return MERGED.some((name) => name === first) ? `usr/${path}` : path;
}

/** Adds the four links of a merged tree, and the folders they point at. */
export function addMergedLinks(tree: FileTree): void {
  for (const name of MERGED) {
    if (tree.get(`usr/${name}`) === undefined) {
      tree.set(`usr/${name}`, { kind: "directory", mode: 0o755, uid: 0, gid: 0, origin: "build" });
    }
    tree.set(name, { kind: "symlink", target: `usr/${name}`, uid: 0, gid: 0, origin: "build" });
  }
}
