// The texts people read first stay short, and their links lead somewhere.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { readRepositoryFile, repositoryPaths, repositoryRoot } from "./source-files.ts";

const texts = repositoryPaths().filter((path) => /^(docs\/.*|[A-Z]+)\.md$/.test(path));

test("the README has at most 80 lines", () => {
  expect(readRepositoryFile("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(80);
});

test("relative links in the texts lead to files that are there", () => {
  const dead = texts.flatMap((path) =>
    [...readRepositoryFile(path).matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)]
      .map((found) => found[1] ?? "")
      .filter((link) => !existsSync(join(repositoryRoot, dirname(path), link)))
      .map((link) => `${path} links to ${link}`),
  );
  expect(dead).toEqual([]);
});

test("every decision has a number of its own and a date", () => {
  const decisions = texts.filter((path) => path.startsWith("docs/decisions/"));
  const numbers = decisions.map((path) => /\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1] ?? path);
  expect(new Set(numbers).size).toBe(decisions.length);
  const undated = decisions.filter(
    (path) => !/^\d{4}-\d\d-\d\d · /m.test(readRepositoryFile(path)),
  );
  expect(undated).toEqual([]);
});
