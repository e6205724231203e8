// The GPT we write is read back exactly, by the strict parser, from either copy.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryDisk, writeExtents } from "./block-io.ts";
import { placeBootCode } from "./boot-code.ts";
import { crc32, latin1Bytes, viewOf } from "./bytes.ts";
import { DiskFormatError, DiskInputError, DiskTooSmallError } from "./disk-errors.ts";
import { encodeGpt } from "./gpt.ts";
import { parseGpt } from "./gpt-parse.ts";
import { guidBytes, guidText, partitionGuid } from "./guid.ts";
import {
  defaultSizes,
  mebibyte,
  neededBytes,
  partitionNames,
  partitionOf,
  planLayout,
  type SectorBytes,
} from "./layout.ts";

const diskGuid = "5f1f7d52-6b1c-4d0e-9a55-0c2b5d3e4f60";
const sizes = {
  espBytes: 64 * mebibyte,
  bootBytes: 4 * mebibyte,
  rootBytes: 8 * mebibyte,
  siteBytes: mebibyte,
  stateMinBytes: 4 * mebibyte,
};

function sparse(sectorBytes: SectorBytes, diskBytes = 128 * mebibyte) {
  const layout = planLayout({ diskBytes, sectorBytes, diskGuid, architecture: "amd64", sizes });
  const disk = memoryDisk(diskBytes);
  const image = encodeGpt(layout);
  writeExtents(disk, [image.tail, image.head]);
  return { layout, disk };
}

describe("layout", () => {
  test("places the eight partitions in order, each on a MiB, the state partition last", () => {
    const layout = planLayout({
      diskBytes: 16_000_000_000,
      sectorBytes: 512,
      diskGuid,
      architecture: "arm64",
    });
    expect(layout.partitions.map((p) => p.name)).toEqual(partitionNames);
    let end = mebibyte;
    for (const partition of layout.partitions) {
      expect(partition.offsetBytes).toBe(end);
      expect(partition.sizeBytes % mebibyte).toBe(0);
      end += partition.sizeBytes;
    }
    expect(end).toBeLessThanOrEqual(16_000_000_000 - 33 * 512);
    expect(partitionOf(layout, "esp").sizeBytes).toBe(512 * mebibyte);
    expect(partitionOf(layout, "root-b").attributes).toBe((1n << 63n) | (1n << 60n));
    expect(partitionOf(layout, "root-a").typeGuid).toBe("b921b045-1df0-41c3-af44-4c6f280d3fae");
  });

  test("refuses a smaller disk with the figure needed and the figure found", () => {
    const needed = neededBytes(defaultSizes);
    const request = { sectorBytes: 512, diskGuid, architecture: "amd64" } as const;
    expect(() => planLayout({ ...request, diskBytes: needed })).not.toThrow();
    try {
      planLayout({ ...request, diskBytes: needed - 512 });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(DiskTooSmallError);
      expect(error).toMatchObject({ neededBytes: needed, foundBytes: needed - 512 });
    }
  });

  test("a disk of exactly the needed size gives state its minimum for both sector sizes", () => {
    for (const sectorBytes of [512, 4096] as const) {
      const diskBytes = neededBytes(defaultSizes);
      const layout = planLayout({ diskBytes, sectorBytes, diskGuid, architecture: "amd64" });
      expect(partitionOf(layout, "state").sizeBytes).toBeGreaterThanOrEqual(
        defaultSizes.stateMinBytes,
      );
    }
  });

  test("refuses sizes that are not whole MiB", () => {
    const bad = { ...sizes, rootBytes: mebibyte + 512 };
    expect(() =>
      planLayout({
        diskBytes: 2 ** 33,
        sectorBytes: 512,
        diskGuid,
        architecture: "amd64",
        sizes: bad,
      }),
    ).toThrow(DiskInputError);
  });
});

describe("guid", () => {
  test("is stored with its first three groups reversed and read back", () => {
    expect([...guidBytes("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").slice(0, 8)]).toEqual([
      0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
    ]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(guidBytes(guidText(bytes))).toEqual(bytes);
      }),
    );
  });

  test("of a partition follows from the disk and the name alone", () => {
    expect(partitionGuid(diskGuid, "esp")).toBe(partitionGuid(diskGuid, "esp"));
    expect(partitionGuid(diskGuid, "esp")).not.toBe(partitionGuid(diskGuid, "state"));
    expect(partitionGuid(diskGuid, "esp")).toMatch(/^.{14}8.{4}[89ab]/);
  });
});

