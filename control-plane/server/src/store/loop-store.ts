// The Postgres adapter of everything the loops store.
import type { LoopStore } from "../loops/ports.ts";
import { beatStore } from "./beat-rows.ts";
import type { Sql } from "./database.ts";
import { desiredStore } from "./desired-rows.ts";
import { fleetStore } from "./fleet-state.ts";
import { grantStore } from "./grant-rows.ts";
import { leaseStore } from "./leases.ts";
import { outboxStore } from "./outbox.ts";
import { reportStore } from "./report-rows.ts";
import { rolloutStore } from "./rollout-rows.ts";

export function loopStore(sql: Sql): LoopStore {
  return {
    ...leaseStore(sql),
    ...rolloutStore(sql),
    ...desiredStore(sql),
    ...outboxStore(sql),
    ...reportStore(sql),
    ...beatStore(sql),
    ...grantStore(sql),
    ...fleetStore(sql),
  };
}
