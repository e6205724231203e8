// The lock file: every package of an image by digest. It names no server, so any mirror that has the
// bytes will do, and none can change them.
import { canonicalJson } from "@drover/shared/canonical-json";
import { FleetError } from "@drover/shared/errors";
import { Sha256 } from "@drover/shared/ids";
import { z } from "zod";

/** The lock file is broken, or does not fit its recipe. */
export class LockError extends FleetError {
  readonly code = "lock-invalid";
}

/** Which of a distribution's archives holds a package. */
export const Archive = z.enum(["debian", "debian-security"]);
export type Archive = z.infer<typeof Archive>;

export const LockedPackage = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]{0,79}$/),
  version: z.string().regex(/^[A-Za-z0-9.+:~-]{1,120}$/),
  architecture: z.enum(["amd64", "all"]),
  archive: Archive,
  /** Path inside the archive. */
  filename: z
    .string()
    .max(400)
    .regex(/^pool\/[A-Za-z0-9+._~/-]+\.deb$/)
    .refine((path) => !path.split("/").includes(".."), "must not contain .."),
  sha256: Sha256,
  sizeBytes: z
    .number()
    .int()
    .min(1)
    .max(2 ** 31),
});
export type LockedPackage = z.infer<typeof LockedPackage>;

export const Lock = z.strictObject({
  schema: z.literal("drover.lock/1"),
  suite: z.string(),
  /** Newest date any used package index states: the build's only notion of time, epoch seconds. */
  builtAtSeconds: z.number().int().min(0),
  /** Digest of what the recipe asks of the archive; another value means the lock is out of date. */
  request: Sha256,
  packages: z.array(LockedPackage).min(1),
});
export type Lock = z.infer<typeof Lock>;

/** Parses a lock file; `source` names it in the error. */
export function parseLock(text: string, source: string): Lock {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new LockError(`lock file ${source} is not JSON`, { cause });
  }
  const result = Lock.safeParse(document);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new LockError(
    `lock file ${source} is not valid: ${issue?.path.join(".")}: ${issue?.message}`,
  );
}

/** The file's text: one package per line, sorted by name, so that a change reads well in a diff. */
export function lockText(lock: Lock): string {
  const sorted = [...lock.packages].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
  );
  const { packages: _, ...head } = lock;
  const lines = sorted.map((entry) => `    ${canonicalJson(entry)}`).join(",\n");
  const headText = Object.entries(head)
    .map(([key, value]) => `  ${JSON.stringify(key)}: ${canonicalJson(value)},\n`)
    .join("");
  return `{\n${headText}  "packages": [\n${lines}\n  ]\n}\n`;
}
