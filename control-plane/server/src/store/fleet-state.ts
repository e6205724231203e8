// What holds for the whole fleet: frozen or not, and how far the sites are ahead of this database.
import type { SiteId } from "@drover/shared/ids";
import type { FleetStore } from "../loops/ports.ts";
import { asJson, type Queryable, type Sql } from "./database.ts";
import { markDirty } from "./dirty-marks.ts";
import { appendEvents } from "./events.ts";

export async function isFrozen(sql: Queryable): Promise<boolean> {
  const rows = await sql<{ frozen: boolean }[]>`select frozen from fleet`;
  return rows[0]?.frozen ?? false;
}

export function fleetStore(sql: Sql): FleetStore {
  return {
    frozen: () => isFrozen(sql),
    async setFrozen({ frozen, now, by, because }) {
      await sql.begin(async (transaction) => {
        await transaction`
          insert into fleet (one, frozen, because)
          values (true, ${frozen}, ${asJson(transaction, because)})
          on conflict (one) do update set frozen = excluded.frozen, because = excluded.because`;
        const what = frozen ? "fleet frozen" : "fleet unfrozen";
        await appendEvents(transaction, [
          { at: now, site: null, rolloutId: null, what, because: [`by ${by}`, ...because] },
        ]);
        if (frozen) return;
        const accepted = await transaction<{ site: SiteId }[]>`
          update site_desired set adopted_generation = reported_generation
          where reported_generation > greatest(generation, adopted_generation) returning site`;
        await markDirty(
          transaction,
          accepted.map((row) => row.site),
        );
      });
    },
    async restoreFigures() {
      const rows = await sql<{ activeSites: number; aheadSites: number }[]>`
        select count(*)::int as active_sites,
          count(*) filter (where 
            desired.reported_generation > greatest(desired.generation, desired.adopted_generation))::int as ahead_sites
        from sites left join site_desired as desired on desired.site = sites.id
        where sites.status = 'active'`;
      return rows[0] ?? { activeSites: 0, aheadSites: 0 };
    },
  };
}
