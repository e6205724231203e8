// Sites as people see and change them.
import type { FleetView } from "@drover/shared/api/fleet-api";
import type { ImageId, SiteId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import { releaseLabel } from "@drover/shared/release/release";
import type { SitePolicy } from "@drover/shared/site/policy";
import type { SiteFields } from "@drover/shared/site/site";
import { asJson, type Queryable, type Sql, type Transaction } from "./database.ts";
import { markDirty } from "./dirty-marks.ts";
import { appendEvents } from "./events.ts";
import { isFrozen } from "./fleet-state.ts";
import { revoke } from "./site-identities.ts";

/** Where a site stands, without the judgement whether it is live. */
export interface SiteRow extends Omit<SiteFields, "coordinates"> {
  readonly id: SiteId;
  readonly latitude: number | null;
  readonly longitude: number | null;
  readonly status: "active" | "quarantined" | "decommissioned";
  readonly beatMs: number;
  readonly heardAt: number | null;
  readonly generation: number;
  readonly appliedGeneration: number;
  readonly agentVersion: string | null;
  readonly nodes: number;
  readonly wanBytes: Readonly<Record<ImageId, number>>;
}

export interface SiteFilter {
  readonly after: string;
  readonly limit: number;
  readonly region?: string | undefined;
  readonly hollow?: boolean | undefined;
  readonly ids?: readonly SiteId[];
}

export function siteRows(sql: Sql) {
  return {
    list: (filter: SiteFilter) => listSites(sql, filter),
    async get(site: SiteId): Promise<SiteRow | undefined> {
      return (await listSites(sql, { after: "", limit: 1, ids: [site] }))[0];
    },
    async create(input: {
      id: SiteId;
      fields: SiteFields;
      policy: SitePolicy;
      now: number;
      by: string;
    }): Promise<void> {
      const { id, fields, policy, now, by } = input;
      await sql.begin(async (transaction) => {
        await transaction`
          insert into sites (id, name, region, latitude, longitude, time_zone, labels, class, pair,
            hollow, status, policy, created_at)
          values (${id}, ${fields.name}, ${fields.region}, ${fields.coordinates?.latitude ?? null},
            ${fields.coordinates?.longitude ?? null}, ${fields.timeZone},
            ${asJson(transaction, fields.labels)}, ${fields.class}, ${fields.pair},
            ${fields.hollow}, 'active', ${asJson(transaction, policy)}, ${now})`;
        await markDirty(transaction, [id]);
        await appendEvents(transaction, [
          { at: now, site: id, rolloutId: null, what: "site registered", because: [`by ${by}`] },
        ]);
      });
    },
    async putEnrolmentToken(input: {
      site: SiteId;
      hash: string;
      expiresAt: number;
    }): Promise<void> {
      await sql`
        insert into enrolment_tokens (site, hash, expires_at)
        values (${input.site}, ${input.hash}, ${input.expiresAt})
        on conflict (site) do update
          set hash = excluded.hash, expires_at = excluded.expires_at, used_by = null`;
    },
    setStatus: (change: StatusChange) =>
      sql.begin((transaction) => setStatus(transaction, change)) as Promise<boolean>,
    figures: (now: number) => fleetFigures(sql, now),
  };
}

function listSites(sql: Queryable, filter: SiteFilter): Promise<SiteRow[]> {
  const { after, limit, region, hollow, ids } = filter;
  return sql<SiteRow[]>`
    select sites.id, sites.name, sites.region, sites.latitude, sites.longitude, sites.time_zone,
      sites.labels, sites.class, sites.pair, sites.hollow, sites.status,
      (sites.policy ->> 'beatMs')::int as beat_ms, state.heard_at,
      coalesce(desired.generation, 0) as generation,
      coalesce(state.generation, 0) as applied_generation, state.agent_version,
      (select count(*)::int from nodes where nodes.site = sites.id) as nodes,
      coalesce(state.report -> 'wanBytes', '{}'::jsonb) as wan_bytes
    from sites left join site_state as state on state.site = sites.id
    left join site_desired as desired on desired.site = sites.id
    where sites.id > ${after}
      ${ids ? sql`and sites.id = any(${[...ids]}::text[])` : sql``}
      ${hollow === undefined ? sql`` : sql`and sites.hollow = ${hollow}`}
      ${region === undefined ? sql`` : sql`and (sites.region = ${region} or starts_with(sites.region, ${`${region}/`}))`}
    order by sites.id limit ${limit}`;
}

interface StatusChange {
  readonly site: SiteId;
  readonly status: SiteRow["status"];
  readonly by: string;
  readonly reason: string;
  readonly now: number;
}

/** False when there is no such site. A site that is no longer active loses its identity at once. */
async function setStatus(transaction: Transaction, change: StatusChange): Promise<boolean> {
  const { site, status, by, reason, now } = change;
  const rows = await transaction<{ nkey: string | null }[]>`
    update sites set status = ${status} where id = ${site} returning nkey`;
  const row = rows[0];
  if (!row) return false;
  if (status === "active") await transaction`delete from revocations where site = ${site}`;
  else if (row.nkey !== null) await revoke(transaction, site, row.nkey, now);
  await markDirty(transaction, [site]);
  const because = [`by ${by}`, reason];
  await appendEvents(transaction, [
    { at: now, site, rolloutId: null, what: `site ${status}`, because },
  ]);
  return true;
}

async function fleetFigures(sql: Sql, now: number): Promise<FleetView> {
  // The same limits as the judgement of a single site: three and a half beats, and fifteen minutes.
  const sites = await sql<(FleetView["sites"] & { hollow: number })[]>`
    with seen as (
      select hollow, ${now} - heard_at as silent_ms, 3.5 * (policy ->> 'beatMs')::bigint as stale_ms
      from sites left join site_state on site_state.site = sites.id
      where status <> 'decommissioned'
    )
    select count(*) filter (where not hollow)::int as total,
      count(*) filter (where hollow)::int as hollow,
      count(*) filter (where not hollow and silent_ms is null)::int as never,
      count(*) filter (where not hollow and silent_ms <= stale_ms)::int as live,
      count(*) filter (where not hollow and silent_ms > stale_ms
        and silent_ms <= greatest(900000, stale_ms))::int as stale,
      count(*) filter (where not hollow and silent_ms > greatest(900000, stale_ms))::int as lost
    from seen`;
  const counts = await sql<{ imageId: string; nodes: number; release: ReleaseRef | null }[]>`
    select image_id, sum(nodes)::int as nodes,
      (select jsonb_build_object('name', name, 'semver', semver) from releases
        where releases.image_id = node_counts.image_id order by counter desc limit 1) as release
    from node_counts where not hollow group by image_id having sum(nodes) > 0`;
  const releases: Record<string, number> = {};
  for (const { imageId, nodes, release } of counts) {
    const label = release
      ? releaseLabel(release)
      : imageId === ""
        ? "unknown"
        : imageId.slice(0, 12);
    releases[label] = (releases[label] ?? 0) + nodes;
  }
  const { hollow, ...real } = sites[0] ?? {
    total: 0,
    live: 0,
    stale: 0,
    lost: 0,
    never: 0,
    hollow: 0,
  };
  const nodes = counts.reduce((sum, row) => sum + row.nodes, 0);
  return { sites: real, hollowSites: hollow, nodes, releases, frozen: await isFrozen(sql) };
}
