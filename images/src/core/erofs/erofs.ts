// Plans an uncompressed, read-only EROFS from a file tree: all inodes and directories first, then
// every file's bytes on its own 4 KiB blocks in path order. Same tree, same bytes, on any machine.
import {
  type Content,
  contentSizeBytes,
  type FileTree,
  parentPath,
  type TreeEntry,
} from "../tree/file-tree.ts";
import {
  BLOCK_BYTES,
  blocksOf,
  type Dirent,
  directorySizeBytes,
  ErofsError,
  FILE_TYPE,
  INLINE_BYTES_MAX,
  packDirents,
  SLOT_BYTES,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_OFFSET,
  writeDirents,
} from "./layout.ts";
import { writeSuperblock } from "./superblock.ts";

/** Where one file's bytes lie; the rest of its last block is zero. */
export interface FileExtent {
  readonly path: string;
  readonly origin: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly content: Content;
}

/** A whole file system: metadata bytes at offset 0, then extents in ascending order. */
export interface ErofsPlan {
  readonly metadata: Uint8Array;
  readonly extents: readonly FileExtent[];
  /** Total size, a multiple of 4096. */
  readonly sizeBytes: number;
}

interface Inode {
  readonly path: string;
  readonly entry: Exclude<TreeEntry, { kind: "hard-link" }>;
  readonly number: number;
  readonly inline: Uint8Array;
  links: number;
  parent: Inode | undefined;
  direntBlocks: Dirent[][];
  sizeBytes: number;
  slot: number;
  dataBlock: number;
}

const MODE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;
const LAYOUT_PLAIN = 0;
const LAYOUT_INLINE = 2;

function makeInode(path: string, entry: Inode["entry"], number: number): Inode {
  const inline =
    entry.kind === "symlink" ? new TextEncoder().encode(entry.target) : new Uint8Array();
  if (inline.length > INLINE_BYTES_MAX) throw new ErofsError(`${path}: link target is too long`);
  if (entry.uid > 0xffff || entry.gid > 0xffff) {
    throw new ErofsError(`${path}: owner id above 65535`);
  }
  const sizeBytes = entry.kind === "file" ? contentSizeBytes(entry.content) : inline.length;
  if (sizeBytes > 0xffffffff) throw new ErofsError(`${path}: file of 4 GiB or more`);
  return {
    path,
    entry,
    number,
    inline,
    links: entry.kind === "directory" ? 2 : 1,
    parent: undefined,
    direntBlocks: [],
    sizeBytes,
    slot: 0,
    dataBlock: 0,
  };
}

function makeInodes(tree: FileTree): { inodes: Inode[]; names: Map<string, Inode> } {
  const inodes: Inode[] = [];
  const names = new Map<string, Inode>();
  const hardLinks: [string, string][] = [];
  for (const [path, entry] of tree.entries()) {
    if (entry.kind === "hard-link") {
      hardLinks.push([path, entry.target]);
      continue;
    }
    const inode = makeInode(path, entry, inodes.length + 1);
    inodes.push(inode);
    names.set(path, inode);
  }
  for (const [path, target] of hardLinks) {
    const inode = names.get(target);
    if (inode?.entry.kind !== "file") throw new ErofsError(`${path}: second name of no file`);
    inode.links += 1;
    names.set(path, inode);
  }
  return { inodes, names };
}

