// The site's own identity in its data folder: the nkey seed (mode 0600, never leaves the box) and what
// enrolment answered. Enrolling twice with the same folder is a mistake and is refused by the token.
import { chmod, mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { agentApi, Connection } from "@drover/shared/api/agent-api";
import { call } from "@drover/shared/api/client";
import { readEnrolment } from "@drover/shared/enrolment";
import { FleetError } from "@drover/shared/errors";
import { DsseEnvelope } from "@drover/shared/trust/dsse";
import { generateNkey, type Nkey, nkeyFromSeed } from "@drover/shared/trust/nkey";
import { z } from "zod";
import { type Centre, httpsCentre } from "./centre.ts";
import { fetchAuthority } from "./pinned-authority.ts";

export const SiteIdentity = z.object({
  v: z.literal(1),
  url: z.string(),
  connection: Connection,
  /** What trust starts from. */
  root: z.string(),
  trustFile: DsseEnvelope,
});
export type SiteIdentity = z.infer<typeof SiteIdentity>;

export class IdentityError extends FleetError {
  readonly code = "site-identity-broken";
}

const identityFile = "identity.json";
const seedFile = "site.nk";

/** Writes a file whole or not at all, durably: temporary name, fsync, rename, fsync of the folder. */
export async function writeWhole(path: string, text: string, mode = 0o600): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(join(path, ".."), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The nkey of the folder; made on first use. */
export async function openNkey(folder: string): Promise<Nkey> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, seedFile);
  const seed = await readIfThere(path);
  if (seed !== undefined) {
    await chmod(path, 0o600);
    return nkeyFromSeed("user", seed.trim());
  }
  const nkey = generateNkey("user");
  await writeWhole(path, `${nkey.seed}\n`);
  return nkey;
}

export async function readIdentity(folder: string): Promise<SiteIdentity | undefined> {
  const text = await readIfThere(join(folder, identityFile));
  if (text === undefined) return undefined;
  try {
    return SiteIdentity.parse(JSON.parse(text));
  } catch (cause) {
    throw new IdentityError(`reading ${identityFile} in ${folder} failed`, { cause });
  }
}

export async function keepIdentity(folder: string, identity: SiteIdentity): Promise<void> {
  await writeWhole(join(folder, identityFile), JSON.stringify(identity));
}

/** Binds the folder's nkey to a site with the single-use token of the enrolment string. */
export async function enrol(
  folder: string,
  enrolmentText: string,
  agentVersion: string,
): Promise<SiteIdentity> {
  const enrolment = readEnrolment(enrolmentText);
  const nkey = await openNkey(folder);
  const caPem = await fetchAuthority(enrolment.url, enrolment.caFingerprint);
  const centre: Centre = httpsCentre({ url: enrolment.url, caPem });
  try {
    const answer = await call(centre.send(), agentApi.enrol, {
      body: { token: enrolment.token, nkey: nkey.public, agentVersion },
    });
    const { root, trustFile, ...connection } = answer;
    const identity: SiteIdentity = {
      v: 1,
      url: enrolment.url,
      // The authority that was pinned stays the one in force, whatever the answer says.
      connection: { ...connection, caPem },
      root,
      trustFile,
    };
    await keepIdentity(folder, identity);
    return identity;
  } finally {
    centre.close();
  }
}
