// Content by digest: anyone may read it, since every reader verifies what it gets; only release managers may
// put it. Pointers are small, replaceable and verified by what they point at.
import { contentKinds, parseContentPath } from "@drover/shared/chunk/content-layout";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type CallerOptions, requirePerson, requireRight } from "./callers.ts";
import { notFound, RequestError } from "./problem.ts";

interface Name {
  readonly kind: (typeof contentKinds)[number];
  readonly digest: string;
}

export interface ContentDesk {
  put(name: Name, bytes: AsyncIterable<Uint8Array>): Promise<boolean>;
  get(name: Name): Promise<
    | {
        readonly sizeBytes: number;
        read(range?: { start: number; end: number }): ReadableStream<Uint8Array>;
      }
    | undefined
  >;
  putPointer(path: string, text: string): Promise<void>;
  getPointer(path: string): Promise<string | undefined>;
}

export interface ContentOptions {
  readonly desk: ContentDesk;
  readonly callers: CallerOptions;
  readRange(
    header: string | undefined,
    sizeBytes: number,
  ):
    | { readonly kind: "whole" }
    | { readonly kind: "part"; readonly start: number; readonly end: number }
    | { readonly kind: "unsatisfiable" };
  isPointerPath(path: string): boolean;
}

const pointerBytesMax = 4096;
const pathOf = (context: Context): string => context.req.path.slice(1);

export function serveContent(app: OpenAPIHono, options: ContentOptions): void {
  const { desk, callers } = options;
  app.get("/content/*", (context) => getObject(context, options));
  app.put("/content/*", async (context) => {
    requireRight(await requirePerson(context, callers), "release");
    const body = context.req.raw.body;
    if (!body) throw new RequestError(400, "body-needed", "the request has no body");
    const isNew = await desk.put(nameOf(context), body);
    return context.json({ stored: isNew }, isNew ? 201 : 200);
  });
  app.get("/pointer/*", async (context) => {
    const path = pointerPathOf(context, options);
    const text = await desk.getPointer(path);
    if (text === undefined) throw notFound(path);
    return context.body(text, 200, {
      "content-type": "application/json",
      "cache-control": "public, max-age=30",
    });
  });
  app.put("/pointer/*", async (context) => {
    requireRight(await requirePerson(context, callers), "release");
    const path = pointerPathOf(context, options);
    const text = await context.req.text();
    if (text.length > pointerBytesMax)
      throw new RequestError(413, "content-too-large", "a pointer is at most 4096 bytes");
    await desk.putPointer(path, text);
    return context.json({ stored: true });
  });
}

function nameOf(context: Context): Name {
  const name = parseContentPath(pathOf(context));
  if (!name)
    throw new RequestError(
      404,
      "not-found",
      `content is named content/<kind>/<sha256> with a kind of ${contentKinds.join(", ")}`,
    );
  return name;
}

function pointerPathOf(context: Context, options: ContentOptions): string {
  const path = pathOf(context);
  if (!options.isPointerPath(path)) throw notFound("this path");
  return path;
}

async function getObject(context: Context, options: ContentOptions): Promise<Response> {
  const name = nameOf(context);
  const object = await options.desk.get(name);
  if (!object) throw notFound(`content/${name.kind}/${name.digest}`);
  const etag = `"${name.digest}"`;
  const headers = {
    "content-type": "application/octet-stream",
    "cache-control": "public, max-age=31536000, immutable",
    "accept-ranges": "bytes",
    etag,
  };
  if (context.req.header("if-none-match") === etag) return context.body(null, 304, headers);
  const range = options.readRange(context.req.header("range"), object.sizeBytes);
  const size = object.sizeBytes;
  if (range.kind === "unsatisfiable")
    return context.body(null, 416, { ...headers, "content-range": `bytes */${size}` });
  const { status, length, more } =
    range.kind === "whole"
      ? { status: 200 as const, length: size, more: {} }
      : {
          status: 206 as const,
          length: range.end - range.start + 1,
          more: { "content-range": `bytes ${range.start}-${range.end}/${size}` },
        };
  const all = { ...headers, ...more, "content-length": String(length) };
  if (context.req.method === "HEAD") return context.body(null, status, all);
  const body = range.kind === "whole" ? object.read() : object.read(range);
  return context.body(body, status, all);
}
