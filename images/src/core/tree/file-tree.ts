// The files of an image before they become a file system: owners and modes live here only, never on
// the disk of the builder. Invariant: every entry's parents are directories of the same tree.
import { FleetError } from "@drover/shared/errors";

/** Where the bytes of a file come from; `file` is a path the shell knows how to read. */
export type Content =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | {
      readonly kind: "span";
      readonly file: string;
      readonly offsetBytes: number;
      readonly sizeBytes: number;
    };

interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** What brought the entry: a package name, `recipe` or `build`. */
  readonly origin: string;
}

export interface DirectoryEntry extends Owner {
  readonly kind: "directory";
  readonly mode: number;
}
export interface FileEntry extends Owner {
  readonly kind: "file";
  readonly mode: number;
  readonly content: Content;
}
export interface SymlinkEntry extends Owner {
  readonly kind: "symlink";
  readonly target: string;
}
/** A second name of the file at `target` (a tree path). */
export interface HardLinkEntry extends Owner {
  readonly kind: "hard-link";
  readonly target: string;
}
export type TreeEntry = DirectoryEntry | FileEntry | SymlinkEntry | HardLinkEntry;

/** Two inputs contradict each other, or a path is not acceptable. */
export class FileTreeError extends FleetError {
  readonly code = "file-tree-conflict";
}

/** Canonical form of an archive path: no leading `./` or `/`, no `..`; the root is the empty string. */
export function treePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const joined = parts.join("/");
  if (parts.includes("..") || joined.includes("\0")) {
    throw new FileTreeError(`path ${JSON.stringify(path)} leaves the tree`);
  }
  return joined;
}

/** Number of bytes of a content. */
export function contentSizeBytes(content: Content): number {
  return content.kind === "bytes" ? content.bytes.length : content.sizeBytes;
}

/** The folder part of a path; the root for names without a slash. */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

const SURROGATE = /[\ud800-\udfff]/;

/** Order of names inside one directory: by their UTF-8 bytes, as the file system needs it. */
export function compareNames(left: string, right: string): number {
  if (left === right) return 0;
  // Code units sort like UTF-8 bytes as long as no character needs a surrogate pair.
  if (!SURROGATE.test(left) && !SURROGATE.test(right)) return left < right ? -1 : 1;
  const a = new TextEncoder().encode(left);
  const b = new TextEncoder().encode(right);
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function comparePaths(left: string, right: string): number {
  const a = left.split("/");
  const b = right.split("/");
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const order = compareNames(a[i] ?? "", b[i] ?? "");
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

const ROOT: DirectoryEntry = { kind: "directory", mode: 0o755, uid: 0, gid: 0, origin: "build" };

/** A mutable tree of entries keyed by canonical path. */
export class FileTree {
  readonly #entries = new Map<string, TreeEntry>([["", ROOT]]);

  /** Adds or replaces one entry; a later file replaces an earlier one, a directory never a file. */
  set(rawPath: string, entry: TreeEntry): void {
    const path = treePath(rawPath);
    const old = this.#entries.get(path);
    if (old !== undefined && (old.kind === "directory") !== (entry.kind === "directory")) {
      throw new FileTreeError(
        `${path}: ${entry.kind} of ${entry.origin} meets ${old.kind} of ${old.origin}`,
      );
    }
    if (path !== "") this.#ensureParents(path, entry.origin);
    this.#entries.set(path, entry);
  }

  #ensureParents(path: string, origin: string): void {
    const parent = parentPath(path);
    const found = this.#entries.get(parent);
    if (found?.kind === "directory") return;
    if (found !== undefined) {
      throw new FileTreeError(`${path}: its folder ${parent} is a ${found.kind}`);
    }
    this.#ensureParents(parent, origin);
    this.#entries.set(parent, { kind: "directory", mode: 0o755, uid: 0, gid: 0, origin });
  }

  get(path: string): TreeEntry | undefined {
    return this.#entries.get(path);
  }

  /** The file at `path`, through links anywhere in it; undefined when there is none. */
  fileAt(path: string): FileEntry | undefined {
    let waiting = path.split("/");
    let walked: string[] = [];
    for (let hops = 0; waiting.length > 0 && hops <= LINKS_MAX; ) {
      const [part = "", ...rest] = waiting;
      waiting = rest;
      const next = stepPath(walked, part);
      const target = linkTarget(this.#entries.get(next.join("/")));
      if (target === undefined || part === "..") walked = next;
      else {
        hops += 1;
        if (target.startsWith("/")) walked = [];
        waiting = [...target.split("/"), ...rest];
      }
    }
    const found = this.#entries.get(walked.join("/"));
    return waiting.length === 0 && found?.kind === "file" ? found : undefined;
  }

  /** Removes every covered entry with all below it; returns how many entries went. */
  remove(covers: (path: string, entry: TreeEntry) => boolean): number {
    const before = this.#entries.size;
    const gone = new Set<string>();
    for (const [path, entry] of this.entries()) {
      if (path === "") continue;
      if (gone.has(parentPath(path)) || covers(path, entry)) {
        gone.add(path);
        this.#entries.delete(path);
      }
    }
    this.#repairHardLinks(gone);
    return before - this.#entries.size;
  }

  #repairHardLinks(gone: ReadonlySet<string>): void {
    for (const [path, entry] of this.#entries) {
      if (entry.kind === "hard-link" && gone.has(entry.target)) {
        throw new FileTreeError(`${path} is a second name of ${entry.target}, which was stripped`);
      }
    }
  }

  /** All entries, parents before children, names in byte order. */
  entries(): (readonly [string, TreeEntry])[] {
    return [...this.#entries].sort(([a], [b]) =>
      a === "" ? -1 : b === "" ? 1 : comparePaths(a, b),
    );
  }
}

const LINKS_MAX = 16;

function stepPath(walked: readonly string[], part: string): string[] {
  if (part === "" || part === ".") return [...walked];
  return part === ".." ? walked.slice(0, -1) : [...walked, part];
}

/** Where a link leads, hard links as seen from the root; undefined for everything else. */
function linkTarget(entry: TreeEntry | undefined): string | undefined {
  if (entry?.kind === "hard-link") return `/${entry.target}`;
  return entry?.kind === "symlink" ? entry.target : undefined;
}
