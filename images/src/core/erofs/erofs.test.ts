// The planned file system keeps the rules of the format; whether real tools agree is checked by the
// integration tests.
import fc from "fast-check";
import { expect, test } from "vitest";
import { FileTree } from "../tree/file-tree.ts";
import { planErofs } from "./erofs.ts";
import { BLOCK_BYTES, packDirents } from "./layout.ts";
import { crc32c } from "./superblock.ts";

const identity = { uuid: new Uint8Array(16).fill(7), builtAtSeconds: 1_700_000_000 };
const owner = { uid: 0, gid: 0, origin: "test" };

function treeOf(files: Record<string, number>): FileTree {
  const tree = new FileTree();
  for (const [path, sizeBytes] of Object.entries(files)) {
    tree.set(path, {
      kind: "file",
      mode: 0o644,
      ...owner,
      content: { kind: "bytes", bytes: new Uint8Array(sizeBytes) },
    });
  }
  return tree;
}

test("The checksum is CRC-32C without the final inversion", () => {
  const digits = new TextEncoder().encode("123456789");
  expect((crc32c(digits) ^ 0xffffffff) >>> 0).toBe(0xe3069283);
});

test("The superblock names the root inode and the exact number of blocks", () => {
  const plan = planErofs(treeOf({ "etc/a": 5000, "etc/b": 0 }), identity);
  const view = new DataView(plan.metadata.buffer);
  expect(view.getUint32(1024, true)).toBe(0xe0f5e1e2);
  expect(view.getUint16(1024 + 14, true)).toBe(36);
  expect(view.getUint32(1024 + 36, true) * BLOCK_BYTES).toBe(plan.sizeBytes);
});

test("Files lie on blocks of their own, in path order, after all metadata", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z]{1,8}(\/[a-z0-9]{1,30})?$/), fc.nat(20_000), {
        maxKeys: 60,
      }),
      (files) => {
        const paths = Object.keys(files).filter(
          (path) => !Object.keys(files).some((other) => other.startsWith(`${path}/`)),
        );
        const tree = treeOf(Object.fromEntries(paths.map((path) => [path, files[path] ?? 0])));
        const plan = planErofs(tree, identity);
        let end = plan.metadata.length;
        for (const extent of plan.extents) {
          expect(extent.offsetBytes).toBe(end);
          expect(extent.offsetBytes % BLOCK_BYTES).toBe(0);
          end = extent.offsetBytes + Math.ceil(extent.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
        }
        expect(end).toBe(plan.sizeBytes);
      },
    ),
    { numRuns: 50 },
  );
});

test("The order in which files were added does not change a byte", () => {
  const one = planErofs(treeOf({ "a/x": 10, "a.b": 10, b: 9000 }), identity);
  const two = planErofs(treeOf({ b: 9000, "a.b": 10, "a/x": 10 }), identity);
  expect(two.metadata).toEqual(one.metadata);
});

test("A directory entry never lies across two blocks", () => {
  const dirents = Array.from({ length: 400 }, (_, i) => ({
    name: new TextEncoder().encode(`name-${i}`.padEnd(100, "x")),
    fileType: 1,
    nodeNumber: () => i,
  }));
  const blocks = packDirents(dirents);
  expect(blocks.flat()).toHaveLength(400);
  for (const block of blocks) {
    expect(block.reduce((sum, d) => sum + 12 + d.name.length, 0)).toBeLessThanOrEqual(BLOCK_BYTES);
  }
});

test("A second name of a file shares its inode and raises the link count", () => {
  const tree = treeOf({ "bin/perl": 100 });
  tree.set("bin/perl5", { kind: "hard-link", target: "bin/perl", ...owner });
  expect(planErofs(tree, identity).extents).toHaveLength(1);
});

test("Owner ids that the inode cannot hold are refused", () => {
  const tree = new FileTree();
  tree.set("big", { kind: "symlink", target: "x", uid: 70_000, gid: 0, origin: "test" });
  expect(() => planErofs(tree, identity)).toThrow("owner id above 65535");
});
