// Serves a volatile disk to QEMU, and cuts its power at an exact write. After the cut nothing is
// answered any more: the caller pulls the computer's plug as well.
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { type Random, seededRandom } from "@drover/shared/random";
import { greeting, NbdConnection, type NbdRequest, replyTo } from "./nbd-wire.ts";
import { type CutResult, VolatileDisk } from "./volatile-disk.ts";

export interface NbdDisk {
  /** For the disk's `file` on the QEMU command line. */
  readonly url: string;
  /** Resolves when the power was cut, by number or by {@link NbdDisk.cut}. */
  readonly wasCut: Promise<CutResult>;
  readonly writes: () => number;
  /** Cuts the power now. */
  cut(): void;
  /** Ends in order: everything written reaches the file. */
  close(): Promise<void>;
}

/**
 * Serves `path` on a Unix socket. With `cutBeforeWrite` = n the power fails just before the n-th write
 * is taken; the blocks that survive depend on `seed` alone.
 */
export async function serveVolatileDisk(options: {
  readonly path: string;
  readonly socketPath: string;
  readonly seed: number;
  readonly cutBeforeWrite?: number;
}): Promise<NbdDisk> {
  const disk = new VolatileDisk(options.path);
  const random: Random = seededRandom(options.seed);
  const sockets = new Set<Socket>();
  const { promise: wasCut, resolve: onCut } = Promise.withResolvers<CutResult>();
  let isOver = false;
  const cut = (): void => {
    if (isOver) return;
    isOver = true;
    onCut(disk.cut(random));
  };
  const serve = (socket: Socket, request: NbdRequest): void => {
    if (isOver) return;
    if (request.kind === "disconnect") socket.end();
    else if (request.kind === "write" && disk.writes + 1 === options.cutBeforeWrite) cut();
    else socket.write(answer(disk, request));
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    const connection = new NbdConnection(disk.sizeBytes, (bytes) => socket.write(bytes));
    socket.write(greeting());
    socket.on("data", (bytes) => {
      for (const request of connection.take(Buffer.from(bytes))) serve(socket, request);
    });
    // QEMU that is killed resets its connection; the disk does not care.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  });
  rmSync(options.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.socketPath, resolve);
  });
  return {
    url: `nbd+unix:///?socket=${options.socketPath}`,
    wasCut,
    writes: () => disk.writes,
    cut,
    close: async () => {
      if (!isOver) disk.close();
      isOver = true;
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(
  disk: VolatileDisk,
  request: Exclude<NbdRequest, { kind: "disconnect" }>,
): Uint8Array {
  switch (request.kind) {
    case "read":
      return Buffer.concat([
        replyTo(request.handle),
        disk.read(request.offset, request.lengthBytes),
      ]);
    case "write":
      disk.write(request.offset, request.bytes);
      if (request.isForced) disk.flush();
      return replyTo(request.handle);
    case "flush":
      disk.flush();
      return replyTo(request.handle);
    case "refused":
      return replyTo(request.handle, request.errorNumber);
  }
}
