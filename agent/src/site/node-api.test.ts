// The node API over a real socket: claims, signed calls, replays, bounds and image ranges.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageId } from "@drover/shared/ids";
import { silentLog } from "@drover/shared/log";
import type { OutboxId, Report } from "@drover/shared/messages/report";
import { sha256Hex } from "@drover/shared/trust/digest";
import { generateKey, signerOf } from "@drover/shared/trust/keys";
import { serve } from "@hono/node-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { claimNode, NodeClient } from "../node-api/client.ts";
import { callText, imageFilePath, nodeApiPaths, signatureHeaders } from "../node-api/contract.ts";
import { systemClock } from "../system-clock.ts";
import { TrustKeeper } from "../trust-keeper.ts";
import { CallVerifier, shortCodeOf } from "./call-verifier.ts";
import { type Database, openDatabase } from "./database.ts";
import { FakeCentre, testNode, testSite } from "./fake-centre.ts";
import { GrantDesk } from "./grant-desk.ts";
import { nodeApi } from "./node-api.ts";
import { Outbox } from "./outbox.ts";
import { SiteService } from "./site-service.ts";
import { SiteStore } from "./site-store.ts";

const imageId = "c".repeat(64) as ImageId;
const key = generateKey("node");
const publicKey = key.public.keyval.public;
const node = { ...testNode(1), install: { serial: 1, issuedAt: 0 } };
type NodeEvent = Extract<Report, { kind: "node-event" }>;

const claim = {
  macs: node.macs,
  serial: "",
  publicKey,
  installSerial: 1,
  shortCode: shortCodeOf(publicKey),
};

let folder = "";
let database: Database;
let service: SiteService;
let store: SiteStore;
let outbox: Outbox;
let baseUrl = "";
let close: () => void;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "node-api-"));
  database = openDatabase(
    join(folder, "site.sqlite"),
    new URL("./database-worker.ts", import.meta.url),
  );
  store = new SiteStore(database, testSite);
  outbox = await Outbox.open(store, "o-testtest" as OutboxId);
  const centre = new FakeCentre([node, testNode(2)]);
  const keeper = TrustKeeper.first(testSite, centre.root, centre.trustFile());
  keeper.learnDesired(centre.desiredBody());
  const desk = new GrantDesk({
    clock: systemClock,
    log: silentLog,
    situation: () => undefined,
    askCentre: () => Promise.reject(new Error("never asked in this test")),
  });
  const common = { site: testSite, keeper, store, outbox, clock: systemClock, log: silentLog };
  const cache = { whole: () => [imageId], path: () => join(folder, "root") };
  service = await SiteService.open({ ...common, cache, wakeUplink: () => undefined }, () => desk);
  await writeFile(join(folder, "root"), "0123456789");
  const verifier = await CallVerifier.open(testSite, store, (id) => service.keyOf(id));
  const app = nodeApi({ service, verifier, cache, log: silentLog });
  const port = await new Promise<number>((resolve) => {
    const server = serve(
      { fetch: app.fetch, hostname: "127.0.0.1", port: 0 },
      (info: AddressInfo) => resolve(info.port),
    );
    close = () => server.close();
  });
  baseUrl = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  close();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const client = () =>
  new NodeClient({ baseUrl, site: testSite, node: node.id, sign: signerOf(key).sign });

test("An installer claims its node once; another key for the same intent is refused and reported.", async () => {
  expect(await claimNode(baseUrl, claim)).toEqual({ site: testSite, node: node.id });
  expect(await claimNode(baseUrl, claim), "a repeated claim is the same claim").toEqual({
    site: testSite,
    node: node.id,
  });
  const thief = generateKey("node").public.keyval.public;
  const stolen = { ...claim, publicKey: thief, shortCode: shortCodeOf(thief) };
  await expect(claimNode(baseUrl, stolen)).rejects.toThrow("already claimed with another key");
  const events = (await outbox.due(0)).map(({ body }) => body.report);
  expect(events.map((event) => event.kind === "node-event" && event.event)).toEqual([
    "claimed",
    "claim-refused",
  ]);
});

test("A short code that is not the key's is refused.", async () => {
  const wrong = { ...claim, shortCode: "0000-0000" };
  await expect(claimNode(baseUrl, wrong)).rejects.toThrow("short code");
});

test("A claimed node is greeted and gets the bundle; a stranger's signature gets neither.", async () => {
  expect(await client().hello()).toBe(true);
  const bundle = await client().bundle();
  expect(bundle.desired?.generation).toBe(1);
  expect(bundle.images).toEqual([imageId]);
  const stranger = new NodeClient({
    baseUrl,
    site: testSite,
    node: node.id,
    sign: signerOf(generateKey("node")).sign,
  });
  expect(await stranger.hello()).toBe(false);
});

test("A captured call cannot be played again.", async () => {
  const counter = 9_000_000;
  const text = callText({
    site: testSite,
    node: node.id,
    method: "GET",
    path: nodeApiPaths.hello,
    bodySha256: sha256Hex(""),
    counter,
  });
  const signature = signerOf(key).sign(new TextEncoder().encode(text));
  const headers = {
    [signatureHeaders.node]: node.id,
    [signatureHeaders.counter]: String(counter),
    [signatureHeaders.signature]: Buffer.from(signature).toString("base64url"),
  };
  const request = () => fetch(new URL(nodeApiPaths.hello, baseUrl), { headers });
  expect((await request()).status).toBe(200);
  const again = await request();
  expect(again.status).toBe(409);
  expect(await again.json()).toMatchObject({ code: "counter-too-low", counter });
  const restarted = await CallVerifier.open(testSite, store, (id) => service.keyOf(id));
  await expect(
    restarted.verify({
      node: node.id,
      counter: String(counter),
      signature: headers[signatureHeaders.signature],
      method: "GET",
      path: nodeApiPaths.hello,
      body: new Uint8Array(),
    }),
  ).rejects.toThrow("used before");
});

test("A node reports about itself only.", async () => {
  const event = {
    kind: "node-event" as const,
    event: "installed" as const,
    imageId: null,
    rolloutId: null,
    grantId: null,
    because: [] as string[],
  } satisfies Omit<NodeEvent, "node">;
  await client().sendReports([{ ...event, node: node.id }]);
  expect(service.isInstallOpen(node), "an install that was carried out is closed").toBe(false);
  await expect(client().sendReports([{ ...event, node: testNode(2).id }])).rejects.toThrow(
    "only about itself",
  );
});

test("Too large and malformed bodies are refused with a status and a word.", async () => {
  const post = (body: string) =>
    fetch(new URL(nodeApiPaths.claim, baseUrl), { method: "POST", body });
  expect((await post("x".repeat(300_000))).status).toBe(413);
  expect((await post("{")).status).toBe(400);
  expect((await post("{}")).status).toBe(400);
});

test("Image files are served whole and by range; anything else is not there.", async () => {
  const parts: Uint8Array[] = [];
  const signal = AbortSignal.timeout(5_000);
  for await (const part of client().image(imageId, "root", { offset: 2, sizeBytes: 3 }, signal))
    parts.push(part);
  expect(Buffer.concat(parts).toString()).toBe("234");
  const whole = await fetch(new URL(imageFilePath(imageId, "root"), baseUrl));
  expect(await whole.text()).toBe("0123456789");
  const outside = await fetch(new URL(`/node/v1/image/${imageId}/%2e%2e`, baseUrl));
  expect(outside.status).toBe(404);
});
