// Rollouts as people see them, the inventory that plans are made from, and the draft with its plan.
import type { PlanView, RolloutView } from "@drover/shared/api/rollout-api";
import type { ImageId, NodeClass, RolloutId, SiteId } from "@drover/shared/ids";
import type { Selection } from "@drover/shared/rollout/policy";
import { emptyTally, type SiteInRollout, type Tally } from "@drover/shared/rollout/state";
import type { PlanSite } from "../core/rollout/plan.ts";
import type { RolloutRow } from "../loops/ports.ts";
import { asJson, type Queryable, type Sql } from "./database.ts";
import { insertRollouts } from "./rollout-rows.ts";

export type StoredRollout = Omit<RolloutView, "waves" | "planHash"> & {
  readonly waveCount: number;
  readonly plan: PlanView | null;
  readonly reason: string;
};

export interface DraftWrite {
  readonly row: RolloutRow;
  readonly selection: Selection;
  readonly plan: PlanView;
  readonly reason: string;
  readonly by: string;
  readonly because: readonly string[];
}

export function rolloutViews(sql: Sql) {
  return {
    list: () => selectRollouts(sql, sql`order by created_at desc, id limit 100`),
    async get(id: RolloutId): Promise<StoredRollout | undefined> {
      return (await selectRollouts(sql, sql`where id = ${id}`))[0];
    },
    tallies: (id: RolloutId) => readTallies(sql, id),
    sites: (id: RolloutId, wave?: number) =>
      sql<
        {
          site: SiteId;
          wave: number;
          state: SiteInRollout;
          because: string[];
          since: number;
        }[]
      >`
        select site, wave, state, because, since from rollout_sites
        where rollout_id = ${id} ${wave === undefined ? sql`` : sql`and wave = ${wave}`}
        order by wave, site limit 100000`,
    async createDraft(draft: DraftWrite): Promise<void> {
      const { row, by, because } = draft;
      const at = row.head.createdAt;
      const event = { at, site: null, rolloutId: row.head.id, what: "rollout drafted", because };
      await sql.begin(async (transaction) => {
        const fence = { kind: "person", by } as const;
        await insertRollouts(transaction, { fence, rows: [row], events: [event] });
        await transaction`
          update rollouts set selection = ${asJson(transaction, draft.selection)},
            plan = ${asJson(transaction, draft.plan)}, reason = ${draft.reason},
            because = ${asJson(transaction, because)}
          where id = ${row.head.id}`;
      });
    },
    inventory: () => readInventory(sql),
    /** Lowest counter per class, and everything known bad. */
    async limits(): Promise<{
      minimum: Record<NodeClass, number>;
      withdrawn: { imageId: ImageId; reason: string }[];
    }> {
      const classes = await sql<{ name: NodeClass; minimum: number }[]>`
        select name, minimum from classes order by name`;
      const withdrawn = await sql<{ imageId: ImageId; reason: string }[]>`
        select image_id, min(withdrawn) as reason from releases
        where withdrawn is not null group by image_id order by image_id`;
      return {
        minimum: Object.fromEntries(classes.map((row) => [row.name, row.minimum])),
        withdrawn: [...withdrawn],
      };
    },
  };
}

function selectRollouts(sql: Queryable, rest: ReturnType<Queryable>): Promise<StoredRollout[]> {
  return sql<StoredRollout[]>`
    select id, name, releases, policy, selection, state, rollout_epoch, created_at, created_by, rolls_back,
      because, wave_count, plan, reason,
      (select count(*)::int from grants where grants.rollout_id = rollouts.id) as grants
    from rollouts ${rest}`;
}

async function readTallies(
  sql: Queryable,
  id: RolloutId,
): Promise<{ wave: number; sites: number; tally: Tally }[]> {
  const rows = await sql<{ wave: number; state: SiteInRollout; sites: number }[]>`
    select wave, state, count(*)::int as sites from rollout_sites
    where rollout_id = ${id} group by wave, state order by wave`;
  const waves = new Map<number, { wave: number; sites: number; tally: Tally }>();
  for (const { wave, state, sites } of rows) {
    const entry = waves.get(wave) ?? { wave, sites: 0, tally: emptyTally() };
    waves.set(wave, {
      wave,
      sites: entry.sites + sites,
      tally: { ...entry.tally, [state]: sites },
    });
  }
  return [...waves.values()];
}

async function readInventory(sql: Queryable): Promise<PlanSite[]> {
  const sites = await sql<Omit<PlanSite, "nodes">[]>`
    select sites.id as site, status, hollow, region, labels,
      coalesce((select jsonb_object_agg(used.class, coalesce(own.release, classes.release))
        from (select distinct class from nodes
          where nodes.site = sites.id and class is not null) as used
        left join site_releases as own on own.site = sites.id and own.class = used.class
        left join classes on classes.name = used.class), '{}'::jsonb) as committed
    from sites order by id`;
  const nodes = await sql<(PlanSite["nodes"][number] & { site: SiteId })[]>`
    select nodes.site, nodes.class, coalesce(state.facts ->> 'model', '') as model, state.running,
      nodes.hold, coalesce(array(select refusal ->> 'imageId'
        from jsonb_array_elements(state.refusals) as refusal), '{}'::text[]) as refuses
    from nodes left join node_state as state on state.node = nodes.id order by nodes.id`;
  const bySite = new Map<SiteId, PlanSite["nodes"][number][]>();
  for (const { site, ...node } of nodes) {
    const list = bySite.get(site) ?? [];
    list.push(node);
    bySite.set(site, list);
  }
  return sites.map((site) => ({ ...site, nodes: bySite.get(site.site) ?? [] }));
}
