// The shape of the code: short files that start by saying why they exist, folders named after things,
// no barrels, and tests that wait for facts instead of sleeping.
import { describe, expect, test } from "vitest";
import { lineAt } from "./scan.ts";
import { isProgram, repositoryPaths, type SourceFile, sourceFiles } from "./source-files.ts";

const linesMax = 300;
const bannedFolders = ["utils", "helpers", "common", "types", "interfaces", "models"];

const files = sourceFiles();
const tests = files.filter((file) => file.isTest);

function places(file: SourceFile, pattern: RegExp): string[] {
  const { code } = file.scan;
  return [...code.matchAll(pattern)].map((found) => `${file.path}:${lineAt(code, found.index)}`);
}

describe("files", () => {
  test(`have at most ${linesMax} lines`, () => {
    const lines = (file: SourceFile): number => file.text.trimEnd().split("\n").length;
    const long = files.filter((file) => lines(file) > linesMax);
    expect(long.map((file) => `${file.path}: ${lines(file)}`)).toEqual([]);
  });

  test("start with a comment that says what they are for", () => {
    const silent = files.filter((file) => !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(file.text));
    expect(silent.map((file) => file.path)).toEqual([]);
  });

  test("lie in folders named after things, not after kinds of symbols", () => {
    const wrong = repositoryPaths().filter((path) =>
      path
        .split("/")
        .slice(0, -1)
        .some((folder) => bannedFolders.includes(folder)),
    );
    expect(wrong).toEqual([]);
  });

  test("are no barrels", () => {
    const barrels = files.filter(
      (file) =>
        isProgram(file) && places(file, /^export\s+(type\s+)?(\*|\{[^}]*\})\s+from\b/gm).length > 0,
    );
    expect(barrels.map((file) => file.path)).toEqual([]);
  });
});

describe("tests", () => {
  test("never sleep", () => {
    const sleepy = tests.flatMap((file) =>
      places(file, /\bsetTimeout\(|(?<![.\w])(?:sleep|delay)\(/g),
    );
    expect(sleepy).toEqual([]);
  });

  test("are neither skipped nor run alone", () => {
    const left = tests.flatMap((file) =>
      places(file, /\b(?:test|it|describe)(?:\.\w+)*\.(?:skip|only|todo)\b/g),
    );
    expect(left).toEqual([]);
  });

  test("have titles that are sentences, not names of functions", () => {
    const bare = tests.flatMap((file) =>
      [...file.text.matchAll(/^\s*(?:test|it)\(\s*(["'`])([^"'`\s]+)\1/gm)].map(
        (found) => `${file.path}: ${found[2]}`,
      ),
    );
    expect(bare).toEqual([]);
  });
});
