// Boot marks reach the grubenv inside the ESP of a whole disk, are read back, and nothing else moves.

import { describe, expect, test } from "vitest";
import { type BlockDisk, memoryDisk, partOfDisk, writeExtents } from "./block-io.ts";
import { findGrubenv, grubBootControl } from "./boot-control.ts";
import { encodeBootEnv, initialEnv } from "./boot-env.ts";
import { latin1Text, sameBytes } from "./bytes.ts";
import { BootStateError, DiskInputError, ReadBackError } from "./disk-errors.ts";
import { espFiles, espLabel, rescueGrubConfig } from "./esp.ts";
import { buildFat } from "./fat.ts";
import { openFat } from "./fat-read.ts";
import { encodeGpt } from "./gpt.ts";
import { parseGpt } from "./gpt-parse.ts";
import { mebibyte, partitionOf, planLayout } from "./layout.ts";

const diskGuid = "5f1f7d52-6b1c-4d0e-9a55-0c2b5d3e4f60";
const blob = new Uint8Array(700).fill(1);
const programs = { shim: blob, keyManager: blob, grub: blob, grubNet: blob, ipxe: blob };
const disk = { diskGuid, consoleArguments: ["console=ttyS0,115200n8"], serialBaud: 115_200 };

function installed() {
  const sizes = {
    espBytes: 4 * mebibyte,
    bootBytes: mebibyte,
    rootBytes: mebibyte,
    siteBytes: mebibyte,
    stateMinBytes: mebibyte,
  };
  const request = { diskBytes: 16 * mebibyte, sectorBytes: 512, diskGuid, sizes } as const;
  const layout = planLayout({ ...request, architecture: "amd64" });
  const memory = memoryDisk(layout.diskBytes);
  const image = encodeGpt(layout);
  writeExtents(memory, [image.head, image.tail]);
  const esp = partitionOf(layout, "esp");
  const files = espFiles({ programs, disk, env: initialEnv("a") });
  const fat = buildFat({
    sizeBytes: esp.sizeBytes,
    volumeId: 1,
    label: espLabel,
    writtenAt: 0,
    files,
  });
  writeExtents(memory, fat.extents, esp.offsetBytes);
  const block = findGrubenv(memory, parseGpt(memory, memory.bytes.length, 512));
  return { memory, esp, block };
}

describe("boot control", () => {
  test("marks land in the grubenv that the loader reads, and only its first sector changes", () => {
    const { memory, esp, block } = installed();
    const esps = { from: esp.offsetBytes, to: esp.offsetBytes + esp.sizeBytes };
    const before = memory.bytes.slice(esps.from, esps.to);
    const control = grubBootControl(block, "a");
    control.withdraw();
    control.arm("b", 3, 1);
    const env = openFat(partOfDisk(memory, esp.offsetBytes, esp.sizeBytes)).read(
      "EFI/debian/grubenv",
    );
    expect(latin1Text(env)).toContain("try=b\nleft=3\n");
    const after = memory.bytes.subarray(esps.from, esps.to);
    let changedSectors = 0;
    for (let at = 0; at < after.length; at += 512) {
      if (!sameBytes(before.subarray(at, at + 512), after.subarray(at, at + 512)))
        changedSectors += 1;
    }
    expect(changedSectors).toBe(1);
  });

  test("a trial is confirmed only by the system that runs in it", () => {
    const { block } = installed();
    grubBootControl(block, "a").arm("b", 3, 1);
    expect(() => grubBootControl(block, "a").confirm(true)).toThrow(BootStateError);
    const inTrial = grubBootControl(block, "b");
    inTrial.keep();
    inTrial.confirm(true);
    expect(inTrial.state()).toMatchObject({ def: "b", ok: "ab", try: "-" });
    expect([inTrial.current(), inTrial.other()]).toEqual(["b", "a"]);
    inTrial.confirm(true);
    expect(() => inTrial.arm("b", 1, 2)).toThrow(BootStateError);
  });

  test("the initrd's request and a rejection are marked", () => {
    const { block } = installed();
    grubBootControl(block, "a").arm("b", 3, 1);
    expect(grubBootControl(block, "b").requestOther().join()).toContain("no tries");
    const back = grubBootControl(block, "a");
    back.reject("f".repeat(64));
    expect(back.state()).toMatchObject({ try: "-", rej: "ffffffff", ok: "a" });
    back.trust("b");
    expect(back.state().ok).toBe("ab");
  });

  test("a write that does not stick is an error", () => {
    const stuck: BlockDisk = {
      read: (offset, length) => encodeBootEnv(initialEnv("a")).slice(offset, offset + length),
      write: () => undefined,
    };
    expect(() => grubBootControl(stuck, "a").arm("b", 1, 1)).toThrow(ReadBackError);
  });

  test("the ESP leaves out the program that writes firmware boot entries, and refuses empty blobs", () => {
    const files = espFiles({ programs, disk, env: initialEnv("a") });
    expect(files.map((f) => f.path.toLowerCase())).not.toContain("efi/boot/fbx64.efi");
    const empty = { ...programs, ipxe: new Uint8Array(0) };
    expect(() => espFiles({ programs: empty, disk, env: initialEnv("a") })).toThrow(DiskInputError);
    expect(() => rescueGrubConfig("10.0.0.1; reboot")).toThrow(DiskInputError);
    expect(rescueGrubConfig("10.0.0.1")).toContain(" 10.0.0.1; do");
  });
});
