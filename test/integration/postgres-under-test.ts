// Puts the contract suite's rows into Postgres and reads back what it asks for.
import type { SiteRow, StoreUnderTest } from "@drover/server/store/contract/seed";
import { asJson, type Sql } from "@drover/server/store/database";
import { markDirty } from "@drover/server/store/dirty-marks";
import { loopStore } from "@drover/server/store/loop-store";
import { addNodeCounts } from "@drover/server/store/node-state-rows";
import type { ImageId } from "@drover/shared/ids";
import { DiskLayoutSizes } from "@drover/shared/site/procedure";

export function postgresUnderTest(sql: Sql): StoreUnderTest {
  return {
    store: loopStore(sql),
    seed: {
      putSite: (row) => putSite(sql, row),
      async putNode(row) {
        await sql.begin(async (transaction) => {
          const made = await transaction`
            insert into nodes (id, site, class, hold, install_serial, install_issued_at,
              refusals_cleared, created_at)
            values (${row.id}, ${row.site}, ${row.class}, ${row.hold}, ${row.install?.serial ?? 0},
              ${row.install?.issuedAt ?? null}, ${row.refusalsCleared}, 0)
            on conflict (id) do update set class = excluded.class, hold = excluded.hold,
              install_serial = excluded.install_serial,
              install_issued_at = excluded.install_issued_at,
              refusals_cleared = excluded.refusals_cleared
            returning (xmax = 0) as fresh`;
          await transaction`delete from node_macs where node = ${row.id}`;
          await transaction`insert into node_macs (mac, node, position)
            select mac, ${row.id}, position from unnest(${[...row.macs]}::text[])
              with ordinality as given (mac, position)`;
          const sites = await transaction`select hollow from sites where id = ${row.site}`;
          if (made[0]?.["fresh"])
            await addNodeCounts(transaction, [
              { hollow: sites[0]?.["hollow"] ?? false, imageId: "", nodes: 1 },
            ]);
          await markDirty(transaction, [row.site]);
        });
      },
      async putClass(row) {
        const release = row.release === null ? null : asJson(sql, row.release);
        const procedure = row.procedure === null ? null : asJson(sql, row.procedure);
        await sql`
          insert into classes (name, release, minimum, withdrawn, sizes, procedure)
          values (${row.name}, ${release}, ${row.minimum}, ${asJson(sql, row.withdrawn)},
            ${asJson(sql, DiskLayoutSizes.parse({}))}, ${procedure})
          on conflict (name) do update set release = excluded.release,
            minimum = excluded.minimum, withdrawn = excluded.withdrawn,
            procedure = excluded.procedure`;
        const sites = await sql`select id from sites`;
        await markDirty(
          sql,
          sites.map((site) => site["id"]),
        );
      },
      markDirty: (site) => markDirty(sql, [site]),
    },
    probe: {
      events: async () => sql`select at, site, rollout_id, what, because from events order by id`,
      async nodeCounts() {
        const rows = await sql`
          select hollow, image_id, nodes from node_counts where nodes <> 0`;
        return rows.map((row) => ({
          hollow: row["hollow"] as boolean,
          imageId: row["imageId"] === "" ? null : (row["imageId"] as ImageId),
          nodes: row["nodes"] as number,
        }));
      },
      async heardAt(site) {
        const rows = await sql`select heard_at from site_state where site = ${site}`;
        return rows[0]?.["heardAt"] ?? null;
      },
      async reportSeqs(site, outboxId) {
        const rows = await sql`select seq from reports
          where site = ${site} and outbox_id = ${outboxId} order by seq`;
        return rows.map((row) => row["seq"] as number);
      },
    },
    close: async () => {},
  };
}

async function putSite(sql: Sql, row: SiteRow): Promise<void> {
  await sql`
    insert into sites (id, name, region, latitude, longitude, time_zone, labels, class, pair,
      hollow, status, policy, created_at)
    values (${row.id}, ${row.name}, ${row.region}, ${row.coordinates?.latitude ?? null},
      ${row.coordinates?.longitude ?? null}, ${row.timeZone}, ${asJson(sql, row.labels)},
      ${row.class}, ${row.pair}, ${row.hollow}, ${row.status}, ${asJson(sql, row.policy)}, 0)
    on conflict (id) do update set status = excluded.status, policy = excluded.policy,
      region = excluded.region, pair = excluded.pair, labels = excluded.labels`;
  await markDirty(sql, [row.id]);
}
