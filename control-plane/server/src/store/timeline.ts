// The newest events of one thing, for the answer to "why".
import type { NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { Sql } from "./database.ts";

export interface TimelineEvent {
  readonly at: number;
  readonly what: string;
  readonly because: readonly string[];
}

export function timelineRows(sql: Sql) {
  const select = sql`select at, what, because from events`;
  return {
    ofSite: (site: SiteId, limit: number) =>
      sql<TimelineEvent[]>`${select} where site = ${site} order by id desc limit ${limit}`,
    ofNode: (node: NodeId, limit: number) =>
      sql<TimelineEvent[]>`${select} where node = ${node} order by id desc limit ${limit}`,
    ofRollout: (rollout: RolloutId, limit: number) =>
      sql<TimelineEvent[]>`${select} where rollout_id = ${rollout} order by id desc limit ${limit}`,
    /** What the newest desired document of the site was made for. */
    async desiredBecause(site: SiteId): Promise<readonly string[]> {
      const rows = await sql<{ because: string[] }[]>`
        select because from site_desired where site = ${site}`;
      return rows[0]?.because ?? [];
    },
    /** What the site itself last said it cannot do, e.g. content or documents it refused. */
    async siteBecause(site: SiteId): Promise<readonly string[]> {
      const rows = await sql<{ because: string[] | null }[]>`
        select report -> 'because' as because from site_state where site = ${site}`;
      return rows[0]?.because ?? [];
    },
    /** Where the site stands in rollouts that are not over. */
    memberships: (site: SiteId) =>
      sql<{ rollout: string; phase: string; state: string; because: string[] }[]>`
        select rollouts.name as rollout, rollouts.phase, member.state, member.because
        from rollout_sites as member join rollouts on rollouts.id = member.rollout_id
        where member.site = ${site} and rollouts.phase in ('scheduled', 'running', 'paused', 'halted')
        order by rollouts.created_at desc limit 20`,
  };
}
