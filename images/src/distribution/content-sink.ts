// Where made content goes: a port for stores, and the plain folder with the layout of content URLs.
// An object appears under its name whole and durable, or not at all.

import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type ContentName,
  type ContentPointer,
  contentPath,
} from "@drover/shared/chunk/content-layout";

/** A store that takes content. Putting an object twice is harmless. */
export interface ContentSink {
  putBytes(name: ContentName, bytes: Uint8Array): Promise<void>;
  /** The file stays where it is. */
  putFile(name: ContentName, path: string): Promise<void>;
  /** `path` is one of the pointer paths of the content layout. */
  putPointer(path: string, pointer: ContentPointer): Promise<void>;
}

/** A sink that writes below `folder`, ready to be served or uploaded as it is. */
export function folderSink(folder: string): ContentSink {
  return {
    putBytes: (name, bytes) => place(folder, contentPath(name), (path) => writeFile(path, bytes)),
    putFile: (name, from) =>
      place(folder, contentPath(name), (path) => copyFile(from, path, constants.COPYFILE_FICLONE)),
    putPointer: (path, pointer) =>
      place(folder, path, (temporary) => writeFile(temporary, `${JSON.stringify(pointer)}\n`)),
  };
}

async function place(
  folder: string,
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const final = join(folder, path);
  const temporary = join(dirname(final), `.${randomUUID()}.part`);
  await mkdir(dirname(final), { recursive: true });
  try {
    await write(temporary);
    await sync(temporary);
    await rename(temporary, final);
    await sync(dirname(final));
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
