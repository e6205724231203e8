// The first person: an administrator whose access token lies in a file of the data folder, readable by its
// owner alone. A database without that token gets a fresh one.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { PeopleDesk } from "../auth/people-desk.ts";

export const administrator = { name: "admin", roles: ["admin"] } as const;

/** Returns true when the token was made now. */
export async function ensureAdminToken(file: string, desk: PeopleDesk): Promise<boolean> {
  const kept = readIfThere(file);
  if (kept !== undefined && (await desk.byToken(kept))) return false;
  const token = await desk.newPerson(administrator);
  writeFileSync(`${file}.new`, `${token}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  return true;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
