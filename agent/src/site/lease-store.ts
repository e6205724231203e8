// DHCP leases in the site database, so that an acknowledged address is never given twice.
import type { SiteId } from "@drover/shared/ids";
import { type Database, statement } from "./database.ts";

interface LeaseRow {
  readonly ip: string;
  readonly key: string;
  readonly state: "offered" | "bound" | "released" | "declined";
  readonly until: number;
}
type LeaseRowChange =
  | { readonly kind: "put"; readonly lease: LeaseRow }
  | { readonly kind: "drop"; readonly ip: string };

const states = ["offered", "bound", "released", "declined"] as const;

export function databaseLeases(database: Database, site: SiteId) {
  return {
    async load(): Promise<readonly LeaseRow[]> {
      const rows = await database.run(
        statement("SELECT ip, holder, state, until FROM lease WHERE site = ?", site),
      );
      return rows.flatMap((row) => {
        const state = states.find((each) => each === row["state"]);
        const { ip, holder: key, until } = row;
        return state ? [{ ip: String(ip), key: String(key), state, until: Number(until) }] : [];
      });
    },
    async save(changes: readonly LeaseRowChange[]): Promise<void> {
      if (changes.length === 0) return;
      await database.run(
        ...changes.map((change) =>
          change.kind === "drop"
            ? statement("DELETE FROM lease WHERE site = ? AND ip = ?", site, change.ip)
            : statement(
                `INSERT INTO lease VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                 holder = excluded.holder, state = excluded.state, until = excluded.until`,
                site,
                change.lease.ip,
                change.lease.key,
                change.lease.state,
                change.lease.until,
              ),
        ),
      );
    },
  };
}
