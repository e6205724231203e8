// The node's side of the node API. Answers are bounded and checked; a refused counter is raised and the
// call repeated, so that a reboot or a lost answer never locks a node out.
import { FleetError } from "@drover/shared/errors";
import type { ImageId, NodeId, SiteId } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import { sha256Hex } from "@drover/shared/trust/digest";
import type { z } from "zod";
import type { GrantQuestion, SiteUplink } from "../node-ports.ts";
import {
  bundleBytesMax,
  ClaimAnswer,
  type ClaimRequest,
  callText,
  GrantAnswer,
  HelloAnswer,
  type ImageFileName,
  InventoryAnswer,
  type InventoryRequest,
  imageFilePath,
  NodeBundle,
  nodeApiPaths,
  Refused,
  ReportsAnswer,
  signatureHeaders,
} from "./contract.ts";

/** The site agent refused, or what answered is no site agent. */
export class NodeCallError extends FleetError {
  readonly code = "node-call-failed";
  readonly status: number;
  readonly word: string;

  constructor(status: number, word: string, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.status = status;
    this.word = word;
  }
}

export interface NodeCaller {
  readonly baseUrl: string;
  readonly site: SiteId;
  readonly node: NodeId;
  /** Signs with the node's Ed25519 key. */
  sign(bytes: Uint8Array): Uint8Array;
}

const timeoutMs = 40_000;
const counterRetriesMax = 4;
const answerBytesMax = 512 * 1024;

export class NodeClient implements SiteUplink {
  readonly #caller: NodeCaller;
  #counter = 0;

  constructor(caller: NodeCaller) {
    this.#caller = caller;
  }

  /** What the site agent says of itself and this node; throws when it does not answer. */
  greet(): Promise<HelloAnswer> {
    return this.#call("GET", nodeApiPaths.hello, undefined, HelloAnswer);
  }

  async hello(): Promise<boolean> {
    try {
      const { site, node } = await this.greet();
      return site === this.#caller.site && node === this.#caller.node;
    } catch {
      // Any failure is the answer: the site agent does not answer this node.
      return false;
    }
  }

  /** Everything the node verifies and decides from. */
  bundle(): Promise<NodeBundle> {
    return this.#call("GET", nodeApiPaths.bundle, undefined, NodeBundle, bundleBytesMax);
  }

  askGrant({ nonce, imageId, rolloutId, rolloutEpoch }: GrantQuestion): Promise<GrantAnswer> {
    const body = { nonce, imageId, rolloutId, rolloutEpoch };
    return this.#call("POST", nodeApiPaths.grant, body, GrantAnswer);
  }

  async sendReports(reports: readonly Report[]): Promise<void> {
    if (reports.length === 0) return;
    await this.#call("POST", nodeApiPaths.reports, { reports }, ReportsAnswer);
  }

  /** Bytes of one image file, or of a range of it; the caller verifies every one of them. */
  async *image(
    imageId: ImageId,
    name: ImageFileName,
    range: { readonly offset: number; readonly sizeBytes: number } | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const url = new URL(imageFilePath(imageId, name), this.#caller.baseUrl);
    const headers: Record<string, string> = range
      ? { range: `bytes=${range.offset}-${range.offset + range.sizeBytes - 1}` }
      : {};
    const answer = await fetch(url, { headers, signal });
    if (answer.status !== (range ? 206 : 200) || !answer.body) {
      await answer.body?.cancel();
      throw new NodeCallError(answer.status, "image", `reading ${name} of ${imageId} failed`);
    }
    yield* answer.body;
  }

  async #call<Schema extends z.ZodType>(
    method: "GET" | "POST",
    path: string,
    body: unknown,
    schema: Schema,
    bytesMax = answerBytesMax,
  ): Promise<z.infer<Schema>> {
    const text = body === undefined ? "" : JSON.stringify(body);
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#once(method, path, text, schema, bytesMax);
      } catch (error) {
        const isCounter = error instanceof CounterError && attempt < counterRetriesMax;
        if (!isCounter) throw error;
        this.#counter = Math.max(this.#counter, error.counter);
      }
    }
  }

  async #once<Schema extends z.ZodType>(
    method: "GET" | "POST",
    path: string,
    body: string,
    schema: Schema,
    bytesMax: number,
  ): Promise<z.infer<Schema>> {
    const { baseUrl, site, node, sign } = this.#caller;
    this.#counter += 1;
    const counter = this.#counter;
    const bodySha256 = sha256Hex(body);
    const signed = callText({ site, node, method, path, bodySha256, counter });
    const signature = Buffer.from(sign(new TextEncoder().encode(signed))).toString("base64url");
    const headers: Record<string, string> = {
      [signatureHeaders.node]: node,
      [signatureHeaders.counter]: String(counter),
      [signatureHeaders.signature]: signature,
    };
    return await exchange(new URL(path, baseUrl), { method, headers, body }, schema, bytesMax);
  }
}

class CounterError extends NodeCallError {
  readonly counter: number;

  constructor(refused: Refused, counter: number) {
    super(409, refused.code, refused.detail);
    this.counter = counter;
  }
}

async function exchange<Schema extends z.ZodType>(
  url: URL,
  request: { method: "GET" | "POST"; headers: Record<string, string>; body: string },
  schema: Schema,
  bytesMax: number,
): Promise<z.infer<Schema>> {
  const { method, headers, body } = request;
  const answer = await fetch(url, {
    method,
    headers: { ...headers, "content-type": "application/json" },
    signal: AbortSignal.timeout(timeoutMs),
    redirect: "error",
    ...(method === "POST" ? { body } : {}),
  });
  const json = parse(await boundedText(answer, bytesMax), answer.status);
  if (answer.status !== 200) {
    const refused = Refused.safeParse(json);
    if (!refused.success)
      throw new NodeCallError(answer.status, "unknown", `the site agent answered ${answer.status}`);
    const { counter, code, detail } = refused.data;
    if (counter !== undefined) throw new CounterError(refused.data, counter);
    throw new NodeCallError(answer.status, code, detail);
  }
  const result = schema.safeParse(json);
  if (!result.success)
    throw new NodeCallError(200, "malformed", `the answer of ${url.pathname} is not understood`, {
      cause: result.error,
    });
  return result.data as z.infer<Schema>;
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NodeCallError(status, "malformed", "the site agent's answer is not JSON", { cause });
  }
}

async function boundedText(answer: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of answer.body ?? []) {
    sizeBytes += part.length;
    if (sizeBytes > bytesMax)
      throw new NodeCallError(answer.status, "too-large", "the site agent's answer is too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Becomes a node: unsigned, once per install intent. */
export function claimNode(baseUrl: string, request: ClaimRequest): Promise<ClaimAnswer> {
  const body = JSON.stringify(request);
  const url = new URL(nodeApiPaths.claim, baseUrl);
  return exchange(url, { method: "POST", headers: {}, body }, ClaimAnswer, answerBytesMax);
}

/** Tells the site what was found on this computer, and learns whether an install is ordered. */
export function sendInventory(
  baseUrl: string,
  request: InventoryRequest,
): Promise<InventoryAnswer> {
  const body = JSON.stringify(request);
  const url = new URL(nodeApiPaths.inventory, baseUrl);
  return exchange(url, { method: "POST", headers: {}, body }, InventoryAnswer, answerBytesMax);
}
