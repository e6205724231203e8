// Writer of kmod's binary index (libkmod-index.h): a radix trie, children before parents, all
// integers big endian. Node offsets carry three flag bits that say which parts the node has.

/** One key with its value; lower priority sorts first among values of one key. */
export interface IndexEntry {
  readonly key: string;
  readonly value: string;
  readonly priority: number;
}

interface TrieNode {
  prefix: string;
  readonly children: Map<number, TrieNode>;
  readonly values: { readonly value: string; readonly priority: number }[];
}

const MAGIC = 0xb007f457;
const VERSION = 0x00020001;
const HAS_PREFIX = 0x80000000;
const HAS_VALUES = 0x40000000;
const HAS_CHILDREN = 0x20000000;

function emptyNode(prefix: string): TrieNode {
  return { prefix, children: new Map(), values: [] };
}

function splitAt(node: TrieNode, length: number): void {
  const tail: TrieNode = {
    prefix: node.prefix.slice(length + 1),
    children: new Map(node.children),
    values: node.values.splice(0),
  };
  const branch = node.prefix.charCodeAt(length);
  node.children.clear();
  node.children.set(branch, tail);
  node.prefix = node.prefix.slice(0, length);
}

function insert(root: TrieNode, entry: IndexEntry): void {
  let node = root;
  let rest = entry.key;
  for (;;) {
    let shared = 0;
    while (shared < node.prefix.length && node.prefix[shared] === rest[shared]) shared += 1;
    if (shared < node.prefix.length) splitAt(node, shared);
    rest = rest.slice(shared);
    if (rest === "") break;
    const branch = rest.charCodeAt(0);
    rest = rest.slice(1);
    const next = node.children.get(branch);
    if (next === undefined) {
      const leaf = emptyNode(rest);
      node.children.set(branch, leaf);
      node = leaf;
      break;
    }
    node = next;
  }
  // Equal priorities keep the reverse of insertion order, as depmod does.
  const at = node.values.findIndex((value) => value.priority >= entry.priority);
  node.values.splice(at < 0 ? node.values.length : at, 0, entry);
}

class ByteWriter {
  readonly #bytes: number[] = [];
  get offset(): number {
    return this.#bytes.length;
  }
  byte(value: number): void {
    this.#bytes.push(value & 0xff);
  }
  word(value: number): void {
    for (const shift of [24, 16, 8, 0]) this.byte(value >>> shift);
  }
  text(value: string): void {
    for (const byte of new TextEncoder().encode(value)) this.#bytes.push(byte);
    this.byte(0);
  }
  finish(rootOffset: number): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    new DataView(bytes.buffer).setUint32(8, rootOffset >>> 0);
    return bytes;
  }
}

function writeNode(node: TrieNode, out: ByteWriter): number {
  const branches = [...node.children.keys()].sort((a, b) => a - b);
  const first = branches[0] ?? 0;
  const last = branches.at(-1) ?? 0;
  const offsets: number[] = [];
  if (branches.length > 0) {
    for (let branch = first; branch <= last; branch += 1) {
      const child = node.children.get(branch);
      offsets.push(child === undefined ? 0 : writeNode(child, out));
    }
  }
  let offset = out.offset;
  if (node.prefix !== "") {
    out.text(node.prefix);
    offset += HAS_PREFIX;
  }
  if (offsets.length > 0) {
    out.byte(first);
    out.byte(last);
    for (const child of offsets) out.word(child);
    offset += HAS_CHILDREN;
  }
  if (node.values.length > 0) {
    out.word(node.values.length);
    for (const value of node.values) {
      out.word(value.priority);
      out.text(value.value);
    }
    offset += HAS_VALUES;
  }
  return offset;
}

/** The bytes of an index file; an empty list gives a valid index that holds nothing. */
export function indexFile(entries: readonly IndexEntry[]): Uint8Array {
  const root = emptyNode("");
  for (const entry of entries) insert(root, entry);
  const out = new ByteWriter();
  for (const word of [MAGIC, VERSION, 0]) out.word(word);
  return out.finish(writeNode(root, out));
}
