// Secret keys as files of mode 0600, one per key. A file appears whole or not at all, and a key that is
// there is never replaced.
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FleetError } from "@drover/shared/errors";
import type { z } from "zod";

/** A key file is missing, unreadable, or holds something else. */
export class KeyFileError extends FleetError {
  readonly code = "key-file-broken";
}

/** Reads one key file, or undefined when there is none. Throws {@link KeyFileError} on a damaged one. */
export function readKeyFile<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new KeyFileError(`the key file ${file} can't be read`, { cause });
  }
  try {
    return schema.parse(JSON.parse(text)) as z.infer<Schema>;
  } catch (cause) {
    throw new KeyFileError(`the key file ${file} is damaged; restore it from a backup`, { cause });
  }
}

/** Writes a new key file; an existing one of that name wins and is left alone. */
export function writeKeyFile(file: string, content: unknown): void {
  const text = typeof content === "string" ? content : `${JSON.stringify(content, undefined, 2)}\n`;
  const fresh = `${file}.${process.pid}.new`;
  writeFileSync(fresh, text, { mode: 0o600, flush: true });
  try {
    linkSync(fresh, file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Makes the folder with mode 0700 when it is missing. */
export function makeKeyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

export const keyFile = (folder: string, name: string): string => join(folder, `${name}.json`);
