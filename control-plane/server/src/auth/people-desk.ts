// Checks and hands out the secrets of people. Only hashes reach the store.
import { hashSecret, newSecret } from "./secrets.ts";

export interface PeopleRows {
  personBy(
    kind: "token" | "session" | "login-code",
    hash: string,
    now: number,
  ): Promise<Person | undefined>;
  addPerson(person: Person, now: number): Promise<void>;
  addCredential(input: {
    kind: "token" | "session" | "login-code";
    hash: string;
    person: string;
    label: string;
    now: number;
    expiresAt: number;
  }): Promise<void>;
  takeLoginCode(hash: string, now: number): Promise<Person | undefined>;
  removeCredential(hash: string): Promise<void>;
}

interface Person {
  readonly name: string;
  readonly roles: readonly string[];
}

const minuteMs = 60_000;
const loginCodeValidMs = 15 * minuteMs;
const sessionValidMs = 12 * 60 * minuteMs;
const tokenValidMs = 365 * 24 * 60 * minuteMs;

export function peopleDesk(rows: PeopleRows, now: () => number) {
  const add = async (
    kind: "token" | "session" | "login-code",
    person: string,
    secret: string,
    validMs: number,
  ): Promise<number> => {
    const [at, hash] = [now(), hashSecret(secret)];
    const expiresAt = at + validMs;
    await rows.addCredential({ kind, hash, person, label: kind, now: at, expiresAt });
    return expiresAt;
  };
  return {
    byToken: (token: string) => rows.personBy("token", hashSecret(token), now()),
    bySession: (session: string) => rows.personBy("session", hashSecret(session), now()),
    async redeem(code: string) {
      const person = await rows.takeLoginCode(hashSecret(code), now());
      if (!person) return undefined;
      const session = newSecret();
      return {
        person,
        session,
        expiresAt: await add("session", person.name, session, sessionValidMs),
      };
    },
    endSession: (session: string) => rows.removeCredential(hashSecret(session)),
    async newCode(person: string): Promise<string> {
      const code = newSecret();
      await add("login-code", person, code, loginCodeValidMs);
      return code;
    },
    /** Makes a person with a fresh access token. */
    async newPerson(person: Person): Promise<string> {
      await rows.addPerson(person, now());
      const token = newSecret("drover_");
      await add("token", person.name, token, tokenValidMs);
      return token;
    },
  };
}
export type PeopleDesk = ReturnType<typeof peopleDesk>;
