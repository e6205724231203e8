// How sites prove who they are: single-use enrolment tokens, the bound nkey, and what was revoked. The
// database is the truth; the bus is told from here.
import type { SiteId } from "@drover/shared/ids";
import type { DesiredBody } from "@drover/shared/messages/desired";
import type { Sql, Transaction } from "./database.ts";
import { appendEvents } from "./events.ts";

export interface SiteIdentity {
  readonly status: "active" | "quarantined" | "decommissioned";
  readonly nkey: string | null;
}

export function siteIdentities(sql: Sql) {
  return {
    async identity(site: SiteId): Promise<SiteIdentity | undefined> {
      const rows = await sql<SiteIdentity[]>`select status, nkey from sites where id = ${site}`;
      return rows[0];
    },
    /** Binds the nkey to the token's site; undefined when the token is unknown, expired or used by another. */
    enrol: (input: { tokenHash: string; nkey: string; agentVersion: string; now: number }) =>
      sql.begin((transaction) => enrol(transaction, input)) as Promise<SiteId | undefined>,
    /** A site that speaks over HTTPS only is heard from all the same. */
    async heard(site: SiteId, now: number): Promise<void> {
      await sql`
        insert into site_state (site, heard_at) values (${site}, ${now})
        on conflict (site) do update set heard_at = excluded.heard_at
        where site_state.heard_at is null or site_state.heard_at < excluded.heard_at`;
    },
    async desiredBody(site: SiteId): Promise<DesiredBody | undefined> {
      const rows = await sql<{ body: DesiredBody | null }[]>`
        select body from site_desired where site = ${site}`;
      return rows[0]?.body ?? undefined;
    },
    /** Revoked nkeys whose last JWT may still be valid, to the second of their revocation. */
    async revocations(revokedAfter: number): Promise<Record<string, number>> {
      const rows = await sql<{ nkey: string; revokedAt: number }[]>`
        select nkey, revoked_at from revocations where revoked_at > ${revokedAfter}`;
      return Object.fromEntries(rows.map((row) => [row.nkey, Math.floor(row.revokedAt / 1000)]));
    },
  };
}

async function enrol(
  transaction: Transaction,
  input: { tokenHash: string; nkey: string; agentVersion: string; now: number },
): Promise<SiteId | undefined> {
  const { tokenHash, nkey, now } = input;
  const tokens = await transaction<{ site: SiteId; usedBy: string | null }[]>`
    select site, used_by from enrolment_tokens
    where hash = ${tokenHash} and expires_at > ${now} for update`;
  const token = tokens[0];
  if (!token) return undefined;
  // The first answer may have been lost on the way: the same agent may ask again.
  if (token.usedBy !== null) return token.usedBy === nkey ? token.site : undefined;
  const sites = await transaction<{ status: string; nkey: string | null }[]>`
    select status, nkey from sites where id = ${token.site} for update`;
  const site = sites[0];
  if (site?.status !== "active") return undefined;
  if (site.nkey !== null && site.nkey !== nkey)
    await revoke(transaction, token.site, site.nkey, now);
  await transaction`update enrolment_tokens set used_by = ${nkey} where site = ${token.site}`;
  await transaction`update sites set nkey = ${nkey}, enrolled_at = ${now} where id = ${token.site}`;
  const because = [`agent ${input.agentVersion}, identity ${nkey.slice(0, 12)}…`];
  await appendEvents(transaction, [
    { at: now, site: token.site, rolloutId: null, what: "site enrolled", because },
  ]);
  return token.site;
}

/** Takes an identity away; JWTs issued up to now are void once the bus was told. */
export async function revoke(
  transaction: Transaction,
  site: SiteId,
  nkey: string,
  now: number,
): Promise<void> {
  await transaction`
    insert into revocations (nkey, site, revoked_at) values (${nkey}, ${site}, ${now})
    on conflict (nkey) do update set revoked_at = excluded.revoked_at`;
}
