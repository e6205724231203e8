// The node API on the site LAN as a Hono app. Bodies are bounded before they are parsed; every failure
// is one small JSON answer; images stream by range from the cache.
import { describeError } from "@drover/shared/errors";
import { ImageId, type NodeId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { Hono } from "hono";
import type { z } from "zod";
import {
  ClaimRequest,
  GrantQuestionRequest,
  InventoryRequest,
  imageFileNames,
  nodeApiPaths,
  type Refused,
  ReportsRequest,
  requestBytesMax,
  signatureHeaders,
} from "../node-api/contract.ts";
import { openFile } from "./boot/boot-files.ts";
import { type CallVerifier, shortCodeOf } from "./call-verifier.ts";
import { answerWithFile, type NodeApp, type NodeContext, type NodeEnv } from "./file-answer.ts";
import type { ImageCache } from "./image-cache.ts";
import { NodeRefusedError } from "./node-refused-error.ts";
import type { SiteService } from "./site-service.ts";

export interface NodeApiParts {
  readonly service: SiteService;
  readonly verifier: CallVerifier;
  readonly cache: Pick<ImageCache, "path">;
  readonly log: Log;
}

/** Streams of image content at the same time; more are told to come back. */
const streamsMax = 32;

export function nodeApi(parts: NodeApiParts): NodeApp {
  const { service, verifier, log } = parts;
  const app = new Hono<NodeEnv>();
  app.onError((error, context) => {
    if (error instanceof NodeRefusedError) {
      const { status, word: code, message: detail, counter } = error;
      const body: Refused = { code, detail, ...(counter === undefined ? {} : { counter }) };
      return context.json(body, status);
    }
    log.error({ path: context.req.path, error: describeError(error) }, "node call failed");
    return context.json({ code: "failed", detail: "the site agent failed" } satisfies Refused, 500);
  });
  app.notFound((context) =>
    context.json({ code: "unknown", detail: "there is nothing here" } satisfies Refused, 404),
  );
  app.post(nodeApiPaths.claim, async (context) => {
    const request = await readBody(context, ClaimRequest);
    if (request.shortCode !== shortCodeOf(request.publicKey))
      throw new NodeRefusedError(400, "short-code-wrong", "the short code is not that of the key");
    return context.json(await service.claim(request));
  });
  app.post(nodeApiPaths.inventory, async (context) =>
    context.json(await service.inventory(await readBody(context, InventoryRequest))),
  );
  app.get(nodeApiPaths.hello, async (context) => {
    const { node } = await signedBy(context, verifier);
    return context.json(service.hello(node));
  });
  app.get(nodeApiPaths.bundle, async (context) => {
    await signedBy(context, verifier);
    return context.json(service.bundle());
  });
  app.post(nodeApiPaths.reports, async (context) => {
    const { node, body } = await signedBy(context, verifier);
    const { reports } = parseJson(body, ReportsRequest);
    await service.takeReports(node, reports);
    return context.json({ taken: reports.length });
  });
  app.post(nodeApiPaths.grant, async (context) => {
    const { node, body } = await signedBy(context, verifier);
    return context.json(await service.askGrant(node, parseJson(body, GrantQuestionRequest)));
  });
  addImageRoute(app, parts);
  return app;
}

async function bytesOf(context: NodeContext): Promise<Uint8Array> {
  const reader = context.req.raw.body?.getReader();
  if (!reader) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    sizeBytes += read.value.length;
    if (sizeBytes > requestBytesMax) {
      await reader.cancel();
      throw new NodeRefusedError(
        413,
        "too-large",
        `a request has at most ${requestBytesMax} bytes`,
      );
    }
    parts.push(read.value);
  }
  return Buffer.concat(parts);
}

async function readBody<Schema extends z.ZodType>(
  context: NodeContext,
  schema: Schema,
): Promise<z.infer<Schema>> {
  return parseJson(await bytesOf(context), schema);
}

function parseJson<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema): z.infer<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new NodeRefusedError(400, "malformed", "the request is not UTF-8 JSON");
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new NodeRefusedError(400, "malformed", "the request does not fit its schema");
  return parsed.data as z.infer<Schema>;
}

async function signedBy(
  context: NodeContext,
  verifier: CallVerifier,
): Promise<{ node: NodeId; body: Uint8Array }> {
  const body = await bytesOf(context);
  const { pathname, search } = new URL(context.req.url);
  const node = await verifier.verify({
    node: context.req.header(signatureHeaders.node),
    counter: context.req.header(signatureHeaders.counter),
    signature: context.req.header(signatureHeaders.signature),
    method: context.req.method,
    path: `${pathname}${search}`,
    body,
  });
  return { node, body };
}

function addImageRoute(app: NodeApp, { cache, log }: NodeApiParts): void {
  let open = 0;
  app.get("/node/v1/image/:imageId/:name", async (context) => {
    const imageId = ImageId.safeParse(context.req.param("imageId"));
    const name = imageFileNames.find((each) => each === context.req.param("name"));
    const path = imageId.success && name ? cache.path(imageId.data, name) : undefined;
    if (!path) throw new NodeRefusedError(404, "image-missing", "the site has no such image file");
    if (open >= streamsMax)
      throw new NodeRefusedError(429, "busy", "too many image streams, come back shortly");
    open += 1;
    try {
      const file = await openFile(path);
      if (!file)
        throw new NodeRefusedError(404, "image-missing", "the site has no such image file");
      return await answerWithFile(context, file, { contentType: "application/octet-stream", log });
    } finally {
      open -= 1;
    }
  });
}
