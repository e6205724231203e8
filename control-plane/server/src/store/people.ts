// People, their access tokens, console sessions and one-time codes. Secrets come in as hashes only.
import type { Sql } from "./database.ts";

export interface PersonRow {
  readonly name: string;
  readonly roles: readonly string[];
}
export type CredentialKind = "token" | "session" | "login-code";

export function peopleStore(sql: Sql) {
  return {
    /** The person a secret belongs to, while it is valid. */
    async personBy(
      kind: CredentialKind,
      hash: string,
      now: number,
    ): Promise<PersonRow | undefined> {
      const rows = await sql<PersonRow[]>`
        select people.name, people.roles from credentials
        join people on people.name = credentials.person
        where hash = ${hash} and kind = ${kind} and expires_at > ${now}`;
      return rows[0];
    },
    async addPerson(person: PersonRow, now: number): Promise<void> {
      await sql`insert into people (name, roles, created_at)
        values (${person.name}, ${[...person.roles]}::text[], ${now}) on conflict (name) do nothing`;
    },
    async addCredential(input: {
      kind: CredentialKind;
      hash: string;
      person: string;
      label: string;
      now: number;
      expiresAt: number;
    }): Promise<void> {
      const { kind, hash, person, label, now, expiresAt } = input;
      await sql`delete from credentials where expires_at <= ${now}`;
      await sql`insert into credentials (hash, kind, person, label, created_at, expires_at)
        values (${hash}, ${kind}, ${person}, ${label}, ${now}, ${expiresAt})`;
    },
    /** Uses up a one-time code: of two simultaneous uses one gets nothing. */
    async takeLoginCode(hash: string, now: number): Promise<PersonRow | undefined> {
      const rows = await sql<PersonRow[]>`
        with used as (delete from credentials
          where hash = ${hash} and kind = 'login-code' and expires_at > ${now} returning person)
        select people.name, people.roles from used join people on people.name = used.person`;
      return rows[0];
    },
    async removeCredential(hash: string): Promise<void> {
      await sql`delete from credentials where hash = ${hash}`;
    },
    async hasPeople(): Promise<boolean> {
      const rows = await sql<{ any: boolean }[]>`select exists (select from people) as any`;
      return rows[0]?.any ?? false;
    },
  };
}
