// Writes the root file system and computes, in the same pass, its digest and its verity root.

import { verityBlockBytes, verityWriter } from "@drover/shared/disk/verity";
import { Sha256 } from "@drover/shared/ids";
import type { Artefact, Verity } from "@drover/shared/image/manifest";
import { type FileExtent, planErofs } from "../core/erofs/erofs.ts";
import type { FileTree } from "../core/tree/file-tree.ts";
import { writeErofs } from "./read-content.ts";

/** A written root file system. */
export interface RootFileSystem {
  readonly artefact: Artefact;
  readonly verity: Verity;
  readonly extents: readonly FileExtent[];
}

/** Cuts a stream of parts into pieces of whole blocks. */
function wholeBlocks(feed: (bytes: Uint8Array) => void): (part: Uint8Array) => void {
  let rest = new Uint8Array(0);
  return (part) => {
    let bytes = part;
    if (rest.length > 0) {
      bytes = new Uint8Array(rest.length + part.length);
      bytes.set(rest);
      bytes.set(part, rest.length);
    }
    const whole = bytes.length - (bytes.length % verityBlockBytes);
    if (whole > 0) feed(bytes.subarray(0, whole));
    rest = bytes.slice(whole);
  };
}

/** Writes `tree` to `path`. `saltHex` has 32 bytes; `uuid` and time are part of the file system. */
export async function writeRoot(options: {
  readonly tree: FileTree;
  readonly path: string;
  readonly uuid: Uint8Array;
  readonly saltHex: string;
  readonly builtAtSeconds: number;
  readonly signal?: AbortSignal | undefined;
}): Promise<RootFileSystem> {
  const plan = planErofs(options.tree, options);
  const dataBlocks = plan.sizeBytes / verityBlockBytes;
  const verity = verityWriter({
    dataBlocks,
    saltHex: options.saltHex,
    // The tree itself is never shipped: every node computes it again while it writes.
    tree: { write() {} },
  });
  const feed = wholeBlocks((bytes) => verity.feed(bytes));
  const sha256 = await writeErofs(plan, options.path, feed, options.signal);
  return {
    artefact: { sizeBytes: plan.sizeBytes, sha256: Sha256.parse(sha256) },
    verity: {
      rootHash: Sha256.parse(verity.finish()),
      saltHex: options.saltHex,
      dataBlocks,
      blockBytes: verityBlockBytes,
    },
    extents: plan.extents,
  };
}