describe("gpt", () => {
  test.each([512, 4096] as const)("reads back what was written with %i-byte sectors", (sector) => {
    const { layout, disk } = sparse(sector);
    const found = parseGpt(disk, disk.bytes.length, sector);
    expect(found.copy).toBe("primary");
    expect(found.diskGuid).toBe(diskGuid);
    expect(found.partitions).toEqual(layout.partitions);
  });

  test("falls back to the backup copy when the primary one is damaged, and says why", () => {
    const { layout, disk } = sparse(512);
    disk.bytes[2 * 512 + 60] = 0x77;
    const found = parseGpt(disk, disk.bytes.length, 512);
    expect(found.copy).toBe("backup");
    expect(found.because.join()).toContain("table checksum differs");
    expect(found.partitions).toEqual(layout.partitions);
  });

  test("refuses a disk with both copies damaged", () => {
    const { disk } = sparse(512);
    disk.bytes[600] = 1;
    disk.bytes[disk.bytes.length - 500] = 1;
    expect(() => parseGpt(disk, disk.bytes.length, 512)).toThrow(DiskFormatError);
  });

  test("any flipped byte of the primary header or table is noticed", () => {
    const { disk } = sparse(512);
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 512, max: 603 }), fc.integer({ min: 1024, max: 17_407 })),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const before = disk.bytes[at] ?? 0;
          disk.bytes[at] = before ^ flip;
          expect(parseGpt(disk, disk.bytes.length, 512).copy).toBe("backup");
          disk.bytes[at] = before;
        },
      ),
    );
  });

  test("refuses overlapping partitions even with correct checksums", () => {
    const { layout } = sparse(512);
    const disk = memoryDisk(layout.diskBytes);
    const partitions = layout.partitions.map((p) =>
      p.name === "boot-b" ? { ...p, offsetBytes: p.offsetBytes - mebibyte } : p,
    );
    const image = encodeGpt({ ...layout, partitions });
    writeExtents(disk, [image.head, image.tail]);
    expect(() => parseGpt(disk, disk.bytes.length, 512)).toThrow(/overlaps/);
  });

  test("crc32 gives the standard check value", () => {
    expect(crc32(latin1Bytes("123456789"))).toBe(0xcbf43926);
  });
});

describe("boot code", () => {
  const bootImage = new Uint8Array(512);
  viewOf(bootImage).setUint16(510, 0xaa55, true);
  const coreImage = new Uint8Array(1300).fill(7);
  viewOf(coreImage).setUint16(0x1fe, 0x820, true);
  const biosPartition = { offsetBytes: mebibyte, sizeBytes: 2 * mebibyte };

  test("points the first sector at the core image and the core image at its own rest", () => {
    const code = placeBootCode({ bootImage, coreImage, biosPartition });
    expect(code.mbr.length).toBe(440);
    expect(viewOf(code.mbr).getBigUint64(0x5c, true)).toBe(2048n);
    expect(viewOf(code.core).getBigUint64(0x1f4, true)).toBe(2049n);
    expect(viewOf(code.core).getUint16(0x1fc, true)).toBe(2);
  });

  test("places the second core image in the second half of the partition", () => {
    const code = placeBootCode({ bootImage, coreImage, biosPartition, place: 1 });
    expect(code.coreOffsetBytes).toBe(2 * mebibyte);
    expect(viewOf(code.mbr).getBigUint64(0x5c, true)).toBe(4096n);
  });

  test("refuses what is no loader or does not fit", () => {
    const big = new Uint8Array(mebibyte + 1);
    viewOf(big).setUint16(0x1fe, 0x820, true);
    for (const wrong of [
      { bootImage: new Uint8Array(512), coreImage, biosPartition },
      { bootImage, coreImage: new Uint8Array(2000), biosPartition },
      { bootImage, coreImage: big, biosPartition },
    ]) {
      expect(() => placeBootCode(wrong)).toThrow(DiskInputError);
    }
  });
});
