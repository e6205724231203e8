// What a node tells its site about itself, made from its update state; used by real and hollow nodes.
import type { NodeId } from "@drover/shared/ids";
import { ownVersions } from "@drover/shared/messages/envelope";
import type { Report } from "@drover/shared/messages/report";
import { refusalsOf, slotTableOf, updateReportOf } from "./core/update/report.ts";
import type { UpdateState } from "./core/update/state.ts";

/** State of the node, and the events that nobody has taken yet. */
export function reportsOf(
  node: NodeId,
  state: UpdateState,
  running: { readonly bootId: string; readonly agentVersion: string },
): Report[] {
  const events: Report[] = state.events.map(({ event, imageId, rolloutId, grantId, because }) => ({
    kind: "node-event",
    node,
    event,
    imageId,
    rolloutId,
    grantId,
    because,
  }));
  return [
    ...events,
    {
      kind: "node-state",
      node,
      slots: slotTableOf(state),
      update: updateReportOf(state),
      refusals: refusalsOf(state),
      bootId: running.bootId,
      agentVersion: running.agentVersion,
      accepts: ownVersions,
    },
  ];
}
