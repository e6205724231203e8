// The Postgres store keeps every rule that the loops rely on; the in-memory store passes the same suite.

import { storeContract } from "@drover/server/store/contract/store-contract";
import { afterAll, beforeAll } from "vitest";
import { postgresUnderTest } from "./postgres-under-test.ts";
import { type TestPostgres, withPostgres } from "./with-postgres.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await withPostgres();
});
afterAll(() => server.stop());

storeContract("Postgres", async () => postgresUnderTest(await server.freshDatabase()));
