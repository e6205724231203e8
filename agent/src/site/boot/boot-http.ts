// HTTP for booting: the iPXE script of a computer and the files it names. Everything here is public on
// the LAN, so nothing served holds a secret.
import type { Clock } from "@drover/shared/clock";
import { Hono } from "hono";
import { bootScript, canonicalMac } from "../../core/boot/boot-script.ts";
import type { BootSite } from "../../core/boot/boot-site.ts";
import { parseRange } from "../../core/boot/byte-range.ts";
import { safeFileName } from "../../core/boot/file-name.ts";
import type { BootFile, BootFileSource, OnBootEvent } from "./ports.ts";

export interface BootHttpOptions {
  readonly site: () => BootSite;
  readonly files: BootFileSource;
  readonly clock: Clock;
  readonly onBootEvent: OnBootEvent;
}

/** Held once per transfer, so hundreds of nodes that boot together fit into memory. */
const pieceBytes = 64 * 1024;

/** An app to be mounted at the root of the site's LAN listener: `/boot/ipxe`, `/boot/files/<name>`. */
export function createBootHttp(options: BootHttpOptions): Hono {
  const app = new Hono();
  app.get("/boot/ipxe", (context) => {
    const mac = canonicalMac(context.req.query("mac") ?? "");
    const platform = context.req.query("platform");
    if (mac === undefined || (platform !== "bios" && platform !== "uefi"))
      return context.text("mac and platform=bios|uefi are needed\n", 400);
    const at = options.clock.now();
    const { text, intent, nodeId, because } = bootScript(options.site(), { mac, platform }, at);
    options.onBootEvent({
      at,
      service: "http",
      event: `script-${intent}`,
      mac,
      ...(nodeId === undefined ? {} : { nodeId }),
      because,
    });
    return context.text(text, 200, { "cache-control": "no-store" });
  });
  app.get("/boot/files/:name{.+}", async (context) => {
    const name = safeFileName(context.req.param("name"));
    const file = name === undefined ? undefined : await options.files.open(name);
    if (name === undefined || file === undefined) return context.text("not found\n", 404);
    // Hono answers HEAD by running this handler and dropping the body, which would leave it open.
    const isHead = context.req.raw.method === "HEAD";
    return fileResponse(file, name, context.req.header("range"), isHead, () =>
      options.onBootEvent({
        at: options.clock.now(),
        service: "http",
        event: "file-sent",
        file: name,
        bytes: file.sizeBytes,
        because: [],
      }),
    );
  });
  return app;
}

async function fileResponse(
  file: BootFile,
  name: string,
  rangeHeader: string | undefined,
  isHead: boolean,
  onSent: () => void,
): Promise<Response> {
  const range = parseRange(rangeHeader, file.sizeBytes);
  if (range === "unsatisfiable") {
    await file.close();
    return new Response(null, {
      status: 416,
      headers: { "content-range": `bytes */${file.sizeBytes}` },
    });
  }
  const { first, length } = range ?? { first: 0, length: file.sizeBytes };
  const headers: Record<string, string> = {
    "accept-ranges": "bytes",
    "content-length": String(length),
    "content-type": contentType(name),
  };
  if (range !== undefined)
    headers["content-range"] = `bytes ${first}-${first + length - 1}/${file.sizeBytes}`;
  const status = range === undefined ? 200 : 206;
  if (isHead) {
    await file.close();
    return new Response(null, { status, headers });
  }
  return new Response(streamOf(file, first, length, onSent), { status, headers });
}

/** Reads on demand, so a slow client holds one piece in memory and no more. */
function streamOf(file: BootFile, first: number, length: number, onSent: () => void) {
  let sent = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: async (controller) => {
        if (sent === length) {
          controller.close();
          await file.close();
          onSent();
          return;
        }
        const piece = await file.read(first + sent, Math.min(pieceBytes, length - sent));
        if (piece.length === 0) {
          await file.close();
          controller.error(new Error("boot file became shorter while it was sent"));
          return;
        }
        sent += piece.length;
        controller.enqueue(piece);
      },
      cancel: () => file.close(),
    },
    { highWaterMark: 0 },
  );
}

/** UEFI HTTP boot decides by content type what it was given. */
function contentType(name: string): string {
  return name.toLowerCase().endsWith(".efi") ? "application/efi" : "application/octet-stream";
}
