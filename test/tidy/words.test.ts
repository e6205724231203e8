// One word per thing in code, comments and messages; nothing in the project speaks of the place it was
// written at or of servers it happened to use; subjects are spelled in one file.
import { describe, expect, test } from "vitest";
import { bannedIdentifier, bannedWords } from "./glossary.ts";
import { isProgram, readRepositoryFile, repositoryPaths, sourceFiles } from "./source-files.ts";

const files = sourceFiles().filter((file) => !file.path.startsWith("test/tidy/"));

/** Spelled in parts, so that this file passes its own rule. */
const join = (...parts: readonly string[]): string => parts.join("");
const foreign: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  {
    what: "a registry's server",
    pattern: new RegExp(join("registry\\.npm", "js\\.org|yarn", "pkg\\.com")),
  },
  {
    what: "a mirror's server",
    pattern: new RegExp(join("(?:deb|snapshot|ftp\\.\\w+)\\.deb", "ian\\.org")),
  },
  {
    what: "a path of one computer",
    pattern: new RegExp(join("(?<![\\w.@~-])/wo", "rk/\\w|/tmp/br", "ief|\\.\\./sha", "red/")),
  },
  {
    what: "an outside note",
    pattern: new RegExp(join("\\bdes", "ign\\.md|\\bsty", "le\\.md|\\bspi", "ke-\\w+\\.md")),
  },
  {
    what: "how it was written",
    pattern: new RegExp(join("\\b(?:AI|LLM|chat) ?assis", "tant|\\bsub-?ag", "ent\\b"), "i"),
  },
];

const isText = (path: string): boolean =>
  /\.(ts|tsx|mts|mjs|js|json|md|yaml|yml|sh|css|html|sql|txt|cfg|conf)$|^[^.]+$|^\.\w+/.test(path);

describe("words", () => {
  test("of the glossary have no second name in code, comments or messages", () => {
    const wrong = files.flatMap((file) =>
      file.text.split("\n").flatMap((line, index) => {
        const spaced = line.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").replaceAll("_", " ");
        return bannedWords
          .filter(({ word }) => new RegExp(`\\b${word}\\b`, "i").test(spaced))
          .map(({ word, instead }) => `${file.path}:${index + 1} says ${word}, not ${instead}`);
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("in identifiers don't name our things by somebody else's words", () => {
    const wrong = files.filter(isProgram).flatMap((file) => {
      const identifiers = new Set(file.scan.code.match(/\b[a-zA-Z]\w+/g) ?? []);
      return [...identifiers]
        .filter((name) => bannedIdentifier.test(name))
        .map((name) => `${file.path} has ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  test("about the place where the project was written appear nowhere", () => {
    const wrong = repositoryPaths()
      .filter((path) => isText(path) && path !== "package-lock.json")
      .flatMap((path) => {
        const text = readRepositoryFile(path);
        return foreign
          .filter(({ pattern }) => pattern.test(text))
          .map(({ what, pattern }) => `${path} names ${what}: ${pattern.exec(text)?.[0]}`);
      });
    expect(wrong).toEqual([]);
  });
});

test("subjects of the bus are spelled in one file", () => {
  const wrong = files
    .filter((file) => file.path !== "shared/src/subjects.ts" && isProgram(file))
    .filter((file) =>
      file.scan.strings.some(({ text }) =>
        /^drover\.(desired|push|report|beat|grant|ack)\b/.test(text),
      ),
    );
  expect(wrong.map((file) => file.path)).toEqual([]);
});

test("the lock file names no server", () => {
  const resolved = /"resolved": "[a-z+]+:/.exec(readRepositoryFile("package-lock.json"));
  expect(resolved).toBeNull();
});
