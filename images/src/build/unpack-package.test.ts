// A package made by hand goes through the whole of unpacking, tree and file system.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { planErofs } from "../core/erofs/erofs.ts";
import { LockedPackage } from "../core/lock/lock.ts";
import { checkScripts, packageStatus, packageTree, type ReadyPackage } from "./package-tree.ts";
import { readTreeFile, writeErofs } from "./read-content.ts";
import { unpackPackage } from "./unpack-package.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-unpack-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function tarOf(add: (archive: ReturnType<typeof pack>) => void): Promise<Buffer> {
  const archive = pack();
  add(archive);
  archive.finalize();
  return gzipSync(await buffer(archive));
}

function member(name: string, body: Uint8Array): Buffer {
  const size = String(body.length).padEnd(10);
  const head = `${name.padEnd(16)}${"0".padEnd(12)}0     0     100644  ${size}\`\n`;
  return Buffer.concat([Buffer.from(head), body, Buffer.alloc(body.length % 2, "\n")]);
}

async function makePackage(): Promise<ReadyPackage> {
  const control = await tarOf((tar) => {
    tar.entry({ name: "./control" }, "Package: hello\nVersion: 1.0\n");
    tar.entry({ name: "./postinst", mode: 0o755 }, "#!/bin/sh\n");
  });
  const data = await tarOf((tar) => {
    tar.entry({ name: "./bin/", type: "directory", mode: 0o755 });
    tar.entry({ name: "./bin/hello", mode: 0o4755, uid: 3, gid: 4 }, "hello world\n");
    tar.entry({ name: "./bin/hi", type: "symlink", linkname: "hello" });
    tar.entry({ name: "./bin/hello2", type: "link", linkname: "./bin/hello" });
  });
  const file = join(folder, `${"a".repeat(64)}.deb`);
  const parts = [member("debian-binary", Buffer.from("2.0\n")), member("control.tar.gz", control)];
  await writeFile(
    file,
    Buffer.concat([Buffer.from("!<arch>\n"), ...parts, member("data.tar.gz", data)]),
  );
  const locked = LockedPackage.parse({
    name: "hello",
    version: "1.0",
    architecture: "amd64",
    archive: "debian",
    filename: "pool/main/h/hello/hello_1.0_amd64.deb",
    sha256: "a".repeat(64),
    sizeBytes: 1,
  });
  return { locked, unpacked: await unpackPackage(file, folder) };
}

test("A package's files keep owner and mode in the list and lie below /usr in the tree", async () => {
  const ready = await makePackage();
  const tree = packageTree([ready]);
  expect(tree.get("usr/bin/hello")).toMatchObject({ kind: "file", mode: 0o4755, uid: 3, gid: 4 });
  expect(tree.get("usr/bin/hello2")).toMatchObject({ kind: "hard-link", target: "usr/bin/hello" });
  const text = new TextDecoder().decode(await readTreeFile(tree, "bin/hi"));
  expect(text).toBe("hello world\n");
});

test("A package with a script that the recipe does not account for stops the build", async () => {
  const ready = await makePackage();
  expect(() => checkScripts([ready], [])).toThrow("hello (postinst)");
  expect(() => checkScripts([ready], ["hello"])).not.toThrow();
});

test("The package status names every package as installed", async () => {
  const status = packageStatus([await makePackage()]);
  expect(status).toBe("Package: hello\nStatus: install ok installed\nVersion: 1.0\n");
});

test("The written file system has the planned size, and its parts come in order", async () => {
  const tree = packageTree([await makePackage()]);
  const plan = planErofs(tree, { uuid: new Uint8Array(16), builtAtSeconds: 1 });
  const path = join(folder, "root.erofs");
  const parts: Uint8Array[] = [];
  await writeErofs(plan, path, (part) => parts.push(part.slice()));
  const written = await readFile(path);
  expect(written.length).toBe(plan.sizeBytes);
  expect(Buffer.concat(parts).equals(written)).toBe(true);
  const extent = plan.extents.find(({ path: name }) => name === "usr/bin/hello");
  const at = extent?.offsetBytes ?? 0;
  expect(written.subarray(at, at + 12).toString()).toBe("hello world\n");
});

test("A cut package leaves nothing in the cache", async () => {
  const file = join(folder, `${"b".repeat(64)}.deb`);
  await writeFile(file, "!<arch>\nbroken");
  await expect(unpackPackage(file, folder)).rejects.toThrow("broken member header");
});
