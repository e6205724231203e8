// The node API of the site agent over HTTP. Calls carry the node's signature over a counter that only
// rises; answers are bounded in size and time and parsed before anything looks at them.
import { Agent, type IncomingMessage, request } from "node:http";
import { FleetError } from "@drover/shared/errors";
import type { NodeId, SiteId } from "@drover/shared/ids";
import { sha256Hex } from "@drover/shared/trust/digest";
import type { z } from "zod";
import {
  bundleBytesMax,
  ClaimAnswer,
  callText,
  GrantAnswer,
  HelloAnswer,
  InventoryAnswer,
  imageFilePath,
  NodeBundle,
  nodeApiPaths,
  Refused,
  ReportsAnswer,
  requestBytesMax,
  signatureHeaders,
} from "../node-api/contract.ts";
import type { NodeSite, StrangerSite } from "./site-ports.ts";

/** The site agent did not answer, or answered with something else than the contract. */
export class SiteCallError extends FleetError {
  readonly code = "site-call-failed";
}

/** The site agent answered with a refusal. */
export class SiteRefusedError extends FleetError {
  readonly code = "site-refused";
  readonly refusal: Refused;

  constructor(refusal: Refused) {
    super(`the site agent refused: ${refusal.detail}`);
    this.refusal = refusal;
  }
}

/** Who signs. `sign` answers the 64 bytes of an Ed25519 signature. */
export interface CallSigner {
  readonly site: SiteId;
  readonly node: NodeId;
  sign(bytes: Uint8Array): Uint8Array;
}

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  readonly bytesMax: number;
  /** Content named by digest needs no name of who asks. */
  readonly isPublic?: boolean;
  readonly range?: { readonly first: number; readonly last: number };
  readonly signal?: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly bytes: Uint8Array;
}

const timeoutMs = 30_000;

