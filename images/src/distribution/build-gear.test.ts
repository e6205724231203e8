// The checked-in WebAssembly must be what its source compiles to.

import { expect, test } from "vitest";
import { bytesOfBase64 } from "../core/chunking/gear-table.ts";
import { gearWasmBase64 } from "../core/chunking/gear-wasm.ts";
import { buildGear } from "./build-gear.ts";

test("Compiling the chunker's source gives the checked-in bytes.", async () => {
  expect(await buildGear()).toEqual(bytesOfBase64(gearWasmBase64));
});
