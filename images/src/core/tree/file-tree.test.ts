// The tree keeps its one rule (parents are folders) and resolves links as a running system would.
import { expect, test } from "vitest";
import { FileTree, type TreeEntry, treePath } from "./file-tree.ts";
import { matchPaths } from "./path-pattern.ts";
import { addMergedLinks, mergedPath } from "./usr-merge.ts";

const owner = { uid: 0, gid: 0, origin: "test" } as const;
const file = (text: string): TreeEntry => ({
  kind: "file",
  mode: 0o644,
  ...owner,
  content: { kind: "bytes", bytes: new TextEncoder().encode(text) },
});

test("Paths lose their leading dots and slashes and may not climb out", () => {
  expect(treePath("./usr//bin/")).toBe("usr/bin");
  expect(treePath("/")).toBe("");
  expect(() => treePath("usr/../../etc")).toThrow("leaves the tree");
});

test("A file cannot lie below another file", () => {
  const tree = new FileTree();
  tree.set("etc", file("x"));
  expect(() => tree.set("etc/passwd", file("y"))).toThrow("is a file");
});

test("A folder and a file of one name are a contradiction", () => {
  const tree = new FileTree();
  tree.set("etc/a", file("x"));
  expect(() => tree.set("etc", file("y"))).toThrow("meets directory");
});

test("Entries come parents first, in byte order of their names", () => {
  const tree = new FileTree();
  for (const path of ["b", "a/z", "a.b", "a/b/c"]) tree.set(path, file(path));
  const paths = tree.entries().map(([path]) => path);
  expect(paths).toEqual(["", "a", "a/b", "a/b/c", "a/z", "a.b", "b"]);
});

test("A file is found through links of folders, of files and through hard links", () => {
  const tree = new FileTree();
  addMergedLinks(tree);
  tree.set("usr/lib/x/ld.so", file("loader"));
  tree.set("usr/lib64/ld.so", { kind: "symlink", target: "/lib/x/ld.so", ...owner });
  tree.set("usr/lib/second", { kind: "hard-link", target: "usr/lib/x/ld.so", ...owner });
  expect(tree.fileAt("lib64/ld.so")).toBe(tree.get("usr/lib/x/ld.so"));
  expect(tree.fileAt("usr/lib/x/../second")).toBe(tree.get("usr/lib/x/ld.so"));
  expect(tree.fileAt("lib64/none")).toBeUndefined();
});

test("Links that lead in a circle lead nowhere", () => {
  const tree = new FileTree();
  tree.set("a", { kind: "symlink", target: "b", ...owner });
  tree.set("b", { kind: "symlink", target: "a", ...owner });
  expect(tree.fileAt("a")).toBeUndefined();
});

test("Removing a folder removes all below it, but never half of a hard link", () => {
  const tree = new FileTree();
  tree.set("doc/a/b", file("x"));
  tree.set("bin/a", file("y"));
  expect(tree.remove((path) => path === "doc")).toBe(3);
  tree.set("bin/b", { kind: "hard-link", target: "bin/a", ...owner });
  expect(() => tree.remove((path) => path === "bin/a")).toThrow("second name");
});

test("Old top folders are rewritten into /usr", () => {
  expect(mergedPath("lib/modules")).toBe("usr/lib/modules");
  expect(mergedPath("library")).toBe("library");
  expect(mergedPath("sbin")).toBe("usr/sbin");
});

test("Patterns cover a folder and everything below it, and stars stay within one name", () => {
  const covers = matchPaths(["usr/share/doc", "usr/lib/*.so.*", "**/cache", "etc/?"]);
  expect(covers("usr/share/doc/bash/README")).toBe(true);
  expect(covers("usr/share/docs")).toBe(false);
  expect(covers("usr/lib/libc.so.6")).toBe(true);
  expect(covers("usr/lib/x/libc.so.6")).toBe(false);
  expect(covers("var/cache/apt")).toBe(true);
  expect(covers("etc/ab")).toBe(false);
  expect(matchPaths([])("anything")).toBe(false);
});
