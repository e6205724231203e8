// What follows when sites turn out to be ahead of the database: enough of them freeze the fleet.
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import { freezeAfterAdoption } from "../core/fleet/restore.ts";
import type { FleetStore, StoredReports } from "./ports.ts";

export async function noteAdoptions(
  ports: { readonly store: FleetStore; readonly clock: Clock; readonly log: Log },
  adopted: StoredReports["adopted"],
): Promise<void> {
  if (adopted.length === 0) return;
  ports.log.warn({ adopted: adopted.slice(0, 20) }, "sites are ahead of the database");
  if (await ports.store.frozen()) return;
  const { freeze, because } = freezeAfterAdoption(await ports.store.restoreFigures());
  if (!freeze) return;
  await ports.store.setFrozen({ frozen: true, now: ports.clock.now(), by: "restore", because });
  ports.log.error({ because }, "fleet frozen");
}
