// ELF reading against the program that runs this test, and against damaged copies of it.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ElfError, isElf, loadedPart, neededLibraries, sectionBytes } from "./elf.ts";

const program = new Uint8Array(readFileSync(process.execPath));
const supported = isElf(program) && process.arch === "x64";

test.runIf(supported)("The libraries of a running program include the C library", () => {
  expect(neededLibraries(program)).toContain("libc.so.6");
});

test.runIf(supported)("What is loaded survives cutting, what no loader reads does not", () => {
  const kept = loadedPart(program);
  expect(kept.length).toBeLessThanOrEqual(program.length);
  expect(neededLibraries(kept)).toEqual(neededLibraries(program));
  expect(sectionBytes(kept, ".symtab")).toBeUndefined();
});

test("Bytes that are no ELF file, or a cut one, are refused with one error", () => {
  expect(() => neededLibraries(new Uint8Array(100))).toThrow(ElfError);
  const cut = new Uint8Array(64);
  cut.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  new DataView(cut.buffer).setBigUint64(32, 1_000_000n, true);
  new DataView(cut.buffer).setUint16(54, 56, true);
  new DataView(cut.buffer).setUint16(56, 3, true);
  expect(() => neededLibraries(cut)).toThrow(ElfError);
  expect(() => loadedPart(cut)).toThrow(ElfError);
});
