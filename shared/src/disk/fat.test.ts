// The FAT writer and reader agree, the bytes depend on the arguments only, and damage is an error.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryDisk, writeExtents } from "./block-io.ts";
import { latin1Bytes, sameBytes, viewOf } from "./bytes.ts";
import { DiskFormatError, DiskInputError } from "./disk-errors.ts";
import { buildFat, type FatRequest } from "./fat.ts";
import { chooseGeometry } from "./fat-geometry.ts";
import { openFat } from "./fat-read.ts";
import { mebibyte } from "./layout.ts";

const base = { volumeId: 0xd20e_0001, label: "DROVERESP", writtenAt: 1_767_225_600_000 };

function write(request: Partial<FatRequest> & Pick<FatRequest, "files">) {
  const sizeBytes = request.sizeBytes ?? 4 * mebibyte;
  const image = buildFat({ ...base, sizeBytes, ...request });
  const disk = memoryDisk(sizeBytes);
  writeExtents(disk, image.extents);
  return { image, disk, reader: openFat(disk) };
}

const name = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_. -]{0,30}[A-Za-z0-9_]$/);

describe("fat", () => {
  test("uses FAT32 wherever it is legal and FAT16 elsewhere", () => {
    expect(chooseGeometry(48 * mebibyte, 512).type).toBe("fat32");
    expect(chooseGeometry(512 * mebibyte, 512)).toMatchObject({ type: "fat32", clusterSectors: 8 });
    expect(chooseGeometry(512 * mebibyte, 4096)).toMatchObject({ type: "fat32" });
    expect(chooseGeometry(256 * mebibyte, 4096).type).toBe("fat16");
    expect(chooseGeometry(4 * mebibyte, 512).type).toBe("fat16");
    expect(() => chooseGeometry(mebibyte, 512)).toThrow(DiskInputError);
  });

  test("reads back any tree of files, long names included", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, name, fc.uint8Array({ maxLength: 3000 })), {
          maxLength: 12,
          selector: ([folder, file]) => `d${folder}/${file}`.toUpperCase(),
        }),
        (rows) => {
          const folders = new Map<string, string>();
          const files = rows.map(([folder, file, bytes]) => {
            const key = folder.toUpperCase();
            folders.set(key, folders.get(key) ?? folder);
            return { path: `d${folders.get(key)}/${file}`, bytes };
          });
          const { reader } = write({ files });
          for (const file of files) expect(reader.read(file.path)).toEqual(file.bytes);
          expect(reader.list().filter((e) => !e.isDirectory).length).toBe(files.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("gives the same bytes whatever the order of the files", () => {
    const files = [
      { path: "EFI/BOOT/BOOTX64.EFI", bytes: latin1Bytes("shim") },
      { path: "EFI/debian/grub.cfg", bytes: latin1Bytes("cfg") },
      { path: "a long name.txt", bytes: latin1Bytes("x") },
    ];
    const reversed = write({ files: files.toReversed() }).disk.bytes;
    expect(sameBytes(write({ files }).disk.bytes, reversed)).toBe(true);
  });

  test("locates a file so that writing there changes what the file says", () => {
    const files = [{ path: "EFI/debian/grubenv", bytes: new Uint8Array(1024).fill(35) }];
    for (const sizeBytes of [4 * mebibyte, 64 * mebibyte]) {
      const { reader, disk, image } = write({ files, sizeBytes });
      const place = reader.locate("efi/DEBIAN/grubenv");
      expect(image.files).toEqual([{ path: "EFI/debian/grubenv", ...place }]);
      disk.write(place.offsetBytes, new Uint8Array(1024).fill(36));
      expect(reader.read("EFI/debian/grubenv")[1023]).toBe(36);
    }
  });

  test("label, id and type are what was asked for", () => {
    expect(write({ files: [] }).reader).toMatchObject({
      type: "fat16",
      label: "DROVERESP",
      volumeId: 0xd20e_0001,
    });
  });

  test("refuses names that FAT cannot say, collisions and too much content", () => {
    const one = (path: string) => ({ path, bytes: new Uint8Array(1) });
    for (const path of ["/x", "a//b", "..", "a:b", "x.", "caf\u00e9", ""]) {
      expect(() => write({ files: [one(path)] }), path).toThrow(DiskInputError);
    }
    expect(() => write({ files: [one("A/b"), one("a/B")] })).toThrow(/collides/);
    expect(() => write({ files: [one("a"), one("a/b")] })).toThrow(/collides/);
    const big = { path: "big", bytes: new Uint8Array(5 * mebibyte) };
    expect(() => write({ files: [big] })).toThrow(/room for/);
  });

  test("a looping or broken chain is an error, never an endless read", () => {
    const { disk, image, reader } = write({ files: [{ path: "f", bytes: new Uint8Array(4096) }] });
    const fat = image.extents[1]?.offsetBytes ?? 0;
    const first = reader.list()[0]?.firstCluster ?? 0;
    viewOf(disk.bytes).setUint16(fat + 2 * first, first, true);
    expect(() => openFat(disk).read("f")).toThrow(/loops/);
    viewOf(disk.bytes).setUint16(fat + 2 * first, 1, true);
    expect(() => openFat(disk).read("f")).toThrow(DiskFormatError);
  });

  test("a file in two pieces is not located", () => {
    const { disk, image, reader } = write({ files: [{ path: "f", bytes: new Uint8Array(1024) }] });
    const fat = image.extents[1]?.offsetBytes ?? 0;
    const first = reader.list()[0]?.firstCluster ?? 0;
    viewOf(disk.bytes).setUint16(fat + 2 * first, first + 9, true);
    viewOf(disk.bytes).setUint16(fat + 2 * (first + 9), 0xffff, true);
    expect(() => openFat(disk).locate("f")).toThrow(/contiguous/);
  });

  test("random bytes are refused, not read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (sector) => {
        const disk = memoryDisk(mebibyte);
        disk.write(0, sector);
        expect(() => openFat(disk)).toThrow();
      }),
    );
  });
});
