// Boot HTTP: scripts by computer, files with ranges, and nothing outside the folder.
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@drover/shared/log";
import { type ServerType, serve } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeMac, sampleSite } from "../../core/boot/boot-fixture.ts";
import { folderBootFiles } from "./boot-files.ts";
import { createBootHttp } from "./boot-http.ts";
import type { BootEvent, BootFile } from "./ports.ts";

const big = Uint8Array.from({ length: 700_000 }, (_, index) => index % 253);
const events: BootEvent[] = [];
const clock = { now: () => 0, monotonicMs: () => 0, wait: async () => undefined };
const complaints: string[] = [];
/** A file on a disk that gives up in the middle. */
const worn: BootFile = {
  sizeBytes: big.length,
  readInto: async (buffer, offset) => {
    if (offset > 100_000) throw new Error("input/output error");
    return buffer.length;
  },
  close: async () => undefined,
};
let folder = "";
let server: ServerType;
let port = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-boot-files-"));
  await mkdir(join(folder, "files/sub"), { recursive: true });
  await writeFile(join(folder, "files/vmlinuz"), big);
  await writeFile(join(folder, "files/sub/snponly.efi"), "efi");
  await writeFile(join(folder, "secret"), "secret");
  await symlink(join(folder, "secret"), join(folder, "files/link"));
  const whole = folderBootFiles(join(folder, "files"));
  const app = createBootHttp({
    site: () => sampleSite,
    files: { open: async (name) => (name === "worn" ? worn : await whole.open(name)) },
    clock,
    log: { ...silentLog, error: (_, message) => complaints.push(message) },
    onBootEvent: (event) => events.push(event),
  });
  port = await new Promise<number>((resolve) => {
    server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, (info: AddressInfo) =>
      resolve(info.port),
    );
  });
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** Sends the path as it is: `fetch` would tidy up what an attacker would not. */
function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, headers, method, agent: false });
    asked.once("error", reject);
    asked.once("response", (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.once("error", reject);
      answer.once("end", () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          bytes: Buffer.concat(parts),
        }),
      );
    });
    asked.end();
  });
}

describe("boot HTTP", () => {
  test("the script of a node is served fresh and noted in its timeline", async () => {
    const response = await get(`/boot/ipxe?mac=${nodeMac.replaceAll(":", "-")}&platform=uefi`);
    expect(response.headers["cache-control"]).toBe("no-store");
    expect(response.bytes.toString()).toContain("drover.mode=install");
    expect(events.at(-1)).toMatchObject({ event: "script-install", nodeId: "node-1" });
  });

  test.each(["", "?mac=zz&platform=bios", `?mac=${nodeMac}`, `?mac=${nodeMac}&platform=amiga`])(
    "a script request %j that does not say who asks is refused",
    async (query) => expect((await get(`/boot/ipxe${query}`)).status).toBe(400),
  );

  test("a file is streamed whole and by range", async () => {
    const whole = await get("/boot/files/vmlinuz");
    expect(whole.headers["content-length"]).toBe("700000");
    expect(new Uint8Array(whole.bytes)).toEqual(big);
    expect(events.at(-1)).toMatchObject({ event: "file-sent", bytes: big.length });
    const part = await get("/boot/files/vmlinuz", { range: "bytes=300000-300009" });
    expect([part.status, part.headers["content-range"]]).toEqual([
      206,
      "bytes 300000-300009/700000",
    ]);
    expect(new Uint8Array(part.bytes)).toEqual(big.subarray(300_000, 300_010));
    const tail = await get("/boot/files/vmlinuz", { range: "bytes=-5" });
    expect(tail.bytes.length).toBe(5);
    expect((await get("/boot/files/vmlinuz", { range: "bytes=700000-" })).status).toBe(416);
  });

  test("a file that can't be read to its end breaks the connection off, and nothing else", async () => {
    await expect(get("/boot/files/worn")).rejects.toThrow(/aborted|hang up/);
    expect(complaints).toEqual(["sending broke off"]);
    expect((await get("/boot/files/sub/snponly.efi")).status).toBe(200);
  });

  test("HEAD gives the size without the bytes, and EFI programs have their content type", async () => {
    const head = await get("/boot/files/sub/snponly.efi", {}, "HEAD");
    expect(head.headers["content-length"]).toBe("3");
    expect(head.bytes.length).toBe(0);
    expect(head.headers["content-type"]).toBe("application/efi");
  });

  test.each(["absent", "sub", "link", "..%2Fsecret", "%2e%2e/secret", "sub/../../secret"])(
    "%s is not found",
    async (name) => expect((await get(`/boot/files/${name}`)).status).toBe(404),
  );
});
