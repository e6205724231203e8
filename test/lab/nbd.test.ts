// The volatile disk as QEMU's own block layer sees it: flushed data survives a power cut, unflushed data
// only by luck, and the same seed has the same luck.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serveVolatileDisk } from "./nbd.ts";
import { createDisk } from "./vm.ts";

const mebibyte = 1024 * 1024;
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-nbd-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function serving(seed: number, cutBeforeWrite?: number) {
  const path = createDisk(join(folder, "disk"), mebibyte);
  const socketPath = join(folder, "socket");
  const cutting = cutBeforeWrite === undefined ? {} : { cutBeforeWrite };
  return { path, disk: await serveVolatileDisk({ path, socketPath, seed, ...cutting }) };
}

/** Runs qemu-io commands against the disk; `writeback` leaves flushing to the commands. */
function qemuIo(url: string, ...commands: string[]) {
  const words = [
    "-t",
    "writeback",
    "-f",
    "raw",
    ...commands.flatMap((command) => ["-c", command]),
    url,
  ];
  const child = spawn("qemu-io", words, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes.toString();
  });
  const exited = new Promise<string>((resolve) => child.once("close", () => resolve(output)));
  return { exited, kill: () => child.kill("SIGKILL") };
}

test("what was written reads back, and an orderly end keeps it", async () => {
  const { path, disk } = await serving(1);
  const output = await qemuIo(disk.url, "write -P 7 1000 9000", "read -P 7 1000 9000").exited;
  expect(output).not.toMatch(/Pattern verification failed|error/i);
  await disk.close();
  const bytes = readFileSync(path);
  expect([bytes[999], bytes[1000], bytes[9999], bytes[10_000]]).toEqual([0, 7, 7, 0]);
});

test("a cut before write 3 keeps what was flushed and loses some of the rest, the same each time", async () => {
  const survivors: string[] = [];
  for (const seed of [5, 5, 6]) {
    const { path, disk } = await serving(seed, 3);
    const client = qemuIo(
      disk.url,
      "write -P 1 0 64k",
      "flush",
      "write -P 2 64k 256k",
      "write -P 3 512k 4k",
    );
    const result = await disk.wasCut;
    client.kill();
    await client.exited;
    await disk.close();
    const bytes = readFileSync(path);
    expect(bytes.subarray(0, 65_536).every((byte) => byte === 1)).toBe(true);
    expect(bytes[512 * 1024]).toBe(0);
    expect(result).toMatchObject({ writes: 2 });
    expect(result.keptBlocks + result.lostBlocks).toBe(64);
    expect(result.lostBlocks).toBeGreaterThan(0);
    const kept = Array.from({ length: 64 }, (_, block) => bytes[65_536 + block * 4096] === 2);
    expect(kept.filter(Boolean)).toHaveLength(result.keptBlocks);
    survivors.push(kept.map(Number).join(""));
  }
  expect(survivors[1]).toBe(survivors[0]);
  expect(survivors[2]).not.toBe(survivors[0]);
});

test("a write with forced unit access survives a cut, whatever the coin says", async () => {
  for (const seed of [1, 2, 3]) {
    const { path, disk } = await serving(seed, 2);
    const client = qemuIo(disk.url, "write -f -P 9 0 64k", "write -P 8 128k 4k");
    expect(await disk.wasCut).toMatchObject({ keptBlocks: 0, lostBlocks: 0, writes: 1 });
    client.kill();
    await client.exited;
    await disk.close();
    expect(
      readFileSync(path)
        .subarray(0, 65_536)
        .every((byte) => byte === 9),
    ).toBe(true);
  }
});

test("a request outside the disk is refused and the next one works", async () => {
  const { disk } = await serving(1);
  const output = await qemuIo(disk.url, "read 2M 4k", "read -P 0 0 4k").exited;
  expect(output).toContain("read 4096/4096 bytes at offset 0");
  await disk.close();
});
