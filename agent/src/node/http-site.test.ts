// Image bytes over real HTTP: never more than was asked for, never fewer, and never from another place.
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ImageId, NodeId, SiteId } from "@drover/shared/ids";
import { afterEach, describe, expect, it } from "vitest";
import { ImageBytesError, nodeSite } from "./http-site.ts";
import type { NodeSite } from "./site-ports.ts";

const imageId = ImageId.parse("cd".repeat(32));
const { signal } = new AbortController();
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function siteWith(answer: RequestListener): Promise<NodeSite> {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as AddressInfo;
  const [site, node] = [SiteId.parse("s-abcd"), NodeId.parse("n-abcd")];
  return nodeSite({ baseUrl: `http://127.0.0.1:${port}`, site, node, sign: (bytes) => bytes });
}

describe("reading an image from the site", () => {
  it("asks for exactly the range it needs", async () => {
    const site = await siteWith((request, response) => {
      expect(request.url).toBe(`/node/v1/image/${imageId}/root`);
      expect(request.headers.range).toBe("bytes=100-103");
      response.writeHead(206).end("abcd");
    });
    const bytes = await site.imageRange(imageId, "root", 100, 4, signal);
    expect(Buffer.from(bytes).toString()).toBe("abcd");
  });

  it("refuses more bytes than asked for, and fewer", async () => {
    const site = await siteWith((request, response) => {
      response.writeHead(request.headers.range ? 206 : 200).end("abcde");
    });
    await expect(site.imageRange(imageId, "root", 0, 4, signal)).rejects.toThrow(ImageBytesError);
    await expect(site.imageRange(imageId, "root", 0, 6, signal)).rejects.toThrow(ImageBytesError);
    await expect(site.imageFile(imageId, "manifest", 4)).rejects.toThrow(ImageBytesError);
  });

  it("refuses a whole file where a range was asked for", async () => {
    const site = await siteWith((_, response) => response.writeHead(200).end("abcd"));
    await expect(site.imageRange(imageId, "root", 0, 4, signal)).rejects.toThrow(/root/);
  });
});
