// Work on many things where the failure of one must not stop the others.
import { FleetError } from "@drover/shared/errors";
import type { Log, LogFields } from "@drover/shared/log";
import { isRace } from "./loop.ts";

/**
 * Runs `work` on each item in turn. A failure is logged with the item's fields and counted; a lost
 * lease ends the whole round, for every later write would be refused too.
 */
export async function forEach<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  { log, fields }: { log: Log; fields: (item: Item) => LogFields },
): Promise<{ readonly failed: number }> {
  let failed = 0;
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      if (error instanceof FleetError && error.code === "lease-lost") throw error;
      failed += 1;
      const code = error instanceof FleetError ? error.code : "bug";
      if (isRace(error)) log.debug({ ...fields(item), code }, "item was overtaken");
      else log.error({ ...fields(item), code, err: error }, "item failed");
    }
  }
  return { failed };
}
