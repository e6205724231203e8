// Checks that a call to the node API was made by the node it names, once: signature over method, path,
// body and a counter that only rises. The last counters survive a restart of the site agent.
import { createHash } from "node:crypto";
import { NodeId, type SiteId } from "@drover/shared/ids";
import { keyIdOf, type PublicKey, verifySignature } from "@drover/shared/trust/keys";
import { callText } from "../node-api/contract.ts";
import { NodeRefusedError } from "./node-refused-error.ts";
import type { SiteStore } from "./site-store.ts";

export interface SignedCall {
  readonly node: string | undefined;
  readonly counter: string | undefined;
  readonly signature: string | undefined;
  readonly method: string;
  /** Path with query, as it was requested. */
  readonly path: string;
  readonly body: Uint8Array;
}

export class CallVerifier {
  readonly #site: SiteId;
  readonly #store: SiteStore;
  readonly #keyOf: (node: NodeId) => string | undefined;
  readonly #counters: Map<string, number>;

  private constructor(
    site: SiteId,
    store: SiteStore,
    key: (node: NodeId) => string | undefined,
    counters: Map<string, number>,
  ) {
    this.#site = site;
    this.#store = store;
    this.#keyOf = key;
    this.#counters = counters;
  }

  static async open(
    site: SiteId,
    store: SiteStore,
    key: (node: NodeId) => string | undefined,
  ): Promise<CallVerifier> {
    const rows = await store.counters();
    const counters = new Map(rows.map((row) => [`${row.node} ${row.publicKey}`, row.counter]));
    return new CallVerifier(site, store, key, counters);
  }

  /** The node that made the call. Throws {@link NodeRefusedError}. */
  async verify(call: SignedCall): Promise<NodeId> {
    const node = NodeId.safeParse(call.node);
    const counter = Number(call.counter);
    if (!node.success || !Number.isSafeInteger(counter) || counter < 1 || !call.signature)
      throw new NodeRefusedError(401, "signature-missing", "the call is not signed by a node");
    const publicHex = this.#keyOf(node.data);
    if (!publicHex) throw new NodeRefusedError(401, "not-claimed", "no key is known for this node");
    const text = callText({
      site: this.#site,
      node: node.data,
      method: call.method,
      path: call.path,
      bodySha256: createHash("sha256").update(call.body).digest("hex"),
      counter,
    });
    const key: PublicKey = { keytype: "ed25519", scheme: "ed25519", keyval: { public: publicHex } };
    const signature = Buffer.from(call.signature, "base64url");
    if (!verifySignature(key, new TextEncoder().encode(text), signature))
      throw new NodeRefusedError(401, "signature-wrong", "the signature does not fit the call");
    await this.#spend(node.data, publicHex, counter);
    return node.data;
  }

  async #spend(node: NodeId, publicKey: string, counter: number): Promise<void> {
    const place = `${node} ${publicKey}`;
    const last = this.#counters.get(place) ?? 0;
    if (counter <= last)
      throw new NodeRefusedError(409, "counter-too-low", "this counter was used before", last);
    this.#counters.set(place, counter);
    await this.#store.keepCounter(node, publicKey, counter);
  }
}

/** Two groups of four hex digits of the key's id, for people to compare. */
export function shortCodeOf(publicKeyHex: string): string {
  const id = keyIdOf({
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: publicKeyHex },
  });
  return `${id.slice(0, 4)}-${id.slice(4, 8)}`;
}
