// The node API of the site agent as installer and node agent use it. Image bytes are bounded before they
// are kept, and a read that stalls is given up, so that it can be tried again.
import { FleetError } from "@drover/shared/errors";
import { claimNode, type NodeCaller, NodeClient, sendInventory } from "../node-api/client.ts";
import type { NodeSite, StrangerSite } from "./site-ports.ts";

/** The site sent another number of image bytes than it was asked for. */
export class ImageBytesError extends FleetError {
  readonly code = "image-bytes-wrong";
}

/** One read is at most a mebibyte, or a whole small file. */
const readMs = 60_000;

async function collect(parts: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const kept: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of parts) {
    sizeBytes += part.length;
    if (sizeBytes > bytesMax)
      throw new ImageBytesError(`the site sent more than the ${bytesMax} bytes asked for`);
    kept.push(part);
  }
  return Buffer.concat(kept);
}

export function strangerSite(baseUrl: string): StrangerSite {
  return {
    inventory: (request) => sendInventory(baseUrl, request),
    claim: (request) => claimNode(baseUrl, request),
  };
}

export function nodeSite(caller: NodeCaller): NodeSite {
  const client = new NodeClient(caller);
  return {
    hello: () => client.greet(),
    bundle: () => client.bundle(),
    askGrant: (question) => client.askGrant(question),
    sendReports: (reports) => client.sendReports(reports),
    imageFile: (imageId, name, bytesMax) =>
      collect(client.image(imageId, name, undefined, AbortSignal.timeout(readMs)), bytesMax),
    async imageRange(imageId, name, offset, lengthBytes, signal) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(readMs)]);
      const range = { offset, sizeBytes: lengthBytes };
      const bytes = await collect(client.image(imageId, name, range, limit), lengthBytes);
      if (bytes.length === lengthBytes) return bytes;
      throw new ImageBytesError(`${bytes.length} of ${lengthBytes} bytes of ${name} came`);
    },
  };
}