function linkDirectories(tree: FileTree, names: ReadonlyMap<string, Inode>): void {
  const listed = new Map<Inode, [string, Inode][]>();
  for (const [path] of tree.entries()) {
    const inode = names.get(path);
    const parent = names.get(parentPath(path));
    if (inode === undefined || parent === undefined) throw new ErofsError(`${path}: no folder`);
    if (inode.entry.kind === "directory") listed.set(inode, []);
    if (path === "") continue;
    if (inode.entry.kind === "directory") {
      parent.links += 1;
      inode.parent = parent;
    }
    listed.get(parent)?.push([path.slice(path.lastIndexOf("/") + 1), inode]);
  }
  for (const [directory, children] of listed) {
    const all: [string, Inode][] = [
      [".", directory],
      ["..", directory.parent ?? directory],
      ...children,
    ];
    const dirents = all
      .map(([name, inode]) => ({
        name: new TextEncoder().encode(name),
        fileType: FILE_TYPE[inode.entry.kind],
        nodeNumber: () => inode.slot,
      }))
      .sort((a, b) => compareBytes(a.name, b.name));
    directory.direntBlocks = packDirents(dirents);
    directory.sizeBytes = directorySizeBytes(directory.direntBlocks);
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function isInline(inode: Inode): boolean {
  if (inode.entry.kind === "symlink") return true;
  return inode.entry.kind === "directory" && inode.sizeBytes <= INLINE_BYTES_MAX;
}

/** Gives every inode its slot and every block user its first block; returns the block counts. */
function placeAll(inodes: readonly Inode[]): { metadataBlocks: number; blockCount: number } {
  let offset = SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES;
  for (const inode of inodes) {
    const needBytes = SLOT_BYTES + (isInline(inode) ? inode.sizeBytes : 0);
    if ((offset % BLOCK_BYTES) + needBytes > BLOCK_BYTES) offset = blocksOf(offset) * BLOCK_BYTES;
    inode.slot = offset / SLOT_BYTES;
    offset += Math.ceil(needBytes / SLOT_BYTES) * SLOT_BYTES;
  }
  let block = blocksOf(offset);
  const place = (kind: "directory" | "file"): void => {
    for (const inode of inodes) {
      if (inode.entry.kind !== kind || isInline(inode) || inode.sizeBytes === 0) continue;
      inode.dataBlock = block;
      block += blocksOf(inode.sizeBytes);
    }
  };
  place("directory");
  const metadataBlocks = block;
  place("file");
  return { metadataBlocks, blockCount: block };
}

function writeInode(inode: Inode, view: DataView): void {
  const at = inode.slot * SLOT_BYTES;
  const inline = isInline(inode);
  const mode = inode.entry.kind === "symlink" ? 0o777 : inode.entry.mode & 0o7777;
  view.setUint16(at, (inline ? LAYOUT_INLINE : LAYOUT_PLAIN) << 1, true);
  view.setUint16(at + 4, MODE_BITS[inode.entry.kind] | mode, true);
  view.setUint16(at + 6, inode.links, true);
  view.setUint32(at + 8, inode.sizeBytes, true);
  view.setUint32(at + 16, inode.dataBlock, true);
  view.setUint32(at + 20, inode.number, true);
  view.setUint16(at + 24, inode.entry.uid, true);
  view.setUint16(at + 26, inode.entry.gid, true);
  inode.inline.forEach((byte, i) => {
    view.setUint8(at + SLOT_BYTES + i, byte);
  });
  inode.direntBlocks.forEach((block, index) => {
    const start = inline ? at + SLOT_BYTES : (inode.dataBlock + index) * BLOCK_BYTES;
    writeDirents(block, view, start);
  });
}

/** Plans the file system of `tree`. Throws {@link ErofsError} for what it cannot express. */
export function planErofs(
  tree: FileTree,
  identity: { readonly uuid: Uint8Array; readonly builtAtSeconds: number },
): ErofsPlan {
  const { inodes, names } = makeInodes(tree);
  linkDirectories(tree, names);
  const { metadataBlocks, blockCount } = placeAll(inodes);
  const root = inodes[0];
  if (root === undefined) throw new ErofsError("a tree has at least its root");
  const metadata = new Uint8Array(metadataBlocks * BLOCK_BYTES);
  const view = new DataView(metadata.buffer);
  for (const inode of inodes) writeInode(inode, view);
  writeSuperblock(metadata, {
    rootNodeNumber: root.slot,
    inodeCount: inodes.length,
    blockCount,
    ...identity,
  });
  const extents = inodes.flatMap((inode) =>
    inode.entry.kind === "file" && inode.sizeBytes > 0
      ? [
          {
            path: inode.path,
            origin: inode.entry.origin,
            offsetBytes: inode.dataBlock * BLOCK_BYTES,
            sizeBytes: inode.sizeBytes,
            content: inode.entry.content,
          },
        ]
      : [],
  );
  return { metadata, extents, sizeBytes: blockCount * BLOCK_BYTES };
}
