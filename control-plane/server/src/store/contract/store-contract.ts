// The rules every store keeps, as one suite: the in-memory store passes it in the unit tests, the
// database in the integration tests. Each test makes its own store.
import { afterEach, describe } from "vitest";
import { desiredRules } from "./desired-rules.ts";
import { grantRules } from "./grant-rules.ts";
import { reportRules } from "./report-rules.ts";
import { rolloutRules } from "./rollout-rules.ts";
import type { StoreUnderTest } from "./seed.ts";

/** Gives a fresh, empty store; the suite closes it. */
export type MakeStore = () => Promise<StoreUnderTest>;

export function storeContract(name: string, makeStore: MakeStore): void {
  describe(`the store contract, kept by ${name}`, () => {
    const opened: StoreUnderTest[] = [];
    const open: MakeStore = async () => {
      const store = await makeStore();
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });
    rolloutRules(open);
    desiredRules(open);
    reportRules(open);
    grantRules(open);
  });
}
