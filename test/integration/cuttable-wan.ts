// An HTTPS proxy before a control plane that plays the WAN: it counts every content byte that went to the site
// and can cut the connection after an exact number of them. Cut means: what was sent arrived, nothing else does.
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { TestControlPlane } from "./with-control-plane.ts";

export interface CuttableWan {
  /** How often each byte of an object was sent, by path. */
  readonly sent: ReadonlyMap<string, Uint8Array>;
  /** Content bytes sent so far. */
  sentBytes(): number;
  /** Cuts once that many content bytes were sent in all; resolves when the cut was noticed by the site. */
  cutAfter(bytes: number): Promise<void>;
  mend(): void;
  close(): Promise<void>;
}

const pathOf = ({ url = "/" }: IncomingMessage): string =>
  new URL(url, "https://centre").pathname.slice(1);

function count(counts: Uint8Array, from: number, sizeBytes: number): void {
  for (let at = from; at < from + sizeBytes; at += 1) counts[at] = (counts[at] ?? 0) + 1;
}

export async function openCuttableWan(
  centre: TestControlPlane,
  port: number,
): Promise<CuttableWan> {
  const sent = new Map<string, Uint8Array>();
  const wan = { sentBytes: 0, cutAt: Number.POSITIVE_INFINITY, isCut: false, noticed: () => {} };
  const sockets = new Set<Socket>();
  const read = (name: string) => readFileSync(join(centre.data, "tls", name));

  // Sites know the centre by its authority, so that is shown as well.
  const chain = Buffer.concat([read("server.crt"), read("authority.crt")]);

  const cut = (): void => {
    for (const socket of sockets) socket.end();
  };
  const pass = (incoming: IncomingMessage, answer: IncomingMessage, out: ServerResponse): void => {
    const path = pathOf(incoming);
    out.writeHead(answer.statusCode ?? 500, answer.headers);
    const isCounted = path.startsWith("content/") && answer.statusCode !== 404;
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(String(answer.headers["content-range"] ?? ""));
    const sizeBytes = Number(range?.[2] ?? answer.headers["content-length"] ?? 0);
    const counts = sent.get(path) ?? new Uint8Array(sizeBytes);
    if (isCounted) sent.set(path, counts);
    let at = Number(range?.[1] ?? 0);
    answer.on("data", (piece: Buffer) => {
      if (wan.isCut) return;
      const allowed = isCounted ? piece.subarray(0, wan.cutAt - wan.sentBytes) : piece;
      const isLast = allowed.length < piece.length;
      wan.isCut ||= isLast;
      // Only what has left may be counted as sent, so the connections end after it.
      out.write(allowed, () => (isLast ? cut() : undefined));
      if (isCounted) {
        count(counts, at, allowed.length);
        at += allowed.length;
        wan.sentBytes += allowed.length;
      }
    });
    answer.on("end", () => (wan.isCut ? undefined : out.end()));
  };
  const server = createServer({ cert: chain, key: read("server.key") }, (incoming, out) => {
    const { method, headers, url = "/" } = incoming;
    if (wan.isCut) {
      // The site asks again, so it has taken all that came before.
      if (pathOf(incoming).startsWith("content/")) wan.noticed();
      incoming.socket.destroy();
      return;
    }
    const forward = request(
      new URL(url, centre.url),
      { method, headers, ca: centre.caPem },
      (answer) => pass(incoming, answer, out),
    );
    forward.on("error", () => out.destroy());
    incoming.pipe(forward);
  });
  server.on("secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((settle) => server.listen(port, "127.0.0.1", settle));
  return {
    sent,
    sentBytes: () => wan.sentBytes,
    cutAfter: (bytes) =>
      new Promise((settle) => {
        wan.noticed = settle;
        wan.cutAt = bytes;
      }),
    mend() {
      wan.isCut = false;
      wan.cutAt = Number.POSITIVE_INFINITY;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((settle) => server.close(settle));
    },
  };
}
