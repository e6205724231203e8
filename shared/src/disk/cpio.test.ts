// What the cpio writer writes, the strict reader reads; damage is refused.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { latin1Bytes, sameBytes } from "./bytes.ts";
import { type CpioEntry, parentDirectories, writeCpio } from "./cpio.ts";
import { readCpio } from "./cpio-read.ts";
import { DiskFormatError, DiskInputError } from "./disk-errors.ts";

const entries: CpioEntry[] = [
  { kind: "directory", path: "dev", mode: 0o755 },
  { kind: "character", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
  { kind: "block", path: "dev/vda", mode: 0o660, major: 254, minor: 0 },
  { kind: "file", path: "init", mode: 0o755, bytes: latin1Bytes("#!/bin/sh\n") },
  { kind: "link", path: "linuxrc", to: "init" },
];

describe("cpio", () => {
  test("reads back every kind of entry in sorted order", () => {
    expect(readCpio(writeCpio(entries.toReversed()))).toEqual(entries);
  });

  test("gives the same bytes whatever the order of the entries, padded to 512", () => {
    const archive = writeCpio(entries);
    expect(sameBytes(archive, writeCpio(entries.toReversed()))).toBe(true);
    expect(archive.length % 512).toBe(0);
  });

  test("keeps any file content", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (contents) => {
        const files = contents.map(
          (bytes, i): CpioEntry => ({
            kind: "file",
            path: `f${String(i).padStart(3, "0")}`,
            mode: 0o644,
            bytes,
          }),
        );
        expect(readCpio(writeCpio(files))).toEqual(files);
      }),
    );
  });

  test("refuses illegal, duplicate and parentless paths", () => {
    const file = (path: string): CpioEntry => ({
      kind: "file",
      path,
      mode: 0o644,
      bytes: new Uint8Array(0),
    });
    for (const path of ["/init", "a/../b", "./a", "", "TRAILER!!!", "usr/bin/x"]) {
      expect(() => writeCpio([file(path)]), path).toThrow(DiskInputError);
    }
    expect(() => writeCpio([file("a"), file("a")])).toThrow(/twice/);
    expect(() => writeCpio([...parentDirectories(["usr/bin/x"]), file("usr/bin/x")])).not.toThrow();
  });

  test("an archive cut anywhere before its end is refused", () => {
    const archive = writeCpio(entries);
    const text = String.fromCharCode(...archive);
    const end = text.indexOf("TRAILER!!!") + 10;
    for (let cut = 0; cut < end; cut += 7) {
      expect(() => readCpio(archive.subarray(0, cut))).toThrow(DiskFormatError);
    }
  });

  test("random damage gives an error or entries, never anything else", () => {
    const archive = writeCpio(entries);
    fc.assert(
      fc.property(fc.nat(archive.length - 1), fc.nat(255), (at, value) => {
        const damaged = archive.slice();
        damaged[at] = value;
        try {
          readCpio(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(DiskFormatError);
        }
      }),
    );
  });
});
