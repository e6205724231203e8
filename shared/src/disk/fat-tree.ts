// The directory tree of a FAT file system to be written, with the clusters each part gets. The same
// list of files gives the same tree whatever its order; every directory and file is contiguous.

import { DiskInputError } from "./disk-errors.ts";
import { aliasFor, checkFatName, isShortName } from "./fat-name.ts";

/** A file to be written; `path` has no leading slash: `EFI/BOOT/BOOTX64.EFI`. */
export interface FatFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface FatNode {
  readonly name: string;
  shortName: string;
  readonly path: string;
  /** Undefined for a directory. */
  readonly bytes: Uint8Array | undefined;
  readonly children: Map<string, FatNode>;
  readonly parent: FatNode | undefined;
  firstCluster: number;
  clusterCount: number;
}

const depthMax = 16;
const fileBytesMax = 0xffff_ffff;

/** Builds the tree. Throws {@link DiskInputError} on an illegal or duplicate path. */
export function buildTree(files: readonly FatFile[]): FatNode {
  const root = node("", "", undefined, undefined);
  for (const file of files) {
    const names = file.path.split("/");
    if (names.length > depthMax) throw new DiskInputError(`${file.path} is nested too deeply`);
    for (const name of names) checkFatName(name);
    if (file.bytes.length > fileBytesMax) throw new DiskInputError(`${file.path} is too large`);
    addFile(root, names, file);
  }
  nameChildren(root);
  return root;
}

/** Every node below `root` in writing order: directories of a level before what lies in them. */
export function nodesOf(root: FatNode): FatNode[] {
  const directories: FatNode[] = [root];
  const files: FatNode[] = [];
  for (const directory of directories) {
    for (const child of childrenOf(directory)) {
      (child.bytes === undefined ? directories : files).push(child);
    }
  }
  return [...directories, ...files];
}

/** Children in byte order of their upper-cased names. */
export function childrenOf(directory: FatNode): FatNode[] {
  return [...directory.children.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, child]) => child);
}

function addFile(root: FatNode, names: readonly string[], file: FatFile): void {
  let directory = root;
  names.forEach((name, index) => {
    const key = name.toUpperCase();
    const found = directory.children.get(key);
    const isLast = index === names.length - 1;
    if (found !== undefined && (isLast || found.bytes !== undefined || found.name !== name)) {
      throw new DiskInputError(`${file.path} collides with ${found.path}`);
    }
    const path = names.slice(0, index + 1).join("/");
    const next = found ?? node(name, path, isLast ? file.bytes : undefined, directory);
    directory.children.set(key, next);
    directory = next;
  });
}

function nameChildren(directory: FatNode): void {
  const children = childrenOf(directory);
  const taken = new Set(children.filter((c) => isShortName(c.name)).map((c) => c.name));
  for (const child of children) {
    if (!isShortName(child.name)) {
      child.shortName = aliasFor(child.name, taken);
      taken.add(child.shortName);
    }
    nameChildren(child);
  }
}

function node(
  name: string,
  path: string,
  bytes: Uint8Array | undefined,
  parent: FatNode | undefined,
): FatNode {
  const fields = { name, shortName: name, path, bytes, parent };
  return { ...fields, children: new Map(), firstCluster: 0, clusterCount: 0 };
}
