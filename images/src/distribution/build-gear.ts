// Compiles gear.as to WebAssembly. Its own test compares the result with the checked-in bytes, so
// they can't drift from their source; a printed base64 text goes into gear-wasm.ts.

import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";

/** The compiled module. Throws when the compiler reports an error. */
export async function buildGear(): Promise<Uint8Array> {
  const source = readFileSync(new URL("../core/chunking/gear.as", import.meta.url), "utf8");
  let binary: Uint8Array | undefined;
  const options = ["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "-o", "gear.wasm"];
  const { error, stderr } = await asc.main(["gear.ts", ...options], {
    readFile: (name) => (name === "gear.ts" ? source : null),
    writeFile: (name, contents) => {
      if (name === "gear.wasm" && typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) {
    throw new Error(`compiling gear.as failed: ${stderr.toString()}`, { cause: error });
  }
  return binary;
}
