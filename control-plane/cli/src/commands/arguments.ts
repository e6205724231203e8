// Turning what a person typed into checked values; a wrong one is answered with what was expected.

import { releaseApi } from "@drover/shared/api/release-api";
import { parseReleaseLabel, type ReleaseRef } from "@drover/shared/release/release";
import { InvalidArgumentError } from "commander";
import type { z } from "zod";
import { type Context, ExitError, exitCodes } from "../context.ts";

/** A commander argument parser from a schema. */
export function as<Schema extends z.ZodType>(
  schema: Schema,
  expected: string,
): (text: string) => z.infer<Schema> {
  return (text) => {
    const parsed = schema.safeParse(text);
    if (!parsed.success) throw new InvalidArgumentError(`expected ${expected}`);
    return parsed.data as z.infer<Schema>;
  };
}

/** A whole number of at least 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("expected a whole number");
  return value;
}

/** Items per page asked for; the centre's own maximum. */
const pageItems = 1000;

/** Everything of a paged list, or its first `max` items. */
export async function everyPage<Item>(
  ask: (page: { cursor?: string; limit: number }) => Promise<{
    readonly items: readonly Item[];
    readonly nextCursor: string | null;
  }>,
  max = Number.POSITIVE_INFINITY,
): Promise<Item[]> {
  const all: Item[] = [];
  let cursor: string | null = null;
  do {
    const limit = Math.min(pageItems, max - all.length);
    if (limit <= 0) break;
    const page = await ask({ ...(cursor === null ? {} : { cursor }), limit });
    all.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return all;
}

/** Collects repeated `key=value` options. */
export function keyValue(
  text: string,
  before: Record<string, string> = {},
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("expected key=value");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Collects repeated options into a list. */
export function several(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** The signed release that `name@semver` means on a channel. */
export async function releaseOn(
  context: Context,
  channel: string,
  label: string,
): Promise<ReleaseRef> {
  const wanted = parseReleaseLabel(label);
  if (!wanted)
    throw new ExitError(exitCodes.usage, `expected a release such as till@1.2.0, got ${label}`);
  const { items } = await context.ask(releaseApi.listReleases, { params: { channel } });
  const found = items.find((each) => each.name === wanted.name && each.semver === wanted.semver);
  if (!found) throw new ExitError(exitCodes.failed, `channel ${channel} has no release ${label}`);
  return {
    name: found.name,
    semver: found.semver,
    channel: found.channel,
    counter: found.counter,
    imageId: found.imageId,
  };
}
