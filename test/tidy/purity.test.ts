// Cores and shared code get time and chance as arguments; this looks for the words that would reach
// for them, in code alone.
import { expect, test } from "vitest";
import { impure, waiting } from "./import-rules.ts";
import { lineAt } from "./scan.ts";
import { isProgram, type SourceFile, sourceFiles } from "./source-files.ts";

const programs = sourceFiles().filter(isProgram);
const isCore = (file: SourceFile): boolean => file.path.includes("/core/");
const isShared = (file: SourceFile): boolean => file.path.startsWith("shared/");

function findings(file: SourceFile, rules: typeof impure): string[] {
  return rules.flatMap(({ what, pattern }) =>
    [...file.scan.code.matchAll(pattern)].map(
      (found) => `${file.path}:${lineAt(file.scan.code, found.index)} reaches for ${what}`,
    ),
  );
}

test("core and shared reach for no clock, chance, timer, process or network", () => {
  const pure = programs.filter((file) => isCore(file) || isShared(file));
  expect(pure.flatMap((file) => findings(file, impure))).toEqual([]);
});

test("core never waits", () => {
  expect(programs.filter(isCore).flatMap((file) => findings(file, [waiting]))).toEqual([]);
});
