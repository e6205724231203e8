// Our disk formats against the tools people have: what we write they accept, what they compute we
// compute.

import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeExtents } from "@drover/shared/disk/block-io";
import {
  armTrial,
  encodeBootEnv,
  initialEnv,
  parseBootEnv,
  trustSlot,
} from "@drover/shared/disk/boot-env";
import { latin1Bytes } from "@drover/shared/disk/bytes";
import { type CpioEntry, writeCpio } from "@drover/shared/disk/cpio";
import { readCpio } from "@drover/shared/disk/cpio-read";
import { espFiles, espLabel } from "@drover/shared/disk/esp";
import { buildFat } from "@drover/shared/disk/fat";
import { encodeGpt } from "@drover/shared/disk/gpt";
import { mebibyte, planLayout } from "@drover/shared/disk/layout";
import { verityTreeBytes, verityWriter } from "@drover/shared/disk/verity";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

const diskGuid = "5f1f7d52-6b1c-4d0e-9a55-0c2b5d3e4f60";
const toolPath = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
let folder = "";

// Bounds a hang of a tool; a slow computer stays far below.
vi.setConfig({ testTimeout: 120_000 });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-disk-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, ...options: string[]): string {
  const env = { ...process.env, PATH: toolPath, MTOOLS_SKIP_CHECK: "1", LC_ALL: "C.UTF-8" };
  return execFileSync(program, options, {
    encoding: "latin1",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function has(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { env: { PATH: toolPath } }).status === 0;
}

/** A sparse file that the disk code can write to. */
function newFile(name: string, sizeBytes: number) {
  const path = join(folder, name);
  const fd = openSync(path, "w");
  ftruncateSync(fd, sizeBytes);
  const sink = {
    write: (offset: number, bytes: Uint8Array) =>
      void writeSync(fd, bytes, 0, bytes.length, offset),
  };
  return { path, sink, close: () => closeSync(fd) };
}

describe("GPT", () => {
  test.runIf(has("sfdisk") && has("sgdisk"))("is accepted by sfdisk and sgdisk", () => {
    const diskBytes = 12 * 1024 * mebibyte + 512 * 7;
    const layout = planLayout({ diskBytes, sectorBytes: 512, diskGuid, architecture: "amd64" });
    const file = newFile("gpt.img", diskBytes);
    const image = encodeGpt(layout);
    writeExtents(file.sink, [image.head, image.tail]);
    file.close();
    expect(run("sfdisk", "--verify", file.path)).toContain("No errors detected");
    expect(run("sgdisk", "-v", file.path)).toContain("No problems found");
    const dump = run("sfdisk", "--dump", file.path);
    for (const partition of layout.partitions) {
      expect(dump).toContain(`uuid=${partition.guid.toUpperCase()}, name="${partition.name}"`);
    }
    expect(run("sgdisk", "-i", "5", file.path)).toContain("Attribute flags: 9000000000000000");
  });
});

describe("FAT", () => {
  const blob = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0x5a);
  const programs = {
    shim: blob(1_048_504),
    keyManager: blob(877_992),
    grub: blob(4_183_488),
    grubNet: blob(3_843_520),
    ipxe: blob(336_000),
  };
  const disk = { diskGuid, consoleArguments: ["console=ttyS0,115200n8"], serialBaud: 115_200 };
  const files = espFiles({ programs, disk, env: initialEnv("a") });
  const manyFiles = Array.from({ length: 300 }, (_, i) => ({
    path: `folder with a long name/file number ${i}.text`,
    bytes: latin1Bytes(`${i}\n`),
  }));

  test.runIf(has("fsck.vfat") && has("mcopy")).each([
    { mib: 16, sectorBytes: 512 },
    { mib: 48, sectorBytes: 512 },
    { mib: 64, sectorBytes: 512 },
    { mib: 512, sectorBytes: 512 },
    { mib: 64, sectorBytes: 4096 },
    { mib: 512, sectorBytes: 4096 },
  ] as const)(
    "of $mib MiB with $sectorBytes-byte sectors is clean and readable",
    ({ mib, sectorBytes }) => {
      const file = newFile(`fat-${mib}-${sectorBytes}.img`, mib * mebibyte);
      const content = [...files, ...manyFiles];
      const request = { sectorBytes, volumeId: 0xd20e0001, label: espLabel, writtenAt: 1.7e12 };
      writeExtents(
        file.sink,
        buildFat({ sizeBytes: mib * mebibyte, ...request, files: content }).extents,
      );
      file.close();
      const report = run("fsck.vfat", "-n", "-v", file.path);
      expect(report).not.toMatch(/differ|dirty|wrong|invalid|truncat|contains|mismatch/i);
      expect(report).toContain(`${content.length + 7} files`);
      for (const { path, bytes } of [...files, ...manyFiles.slice(0, 3)]) {
        const copy = join(folder, "copy");
        run("mcopy", "-n", "-o", "-i", file.path, `::/${path}`, copy);
        expect(Buffer.compare(readFileSync(copy), bytes), path).toBe(0);
      }
      expect(run("mlabel", "-i", file.path, "-s", "::")).toContain(espLabel);
    },
  );
});

describe("cpio", () => {
  const entries: CpioEntry[] = [
    { kind: "directory", path: "bin", mode: 0o755 },
    { kind: "file", path: "bin/init", mode: 0o755, bytes: latin1Bytes("#!/bin/sh\n") },
    { kind: "link", path: "bin/sh", to: "init" },
    { kind: "file", path: "empty", mode: 0o600, bytes: new Uint8Array(0) },
  ];

  test.runIf(has("cpio"))("is read by cpio, and we read what cpio writes", () => {
    const path = join(folder, "ours.cpio");
    writeFileSync(path, writeCpio(entries));
    const list = run("sh", "-c", `cpio --quiet -tv <"${path}"`);
    expect(list).toMatch(/^-rwxr-xr-x +1 root +root +10 Jan +1 +1970 bin\/init$/m);
    expect(list).toMatch(/bin\/sh -> init$/m);
    const script = `mkdir -p "${folder}/x/d"; cd "${folder}/x"; echo hi >d/f; ln -s f d/l; find d | cpio --quiet -o -H newc`;
    const theirs = latin1Bytes(run("sh", "-c", script));
    expect(
      readCpio(theirs)
        .map((e) => `${e.kind} ${e.path}`)
        .toSorted(),
    ).toEqual(["directory d", "file d/f", "link d/l"]);
  });
});

describe("verity", () => {
  test.runIf(has("veritysetup")).each([1, 2, 129, 16_500])(
    "of %i blocks is what veritysetup computes",
    (n) => {
      const saltHex = "0123456789abcdef".repeat(4);
      const data = new Uint8Array(n * 4096);
      for (let i = 0; i < data.length; i += 61) data[i] = (i * 31) & 0xff;
      const dataPath = join(folder, `data-${n}`);
      writeFileSync(dataPath, data);
      const tree = newFile(`tree-${n}`, Math.max(4096, verityTreeBytes(n)));
      const writer = verityWriter({ dataBlocks: n, saltHex, tree: tree.sink });
      writer.feed(data);
      const root = writer.finish();
      tree.close();
      const shape = [
        "--no-superblock",
        "--data-blocks",
        String(n),
        "--salt",
        saltHex,
        "--hash",
        "sha256",
      ];
      const theirs = join(folder, `theirs-${n}`);
      const report = run("veritysetup", "format", ...shape, dataPath, theirs);
      expect(report).toMatch(new RegExp(`Root hash:\\s+${root}`));
      run("veritysetup", "verify", ...shape, dataPath, tree.path, root);
      if (n > 1) expect(Buffer.compare(readFileSync(theirs), readFileSync(tree.path))).toBe(0);
    },
  );
});

describe("grubenv", () => {
  test.runIf(has("grub-editenv"))("is read and rewritten by GRUB's own tool", () => {
    const path = join(folder, "grubenv");
    const env = armTrial(trustSlot(initialEnv("a"), "b"), "b", 3, 42);
    writeFileSync(path, encodeBootEnv(env));
    expect(run("grub-editenv", path, "list").split("\n")).toContain("seq=42");
    run("grub-editenv", path, "set", "left=2", "why=try");
    expect(parseBootEnv(readFileSync(path))).toEqual({ ...env, left: 2, why: "try" });
  });
});
