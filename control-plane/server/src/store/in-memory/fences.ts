// Leases, and the check that every deciding write makes: the term it names must still be the newest.
import { LeaseLostError } from "../../loops/errors.ts";
import type { Fence, LeaseName, LeaseStore } from "../../loops/ports.ts";
import type { Tables } from "./tables.ts";

/** Throws LeaseLostError when a loop's term is not the current one. Writes of people pass. */
export function checkFence(tables: Tables, fence: Fence): void {
  if (fence.kind === "loop") checkTerm(tables, fence.lease, fence.term);
}

export function checkTerm(tables: Tables, lease: LeaseName, term: number): void {
  if (tables.leases.get(lease)?.term !== term) throw new LeaseLostError(lease, term);
}

export function leaseStore(tables: Tables): LeaseStore {
  return {
    holdLease: async ({ name, holder, now, ttlMs }) => {
      const row = tables.leases.get(name);
      if (row === undefined) {
        tables.leases.set(name, { holder, term: 1, expiresAt: now + ttlMs });
        return 1;
      }
      const free = row.expiresAt <= now;
      if (row.holder !== holder && !free) return null;
      if (row.holder !== holder || free) row.term += 1;
      row.holder = holder;
      row.expiresAt = now + ttlMs;
      return row.term;
    },
    releaseLease: async ({ name, holder }) => {
      const row = tables.leases.get(name);
      if (row?.holder === holder) row.expiresAt = 0;
    },
  };
}
