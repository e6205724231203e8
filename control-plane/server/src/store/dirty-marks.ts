// Marks sites whose desired document may have to change. Sites are always marked in order of their id, so
// that two transactions that mark the same sites can't wait for each other.
import type { RolloutId, SiteId } from "@drover/shared/ids";
import type { Queryable } from "./database.ts";

/** Marks each site once; a mark that is there keeps its place in the queue. */
export async function markDirty(sql: Queryable, sites: readonly SiteId[]): Promise<void> {
  if (sites.length === 0) return;
  await sql`
    insert into site_desired (site, dirty_seq, dirty_mark)
    select site, 1, nextval('dirty_marks')
    from (select distinct unnest(${[...sites]}::text[]) as site order by 1) as marked
    on conflict (site) do update set
      dirty_seq = site_desired.dirty_seq + 1,
      dirty_mark = coalesce(site_desired.dirty_mark, excluded.dirty_mark)`;
}

/** Marks every site of a rollout. */
export async function markMembersDirty(sql: Queryable, rollout: RolloutId): Promise<void> {
  const members = await sql<{ site: SiteId }[]>`
    select site from rollout_sites where rollout_id = ${rollout}`;
  await markDirty(
    sql,
    members.map((row) => row.site),
  );
}

/** Marks every site that has a node of the class, or a release for it. */
export async function markClassDirty(sql: Queryable, name: string): Promise<void> {
  const affected = await sql<{ site: SiteId }[]>`
    select site from nodes where class = ${name}
    union select site from site_releases where class = ${name}`;
  await markDirty(
    sql,
    affected.map((row) => row.site),
  );
}
