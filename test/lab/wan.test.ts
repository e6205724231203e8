// The lab's WAN carries bytes while it is up, loses them silently while it is cut, and goes on after.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createNamespace, type LabNamespace } from "./namespace.ts";
import { type SiteHost, startSiteHost } from "./site-host.ts";
import { startWan, type WanLink } from "./wan.ts";

let folder: string;
let echo: Server;
let site: LabNamespace;
let wan: WanLink;
let talker: SiteHost;

/** Sends a numbered line a second from inside the site and prints what comes back. */
const talkerScript = (port: number): string => `
import { connect } from "node:net";
let n = 0;
const socket = connect(${port}, "127.0.0.1");
socket.on("data", (bytes) => process.stdout.write("back " + bytes));
setInterval(() => socket.write((n += 1) + "\\n"), 100);
`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "drover-wan-"));
  echo = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  const address = echo.address();
  const port = typeof address === "object" && address ? address.port : 0;
  site = createNamespace({ taps: 0 });
  wan = await startWan({ site, ports: [port], runFolder: folder });
  const script = join(folder, "talker.mjs");
  writeFileSync(script, talkerScript(port));
  talker = startSiteHost({ namespace: site, runFolder: folder, name: "talker", script, args: [] });
});
afterAll(async () => {
  await talker?.stop("SIGKILL");
  await wan?.close();
  site?.close();
  echo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const linesBack = (): number =>
  talker.console.lines.filter((line) => line.text.startsWith("back ")).length;

test("bytes pass while the link is up, vanish while it is cut, and arrive after it is restored", async () => {
  await talker.waitFor(/^back /, 2000);
  wan.cut();
  // Let what is already under way arrive before counting silence.
  await new Promise<void>((resolve) => spawn("sleep", ["0.5"]).once("exit", () => resolve()));
  const before = linesBack();
  await new Promise<void>((resolve) => spawn("sleep", ["1"]).once("exit", () => resolve()));
  expect(linesBack()).toBe(before);
  wan.restore();
  await expect.poll(linesBack, { timeout: 60_000 }).toBeGreaterThan(before);
  expect(wan.downBytes()).toBeGreaterThan(0);
});
