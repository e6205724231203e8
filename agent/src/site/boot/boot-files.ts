// Boot files from one folder. Only regular files inside it are served: names are checked by the
// caller, and a symbolic link that leads outside is treated as absent.
import { open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import type { BootFile, BootFileSource } from "./ports.ts";

/** Serves the regular files below `folder`. */
export function folderBootFiles(folder: string): BootFileSource {
  return {
    open: async (name) => {
      const path = await insidePath(folder, name);
      return path === undefined ? undefined : openFile(path);
    },
  };
}

async function insidePath(folder: string, name: string): Promise<string | undefined> {
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, name));
    return path.startsWith(root + sep) ? path : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Opens a regular file; undefined for anything else. Throws when it cannot be opened. */
export async function openFile(path: string): Promise<BootFile | undefined> {
  const handle = await open(path, "r");
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    return undefined;
  }
  return {
    sizeBytes: stat.size,
    readInto: async (buffer, offset) =>
      (await handle.read(buffer, 0, buffer.length, offset)).bytesRead,
    close: () => handle.close(),
  };
}

function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}
