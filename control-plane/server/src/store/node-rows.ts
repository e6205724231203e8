// Nodes and classes as people see and change them.
import type { ClassView, NodeView } from "@drover/shared/api/fleet-api";
import type { MacAddress, NodeClass, NodeId, SiteId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { DiskLayoutSizes } from "@drover/shared/site/procedure";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import { asJson, type Queryable, type Sql } from "./database.ts";
import { markClassDirty, markDirty } from "./dirty-marks.ts";
import { appendEvents } from "./events.ts";
import { addNodeCounts } from "./node-state-rows.ts";

export interface NodeFilter {
  readonly after: string;
  readonly limit: number;
  readonly site?: SiteId | undefined;
  readonly id?: NodeId;
}

/** What a person does to a node; written with its reason in the timeline. */
export interface NodeChange {
  readonly node: NodeId;
  readonly class?: NodeClass | undefined;
  readonly hold?: boolean | undefined;
  /** Orders one more install. */
  readonly install?: boolean;
  readonly clearRefusals?: boolean;
  readonly what: string;
  readonly because: readonly string[];
  readonly now: number;
}

export interface ClassChange {
  readonly name: NodeClass;
  readonly release: ReleaseRef | null;
  readonly minimum: number;
  readonly sizes: DiskLayoutSizes;
  readonly procedure: DsseEnvelope;
  readonly procedureSerial: number;
}

export function nodeRows(sql: Sql) {
  return {
    list: (filter: NodeFilter) => listNodes(sql, filter),
    async get(node: NodeId): Promise<NodeView | undefined> {
      return (await listNodes(sql, { after: "", limit: 1, id: node }))[0];
    },
    /** The address that another node has already, or undefined when the node was made. */
    register: (input: {
      id: NodeId;
      site: SiteId;
      macs: readonly MacAddress[];
      class: NodeClass | null;
      now: number;
      by: string;
    }) => registerNode(sql, input),
    change: (change: NodeChange) => changeNode(sql, change),
    async classes(): Promise<(ClassView & { procedureSerial: number })[]> {
      return sql`select name, release, minimum, sizes, procedure_serial from classes order by name`;
    },
    putClass: (change: ClassChange) => putClass(sql, change),
  };
}

function listNodes(sql: Queryable, { after, limit, site, id }: NodeFilter): Promise<NodeView[]> {
  return sql<NodeView[]>`
    select nodes.id, nodes.site, nodes.class, nodes.hold,
      array(select mac from node_macs where node = nodes.id order by position) as macs,
      state.facts, state.slots, state.update, coalesce(state.refusals, '[]'::jsonb) as refusals,
      state.reported_at,
      (select jsonb_build_object('name', name, 'semver', semver, 'channel', channel,
          'counter', counter, 'imageId', image_id)
        from releases where releases.image_id = state.running order by counter desc limit 1)
        as running
    from nodes left join node_state as state on state.node = nodes.id
    where nodes.id > ${after}
      ${site === undefined ? sql`` : sql`and nodes.site = ${site}`}
      ${id === undefined ? sql`` : sql`and nodes.id = ${id}`}
    order by nodes.id limit ${limit}`;
}

async function registerNode(
  sql: Sql,
  input: {
    id: NodeId;
    site: SiteId;
    macs: readonly MacAddress[];
    class: NodeClass | null;
    now: number;
    by: string;
  },
): Promise<MacAddress | undefined> {
  const { id, site, macs, now, by } = input;
  return sql.begin(async (transaction) => {
    const taken = await transaction<{ mac: MacAddress }[]>`
      select mac from node_macs where mac = any(${[...macs]}::text[]) limit 1`;
    if (taken[0]) return taken[0].mac;
    await transaction`insert into nodes (id, site, class, created_at)
      values (${id}, ${site}, ${input.class}, ${now})`;
    await transaction`insert into node_macs (mac, node, position)
      select mac, ${id}, position from unnest(${[...macs]}::text[])
        with ordinality as given (mac, position)`;
    const sites = await transaction<{ hollow: boolean }[]>`
      select hollow from sites where id = ${site}`;
    await addNodeCounts(transaction, [
      { hollow: sites[0]?.hollow ?? false, imageId: "", nodes: 1 },
    ]);
    await markDirty(transaction, [site]);
    await appendEvents(transaction, [
      { at: now, site, node: id, rolloutId: null, what: "node registered", because: [`by ${by}`] },
    ]);
    return undefined;
  }) as Promise<MacAddress | undefined>;
}

/** False when there is no such node. */
async function changeNode(sql: Sql, change: NodeChange): Promise<boolean> {
  const { node, now } = change;
  return sql.begin(async (transaction) => {
    const rows = await transaction<{ site: SiteId }[]>`
      update nodes set class = coalesce(${change.class ?? null}, class),
        hold = coalesce(${change.hold ?? null}::boolean, hold),
        install_serial = install_serial + ${change.install ? 1 : 0},
        install_issued_at =
          case when ${change.install ? 1 : 0} = 1 then ${now}::bigint else install_issued_at end,
        refusals_cleared = refusals_cleared + ${
          change.clearRefusals
            ? transaction`coalesce((select jsonb_array_length(refusals) from node_state
                where node_state.node = nodes.id), 0)`
            : transaction`0`
        }
      where id = ${node} returning site`;
    const site = rows[0]?.site;
    if (site === undefined) return false;
    // Refusals are numbered: clearing the same ones twice would clear later ones as well.
    if (change.clearRefusals)
      await transaction`update node_state set refusals = '[]'::jsonb where node = ${node}`;
    await markDirty(transaction, [site]);
    const { what, because } = change;
    await appendEvents(transaction, [{ at: now, site, node, rolloutId: null, what, because }]);
    return true;
  }) as Promise<boolean>;
}

async function putClass(sql: Sql, change: ClassChange): Promise<void> {
  await sql.begin(async (transaction) => {
    const release = change.release === null ? null : asJson(transaction, change.release);
    await transaction`
      insert into classes (name, release, minimum, sizes, procedure, procedure_serial)
      values (${change.name}, ${release}, ${change.minimum}, ${asJson(transaction, change.sizes)},
        ${asJson(transaction, change.procedure)}, ${change.procedureSerial})
      on conflict (name) do update set release = excluded.release, minimum = excluded.minimum,
        sizes = excluded.sizes, procedure = excluded.procedure,
        procedure_serial = excluded.procedure_serial`;
    await markClassDirty(transaction, change.name);
  });
}
