// Lists longer than a page, and numbers that people type.
import { describe, expect, it } from "vitest";
import { everyPage, wholeNumber } from "./arguments.ts";

const pagesOf =
  (total: number, asked: number[]) =>
  async ({ cursor, limit }: { cursor?: string; limit: number }) => {
    asked.push(limit);
    const from = Number(cursor ?? 0);
    const to = Math.min(total, from + limit);
    const items = Array.from({ length: to - from }, (_, at) => from + at);
    return { items, nextCursor: to < total ? String(to) : null };
  };

describe("a paged list", () => {
  it.each([
    [0, undefined],
    [1000, undefined],
    [1001, undefined],
    [4321, undefined],
    [4321, 0],
    [4321, 7],
    [4321, 2500],
    [3, 2500],
  ])("of %i items is whole and in order, or as long as asked for: %s", async (total, max) => {
    const asked: number[] = [];
    const items = await everyPage(pagesOf(total, asked), max);
    expect(items).toEqual(Array.from({ length: Math.min(total, max ?? total) }, (_, at) => at));
    expect(Math.max(0, ...asked)).toBeLessThanOrEqual(1000);
  });
});

describe("a whole number", () => {
  it.each(["", " ", "-1", "1.5", "many", "1e400"])("is not %j", (text) => {
    expect(() => wholeNumber(text)).toThrow(/whole number/);
  });
});
