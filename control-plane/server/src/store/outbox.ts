// Desired documents waiting to be published. Rows are made in the transaction that stores the document.
import type { OutboxRow, OutboxStore } from "../loops/ports.ts";
import type { Sql } from "./database.ts";
import { checkFence } from "./leases.ts";

export function outboxStore(sql: Sql): OutboxStore {
  return {
    unpublished: (limit) => sql<OutboxRow[]>`
      select id, site, body from outbox where published_at is null order by id limit ${limit}`,
    async markPublished({ fence, ids, at }) {
      await sql.begin(async (transaction) => {
        await checkFence(transaction, fence);
        const published = await transaction<{ site: string; id: number }[]>`
          update outbox set published_at = ${at}
          where id = any(${[...ids]}::bigint[]) and published_at is null returning site, id`;
        // Only the newest published row of a site says anything; the ones before it go.
        await transaction`
          delete from outbox as old using (
            select site, max(id) as id
            from unnest(${published.map((row) => row.site)}::text[],
                        ${published.map((row) => row.id)}::bigint[]) as done (site, id)
            group by site
          ) as newest
          where old.site = newest.site and old.id < newest.id and old.published_at is not null`;
      });
    },
    async republishAll() {
      const rows = await sql`
        insert into outbox (site, body)
        select site, body from site_desired as desired
        where body is not null and not exists (
          select from outbox
          where outbox.site = desired.site and outbox.published_at is null
            and (outbox.body ->> 'generation')::bigint = desired.generation)
        order by site`;
      return rows.count;
    },
  };
}
