// Looks at every rollout that can still move: facts in, one decision, one write. Each rollout stands
// alone; one that fails does not stop the others.
import { RolloutId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import type { RolloutFacts } from "../core/rollout/facts.ts";
import { lookAtRollout } from "../core/rollout/look.ts";
import { planRollBack } from "../core/rollout/roll-back.ts";
import type { IdSource } from "./bus-ports.ts";
import { forEach } from "./each.ts";
import { type Leading, lead } from "./lead.ts";
import type { Fence, FleetStore, LeaseStore, RolloutStore } from "./ports.ts";
import { rolloutWrite } from "./rollout-write.ts";

export interface RolloutLoopPorts extends Leading {
  readonly store: LeaseStore & RolloutStore & Pick<FleetStore, "frozen">;
  readonly ids: IdSource;
  readonly log: Log;
  /** Called after a write that may change desired documents. */
  readonly wakeDesired: () => void;
}

export async function lookAtRollouts(ports: RolloutLoopPorts): Promise<{ again: boolean }> {
  const fence = await lead(ports, "rollouts");
  if (fence === null) return { again: false };
  const frozen = await ports.store.frozen();
  const ids = await ports.store.activeRollouts();
  await forEach(ids, (id) => lookAtOne(ports, { id, fence, frozen }), {
    log: ports.log,
    fields: (rollout) => ({ rollout }),
  });
  return { again: false };
}

async function lookAtOne(
  ports: RolloutLoopPorts,
  { id, fence, frozen }: { id: RolloutId; fence: Fence; frozen: boolean },
): Promise<void> {
  const facts = await ports.store.rolloutFacts(id);
  if (facts === null) return;
  const now = ports.clock.now();
  const { change } = lookAtRollout(facts, { now, frozen });
  if (change !== null) {
    await ports.store.saveRolloutStep(rolloutWrite(facts.head, change, { fence, now }));
    if (change.moved) {
      const { phase } = change.state;
      ports.log.info({ rollout: id, phase, because: change.because }, "rollout moved");
    }
    if (change.dirtySites === "members" || change.dirtySites.length > 0) ports.wakeDesired();
  }
  const state = change?.state ?? facts.head.state;
  if (state.phase === "halted")
    await takeBack(ports, { ...facts, head: { ...facts.head, state } }, fence);
}

/** Policy asks for a roll back after a halt: one is made unless there is one already. */
async function takeBack(ports: RolloutLoopPorts, facts: RolloutFacts, fence: Fence): Promise<void> {
  const { head } = facts;
  if (head.policy.onHalt !== "roll-back" || head.rolledBack) return;
  const now = ports.clock.now();
  const newId = () => RolloutId.parse(`r-${ports.ids.idTail()}`);
  const { rows, because } = planRollBack(facts, { now, newId });
  if (rows.length === 0) return;
  const events = rows.map((row) => ({
    at: now,
    site: null,
    rolloutId: row.head.id,
    what: "roll back started",
    because: [`policy of rollout ${head.id}`, ...because],
  }));
  if (await ports.store.createRollouts({ fence, rows, events })) ports.wakeDesired();
}
