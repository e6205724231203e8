// Answers a request with a file, or a range of it, straight onto the socket. One buffer is used again for
// every piece: a fresh one each would let hundreds of megabytes pile up before they are collected.
import type { ServerResponse } from "node:http";
import { describeError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context, Hono } from "hono";
import { parseRange } from "../core/site/byte-range.ts";
import type { BootFile } from "./boot/ports.ts";

/** A request with Node's own response at hand, as `serve` of the Node server makes it. */
export interface NodeEnv {
  Bindings: HttpBindings;
}
export type NodeContext = Context<NodeEnv>;
export type NodeApp = Hono<NodeEnv>;

/** Held once per transfer, so hundreds of nodes that boot together fit into memory. */
const pieceBytes = 64 * 1024;

/**
 * Sends the part of `file` that the request's range names and closes the file, whatever happens. `onSent` is
 * told once the last byte was handed to the network. A file that can't be read to its end breaks the
 * connection off: nothing that follows the header may look like a part of the file.
 */
export async function answerWithFile(
  context: NodeContext,
  file: BootFile,
  options: { readonly contentType: string; readonly log: Log; readonly onSent?: () => void },
): Promise<Response> {
  try {
    const range = parseRange(context.req.header("range"), file.sizeBytes);
    if (range === "unsatisfiable")
      return context.body(null, 416, { "content-range": `bytes */${file.sizeBytes}` });
    const { first, length } = range ?? { first: 0, length: file.sizeBytes };
    const status = range ? 206 : 200;
    const headers = {
      "accept-ranges": "bytes",
      "content-length": String(length),
      "content-type": options.contentType,
      ...(range && { "content-range": `bytes ${first}-${first + length - 1}/${file.sizeBytes}` }),
    };
    // Hono answers HEAD by running the handler of GET and dropping the body.
    if (context.req.raw.method === "HEAD") return context.body(null, status, headers);
    const { outgoing } = context.env;
    outgoing.writeHead(status, headers);
    try {
      if (await pump(file, first, length, outgoing)) {
        outgoing.end();
        options.onSent?.();
      }
    } catch (error) {
      outgoing.destroy();
      options.log.error(
        { path: context.req.path, error: describeError(error) },
        "sending broke off",
      );
    }
    return RESPONSE_ALREADY_SENT;
  } finally {
    await file.close();
  }
}

/** False when the client went away. Throws when the file cannot be read or became shorter. */
async function pump(
  file: BootFile,
  first: number,
  length: number,
  outgoing: ServerResponse,
): Promise<boolean> {
  const buffer = new Uint8Array(Math.min(pieceBytes, length));
  for (let sent = 0; sent < length; ) {
    const wanted = buffer.subarray(0, Math.min(buffer.length, length - sent));
    const bytesRead = await file.readInto(wanted, first + sent);
    if (bytesRead === 0) throw new Error("the file became shorter while it was sent");
    if (!(await handOver(outgoing, wanted.subarray(0, bytesRead)))) return false;
    sent += bytesRead;
  }
  return true;
}

/** Resolves when the bytes may be overwritten; false when the connection is gone. */
function handOver(outgoing: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const onGone = (): void => resolve(false);
    if (outgoing.destroyed) return onGone();
    outgoing.once("close", onGone);
    outgoing.write(bytes, (error) => {
      outgoing.off("close", onGone);
      resolve(!error);
    });
  });
}