async function collect(message: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of message as AsyncIterable<Buffer>) {
    sizeBytes += part.length;
    if (sizeBytes > bytesMax)
      throw new SiteCallError(`the answer is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function exchange(
  url: URL,
  call: Call,
  body: Uint8Array,
  headers: Record<string, string>,
  agent: Agent,
): Promise<Answer> {
  const limits = [AbortSignal.timeout(timeoutMs), ...(call.signal ? [call.signal] : [])];
  const signal = AbortSignal.any(limits);
  // Only what may be repeated goes over a kept connection, which the other end may just be closing.
  const options = { method: call.method, headers, signal, agent: call.method === "GET" && agent };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (message) => {
      collect(message, call.bytesMax).then(
        (bytes) => resolve({ status: message.statusCode ?? 0, bytes }),
        reject,
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Calls to one site agent; `signer` is missing while the computer is no node yet. */
export class SiteCalls implements NodeSite, StrangerSite {
  readonly #baseUrl: string;
  readonly #signer: CallSigner | undefined;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2, timeout: timeoutMs });
  #counter: number;

  /** `counterStart` is best taken from the wall clock, so that it rises over restarts. */
  constructor(baseUrl: string, counterStart: number, signer?: CallSigner) {
    this.#baseUrl = baseUrl;
    this.#counter = counterStart;
    this.#signer = signer;
  }

  inventory: StrangerSite["inventory"] = (body) =>
    this.#json("POST", nodeApiPaths.inventory, InventoryAnswer, body);

  claim: StrangerSite["claim"] = (body) =>
    this.#json("POST", nodeApiPaths.claim, ClaimAnswer, body);

  hello: NodeSite["hello"] = () => this.#json("GET", nodeApiPaths.hello, HelloAnswer);

  bundle: NodeSite["bundle"] = () =>
    this.#json("GET", nodeApiPaths.bundle, NodeBundle, undefined, bundleBytesMax);

  askGrant: NodeSite["askGrant"] = ({ nonce, imageId, rolloutId, rolloutEpoch }) =>
    this.#json("POST", nodeApiPaths.grant, GrantAnswer, {
      nonce,
      imageId,
      rolloutId,
      rolloutEpoch,
    });

  sendReports: NodeSite["sendReports"] = async (reports) => {
    const { taken } = await this.#json("POST", nodeApiPaths.reports, ReportsAnswer, { reports });
    if (taken !== reports.length)
      throw new SiteCallError(`the site agent took ${taken} of ${reports.length} reports`);
  };

  imageFile: NodeSite["imageFile"] = async (imageId, name, bytesMax) => {
    const { status, bytes } = await this.#send({
      method: "GET",
      path: imageFilePath(imageId, name),
      isPublic: true,
      bytesMax,
    });
    if (status !== 200) throw new SiteCallError(`${name} of image ${imageId} came with ${status}`);
    return bytes;
  };

  imageRange: NodeSite["imageRange"] = async (imageId, name, offset, lengthBytes, signal) => {
    const { status, bytes } = await this.#send({
      method: "GET",
      path: imageFilePath(imageId, name),
      isPublic: true,
      bytesMax: lengthBytes,
      range: { first: offset, last: offset + lengthBytes - 1 },
      signal,
    });
    if (status !== 206 || bytes.length !== lengthBytes)
      throw new SiteCallError(
        `bytes ${offset}+${lengthBytes} of ${name} of image ${imageId} came with ${status}`,
      );
    return bytes;
  };

  async #json<Schema extends z.ZodType>(
    method: Call["method"],
    path: string,
    schema: Schema,
    body?: unknown,
    bytesMax = requestBytesMax,
  ): Promise<z.infer<Schema>> {
    const answer = await this.#send({ method, path, body, bytesMax });
    const parsed = schema.safeParse(jsonOf(answer.bytes));
    if (answer.status === 200 && parsed.success) return parsed.data as z.infer<Schema>;
    throw new SiteCallError(`${method} ${path} came with ${answer.status} and no usable answer`, {
      cause: parsed.error,
    });
  }

  /** One call; once more with a higher counter when the site agent has seen a higher one. */
  async #send(call: Call): Promise<Answer> {
    const answer = await this.#sendOnce(call);
    const refusal = refusalOf(answer);
    if (!refusal) return answer;
    if (refusal.counter === undefined) throw new SiteRefusedError(refusal);
    this.#counter = Math.max(this.#counter, refusal.counter);
    const second = await this.#sendOnce(call);
    const again = refusalOf(second);
    if (again) throw new SiteRefusedError(again);
    return second;
  }

  async #sendOnce(call: Call): Promise<Answer> {
    const body = Buffer.from(call.body === undefined ? "" : JSON.stringify(call.body));
    const headers: Record<string, string> = { "content-length": String(body.length) };
    if (call.body !== undefined) headers["content-type"] = "application/json";
    if (call.range) headers["range"] = `bytes=${call.range.first}-${call.range.last}`;
    Object.assign(headers, this.#signature(call, body));
    try {
      return await exchange(new URL(call.path, this.#baseUrl), call, body, headers, this.#agent);
    } catch (cause) {
      call.signal?.throwIfAborted();
      throw new SiteCallError(`${call.method} ${call.path} at ${this.#baseUrl} failed`, { cause });
    }
  }

  #signature({ method, path, isPublic }: Call, body: Uint8Array): Record<string, string> {
    const signer = this.#signer;
    if (!signer || isPublic) return {};
    this.#counter += 1;
    const { site, node } = signer;
    const counter = this.#counter;
    const text = callText({ site, node, method, path, bodySha256: sha256Hex(body), counter });
    return {
      [signatureHeaders.node]: node,
      [signatureHeaders.counter]: String(counter),
      [signatureHeaders.signature]: Buffer.from(signer.sign(Buffer.from(text))).toString(
        "base64url",
      ),
    };
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // Not JSON is not an answer; the caller's schema says so.
    return undefined;
  }
}

function refusalOf({ status, bytes }: Answer): Refused | undefined {
  if (status < 400) return undefined;
  const parsed = Refused.safeParse(jsonOf(bytes));
  return parsed.success
    ? parsed.data
    : { code: "http", detail: `HTTP status ${status} without a reason` };
}
