// Fenced leases: a term rises whenever a lease changes hands, and every deciding write checks it inside
// its own transaction, so a leader that was away too long can't write.
import { LeaseLostError } from "../loops/errors.ts";
import type { Fence, LeaseStore } from "../loops/ports.ts";
import type { Sql, Transaction } from "./database.ts";

export function leaseStore(sql: Sql): LeaseStore {
  return {
    async holdLease({ name, holder, now, ttlMs }) {
      const rows = await sql<{ term: number }[]>`
        insert into leases (name, holder, term, expires_at)
        values (${name}, ${holder}, 1, ${now + ttlMs})
        on conflict (name) do update set
          holder = excluded.holder,
          term = case when leases.holder = excluded.holder and leases.expires_at > ${now}
            then leases.term else leases.term + 1 end,
          expires_at = excluded.expires_at
        where leases.holder = excluded.holder or leases.expires_at <= ${now}
        returning term`;
      return rows[0]?.term ?? null;
    },
    async releaseLease({ name, holder }) {
      await sql`update leases set expires_at = 0 where name = ${name} and holder = ${holder}`;
    },
  };
}

/** Holds the lease row until the transaction ends, or throws LeaseLostError. */
export async function checkFence(transaction: Transaction, fence: Fence): Promise<void> {
  if (fence.kind === "person") return;
  const rows = await transaction<{ term: number }[]>`
    select term from leases where name = ${fence.lease} for share`;
  if (rows[0]?.term !== fence.term) throw new LeaseLostError(fence.lease, fence.term);
}
