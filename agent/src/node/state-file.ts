// A JSON document that survives a power cut at any instant: the old text or the new one, never less.
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { FleetError } from "@drover/shared/errors";
import type { z } from "zod";

export class StateFileError extends FleetError {
  readonly code = "state-file-unreadable";
}

/** Writes `text` durably: temporary file, fsync, rename, fsync of the folder. */
export function writeDurably(path: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Reads a document, or undefined when there is none. A damaged one is an error, never a fresh start. */
export function readDocument<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StateFileError(`reading ${path} failed`, { cause });
  }
  try {
    return schema.parse(JSON.parse(text)) as z.infer<Schema>;
  } catch (cause) {
    throw new StateFileError(`${path} is damaged`, { cause });
  }
}
