// When sites were last heard from. Beats of many sites are written at once; an older one changes nothing.
import type { SiteId } from "@drover/shared/ids";
import type { BeatStore } from "../loops/ports.ts";
import { jsonTexts, type Queryable, type Sql } from "./database.ts";
import { markDirty } from "./dirty-marks.ts";

export function beatStore(sql: Sql): BeatStore {
  return {
    async storeBeats(beats) {
      // A row can be written once per statement, so the newest beat of each site speaks.
      const newest = new Map<SiteId, (typeof beats)[number]>();
      for (const beat of beats) {
        const known = newest.get(beat.site);
        if (!known || known.heardAt <= beat.heardAt) newest.set(beat.site, beat);
      }
      const rows = [...newest.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
      if (rows.length === 0) return [];
      return sql.begin(async (transaction) => {
        await transaction`
          insert into site_state (site, heard_at, generation, backlog, agent_version, accepts)
          select beat.* from unnest(${rows.map((row) => row.site)}::text[],
            ${rows.map((row) => row.heardAt)}::bigint[],
            ${rows.map((row) => row.beat.generation)}::bigint[],
            ${rows.map((row) => row.beat.backlog)}::int[],
            ${rows.map((row) => row.beat.agentVersion)}::text[],
            ${jsonTexts(rows.map((row) => row.beat.accepts))}::text[]::jsonb[])
            as beat (site, heard_at, generation, backlog, agent_version, accepts)
          join sites on sites.id = beat.site order by beat.site
          on conflict (site) do update set heard_at = excluded.heard_at,
            generation = excluded.generation, backlog = excluded.backlog,
            agent_version = excluded.agent_version, accepts = excluded.accepts
          where site_state.heard_at is null or site_state.heard_at <= excluded.heard_at`;
        return adoptGenerations(
          transaction,
          rows.map((row) => ({ site: row.site, generation: row.beat.generation })),
        );
      });
    },
  };
}

/**
 * Raises what sites reported; returns (and marks dirty) those whose generation this database never
 * stored. Called inside the transaction that stores the report or beat.
 */
export async function adoptGenerations(
  transaction: Queryable,
  reported: readonly { site: SiteId; generation: number }[],
): Promise<{ site: SiteId; generation: number }[]> {
  const highest = new Map<SiteId, number>();
  for (const { site, generation } of reported)
    highest.set(site, Math.max(highest.get(site) ?? 0, generation));
  const sites = [...highest.keys()].sort();
  // Almost always nothing rises; then no row is written and no lock taken.
  const raised = await transaction<{ site: SiteId; generation: number; ahead: boolean }[]>`
    with said as (
      select * from unnest(${sites}::text[], ${sites.map((site) => highest.get(site) ?? 0)}::bigint[])
        as said (site, generation)
    ), rising as (
      select said.site, said.generation from said
      join sites on sites.id = said.site
      left join site_desired as desired on desired.site = said.site
      where said.generation > coalesce(desired.reported_generation, 0) order by said.site
    )
    insert into site_desired as desired (site, reported_generation)
    select site, generation from rising
    on conflict (site) do update
      set reported_generation = greatest(desired.reported_generation, excluded.reported_generation)
    returning desired.site, desired.reported_generation as generation,
      desired.reported_generation > desired.generation as ahead`;
  const adopted = raised.filter((row) => row.ahead);
  await markDirty(
    transaction,
    adopted.map((row) => row.site),
  );
  return adopted.map(({ site, generation }) => ({ site, generation }));
}
