// The boot programs from real packages: the same bytes in every build, and a core image that fits the
// place a node's disk has for it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeBootCode } from "@drover/shared/disk/boot-code";
import { mebibyte } from "@drover/shared/disk/layout";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BuiltLoader,
  buildLoaderPrograms,
  networkLoaderNames,
  nodeLoaderNames,
} from "./loader-programs.ts";

let folder: string;
let built: BuiltLoader;

const buildTo = (name: string): Promise<BuiltLoader> =>
  buildLoaderPrograms({
    loaderFolder: join(import.meta.dirname, "../../recipes/loader"),
    cacheFolder: join(folder, "cache"),
    outFolder: join(folder, name),
    relock: "when-missing",
  });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "drover-loader-"));
  built = await buildTo("first");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the boot programs", () => {
  it("are the same bytes when they are gathered again", async () => {
    expect((await buildTo("second")).files).toEqual(built.files);
  });

  it("are all there, none of them empty", () => {
    for (const name of [...nodeLoaderNames, ...networkLoaderNames])
      expect(built.files[name]?.sizeBytes, name).toBeGreaterThan(0);
  });

  it("hold a core image that fits half of the BIOS boot partition", () => {
    const read = (name: string): Uint8Array => readFileSync(join(built.folder, name));
    const biosPartition = { offsetBytes: mebibyte, sizeBytes: 2 * mebibyte };
    const images = { bootImage: read("boot.img"), coreImage: read("core.img") };
    expect(() => placeBootCode({ ...images, biosPartition })).not.toThrow();
  });
});
