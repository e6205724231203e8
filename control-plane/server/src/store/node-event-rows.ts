// What happened once at a node: its line in the timeline, and the two events that change what we know
// beside it: an armed trial, and a finished install.
import type { NodeEventReport } from "@drover/shared/messages/report";
import type { GrantOutcome } from "../core/rollout/facts.ts";
import type { Transaction } from "./database.ts";
import { markDirty } from "./dirty-marks.ts";
import { appendEvents } from "./events.ts";
import type { FreshReport } from "./fresh-report.ts";

type NodeEvent = FreshReport & { readonly report: NodeEventReport };

export async function storeNodeEvents(
  transaction: Transaction,
  reports: readonly FreshReport[],
): Promise<void> {
  const events = reports.filter((each): each is NodeEvent => each.report.kind === "node-event");
  if (events.length === 0) return;
  await appendEvents(
    transaction,
    events.map(({ site, receivedAt, report }) => ({
      at: receivedAt,
      site,
      node: report.node,
      rolloutId: report.rolloutId,
      what: report.event,
      because: report.because,
    })),
  );
  await markArmed(transaction, named(events, "armed"));
  await settleGrants(transaction, events);
  await closeInstalls(transaction, named(events, "installed"));
}

const named = (events: readonly NodeEvent[], name: NodeEventReport["event"]): NodeEvent[] =>
  events
    .filter((each) => each.report.event === name)
    .sort((a, b) => (a.report.node < b.report.node ? -1 : 1));

async function markArmed(transaction: Transaction, events: readonly NodeEvent[]): Promise<void> {
  await armGrants(
    transaction,
    events.flatMap(({ receivedAt: at, report: { node, rolloutId } }) =>
      rolloutId === null ? [] : [{ node, rolloutId, at }],
    ),
  );
}

/** The nodes spent their grants: from now on these can't be renewed. */
export async function armGrants(
  transaction: Transaction,
  armed: readonly { node: string; rolloutId: string; at: number }[],
): Promise<void> {
  if (armed.length === 0) return;
  await transaction`
    update grants set armed = true, armed_at = coalesce(grants.armed_at, said.at)
    from unnest(${armed.map((each) => each.node)}::text[],
      ${armed.map((each) => each.rolloutId)}::text[],
      ${armed.map((each) => each.at)}::bigint[]) as said (node, rollout_id, at)
    where grants.node = said.node and grants.rollout_id = said.rollout_id`;
}

const grantOutcomes: Partial<Record<NodeEventReport["event"], GrantOutcome>> = {
  committed: "committed",
  "fell-back": "fallen-back",
  inconclusive: "inconclusive",
};

/** The event that names a grant ends it: the node's later states speak of later things. The first counts. */
async function settleGrants(transaction: Transaction, events: readonly NodeEvent[]): Promise<void> {
  const endings = new Map<string, { event: NodeEvent; outcome: GrantOutcome }>();
  for (const event of events) {
    const { node, rolloutId, grantId } = event.report;
    const outcome = grantOutcomes[event.report.event];
    const key = `${node} ${rolloutId} ${grantId}`;
    if (outcome === undefined || rolloutId === null || grantId === null || endings.has(key))
      continue;
    endings.set(key, { event, outcome });
  }
  const rows = [...endings].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ending]) => ending);
  if (rows.length === 0) return;
  await transaction`
    update grants set outcome = said.outcome, outcome_at = said.at
    from unnest(${rows.map(({ event }) => event.report.node)}::text[],
      ${rows.map(({ event }) => event.report.rolloutId)}::text[],
      ${rows.map(({ event }) => event.report.grantId)}::text[],
      ${rows.map(({ outcome }) => outcome)}::text[],
      ${rows.map(({ event }) => event.receivedAt)}::bigint[])
      as said (node, rollout_id, grant_id, outcome, at)
    where grants.node = said.node and grants.rollout_id = said.rollout_id
      and grants.id = said.grant_id and grants.outcome is null`;
}

/** The order to install is carried out: a node that boots the installer again is not installed again. */
async function closeInstalls(
  transaction: Transaction,
  events: readonly NodeEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const closed = await transaction<{ site: never }[]>`
    update nodes set install_issued_at = null
    from unnest(${events.map((each) => each.report.node)}::text[],
      ${events.map((each) => each.at)}::bigint[]) as said (node, at)
    where nodes.id = said.node and nodes.install_issued_at <= said.at
    returning nodes.site`;
  await markDirty(
    transaction,
    closed.map((row) => row.site),
  );
}
