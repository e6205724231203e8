// QEMU's control socket when QEMU ends at a bad moment.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Qmp } from "./qmp.ts";

let folder = "";
let server: Server;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-qmp-"));
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** A QEMU that does what it is told with every connection. */
async function fakeQemu(onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(folder, "qmp");
  server = createServer({ pauseOnConnect: true }, onConnection);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

test("a QEMU that ends with a command unread answers it with being gone", async () => {
  const path = await fakeQemu((socket) => {
    socket.write('{"QMP": {}}\n');
    // Not a wait for something: the command has to lie unread when the connection ends, which makes it a reset.
    void wait(100).then(() => socket.destroy());
  });
  await expect(Qmp.open(path, 1000)).rejects.toThrow("QMP qmp_capabilities failed: QEMU is gone");
});

test("a QEMU that ends before its greeting is an error, not a wait", async () => {
  const path = await fakeQemu((socket) => socket.destroy());
  await expect(Qmp.open(path, 1000)).rejects.toThrow("before it said a word");
});
