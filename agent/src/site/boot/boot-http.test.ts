// Boot HTTP: scripts by computer, files with ranges, and nothing outside the folder.
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeMac, sampleSite } from "../../core/boot/boot-fixture.ts";
import { folderBootFiles } from "./boot-files.ts";
import { createBootHttp } from "./boot-http.ts";
import type { BootEvent } from "./ports.ts";

const big = Uint8Array.from({ length: 700_000 }, (_, index) => index % 253);
const events: BootEvent[] = [];
const clock = { now: () => 0, monotonicMs: () => 0, wait: async () => undefined };
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-boot-files-"));
  await mkdir(join(folder, "files/sub"), { recursive: true });
  await writeFile(join(folder, "files/vmlinuz"), big);
  await writeFile(join(folder, "files/sub/snponly.efi"), "efi");
  await writeFile(join(folder, "secret"), "secret");
  await symlink(join(folder, "secret"), join(folder, "files/link"));
});
afterAll(() => rm(folder, { recursive: true }));

function get(path: string, headers: Record<string, string> = {}, method = "GET") {
  const app = createBootHttp({
    site: () => sampleSite,
    files: folderBootFiles(join(folder, "files")),
    clock,
    onBootEvent: (event) => events.push(event),
  });
  return app.request(path, { headers, method });
}

describe("boot HTTP", () => {
  test("the script of a node is served fresh and noted in its timeline", async () => {
    const response = await get(`/boot/ipxe?mac=${nodeMac.replaceAll(":", "-")}&platform=uefi`);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toContain("drover.mode=install");
    expect(events.at(-1)).toMatchObject({ event: "script-install", nodeId: "node-1" });
  });

  test.each(["", "?mac=zz&platform=bios", `?mac=${nodeMac}`, `?mac=${nodeMac}&platform=amiga`])(
    "a script request %j that does not say who asks is refused",
    async (query) => expect((await get(`/boot/ipxe${query}`)).status).toBe(400),
  );

  test("a file is streamed whole and by range", async () => {
    const whole = await get("/boot/files/vmlinuz");
    expect(whole.headers.get("content-length")).toBe("700000");
    expect(new Uint8Array(await whole.arrayBuffer())).toEqual(big);
    const part = await get("/boot/files/vmlinuz", { range: "bytes=300000-300009" });
    expect([part.status, part.headers.get("content-range")]).toEqual([
      206,
      "bytes 300000-300009/700000",
    ]);
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(big.subarray(300_000, 300_010));
    const tail = await get("/boot/files/vmlinuz", { range: "bytes=-5" });
    expect((await tail.arrayBuffer()).byteLength).toBe(5);
    expect((await get("/boot/files/vmlinuz", { range: "bytes=700000-" })).status).toBe(416);
  });

  test("HEAD gives the size without the bytes, and EFI programs have their content type", async () => {
    const head = await get("/boot/files/sub/snponly.efi", {}, "HEAD");
    expect(head.headers.get("content-length")).toBe("3");
    expect(head.headers.get("content-type")).toBe("application/efi");
  });

  test.each(["absent", "sub", "link", "..%2Fsecret", "%2e%2e/secret", "sub/../../secret"])(
    "%s is not found",
    async (name) => expect((await get(`/boot/files/${name}`)).status).toBe(404),
  );
});
