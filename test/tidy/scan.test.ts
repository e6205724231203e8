// The scanner under the rules must not mistake one part of a source for another.
import { expect, test } from "vitest";
import { bannedIdentifier, bannedWords } from "./glossary.ts";
import { homes, impure, waiting } from "./import-rules.ts";
import { lineAt, scan } from "./scan.ts";

test("comments, strings, templates and regular expressions are taken out of the code", () => {
  const source = [
    'const a = "async"; // fetch(',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the sample is source text
    "const b = `x ${c({ d: `Date.now` })} y`;",
    'const e = /[/"]async/.test(a) ? 4 / 2 / 1 : 0;',
    "/* await",
    " process. */ const f = 'it\\'s async';",
  ].join("\n");
  const { code, comments, strings } = scan(source);
  expect(code).not.toMatch(/async|fetch|Date|process|await/);
  expect(code).toContain("4 / 2 / 1 : 0");
  expect(code).toContain("const f =");
  expect(comments.map(({ line }) => line)).toEqual([1, 4]);
  expect(strings.map(({ line }) => line)).toEqual([1, 2, 5]);
  expect(code).toHaveLength(source.length);
});

test("lines are counted from one", () => {
  expect(lineAt("a\nb\nc", 4)).toBe(3);
});

test("the rules catch what they are for and let its innocent likeness pass", () => {
  const reaches = (code: string): boolean =>
    [...impure, waiting].some(({ pattern }) => [...code.matchAll(pattern)].length > 0);
  const caught = ["x = Date.now()", "new Date()", "Math.random()", "setTimeout(f, 1)", "await f()"];
  for (const code of [...caught, "process.env", "return fetch(url)"]) {
    expect(reaches(code), code).toBe(true);
  }
  for (const code of [
    "new Date(at)",
    "ports.fetch(range)",
    "  fetch(range: X): Y;",
    "reprocess.x",
  ]) {
    expect(reaches(code), code).toBe(false);
  }
  expect(bannedIdentifier.test("deviceId")).toBe(true);
  expect(bannedIdentifier.test("storeFolder")).toBe(false);
  const isBanned = (text: string): boolean =>
    bannedWords.some(({ word }) => new RegExp(`\\b${word}\\b`, "i").test(text));
  expect(isBanned("a block device")).toBe(false);
  expect(isBanned("every device of a site")).toBe(true);
  expect(homes["postgres"]?.test("control-plane/server/src/http/app.ts")).toBe(false);
});
