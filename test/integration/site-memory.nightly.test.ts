// Most memory a site agent takes, started as its unit starts it: it fetches an image of 200 MB, of which
// half travels as it is, and then serves it to eight nodes at the same time.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "@drover/server/embedded/free-port";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { NodeClass } from "@drover/shared/ids";
import { afterAll, expect, test, vi } from "vitest";
import { readSiteUnit } from "../lab/site-unit.ts";
import { bundleAgent } from "../story/scene.ts";
import { peakMb } from "../story/story.ts";
import { makeImage, noise } from "./agent-images.ts";
import { publishImages } from "./publish-images.ts";
import { withControlPlane } from "./with-control-plane.ts";

/** The promise in docs/operating.md. */
const promisedMb = 150;
const nodes = 8;
const lite = NodeClass.parse("lite");
const agentFile = join(import.meta.dirname, "../../agent/dist/agent.mjs");
const scratch = mkdtempSync(join(tmpdir(), "site-memory-"));
let child: ChildProcess | undefined;

afterAll(() => {
  child?.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

interface Agent {
  readonly pid: number;
  /** What it has printed so far. */
  printed(): string;
}

function startAgent(enrolment: string, port: number): Agent {
  const { nodeArguments, environment } = readSiteUnit();
  const config = join(scratch, "site.json");
  const dataFolder = join(scratch, "site");
  mkdirSync(dataFolder);
  const listen = { ip: "127.0.0.1", port };
  const reconnect = { waitMs: 200, jitterMs: 200 };
  writeFileSync(config, JSON.stringify({ dataFolder, enrolment, listen, reconnect }));
  const words = [...nodeArguments, agentFile, "site", "--config", config];
  const env = { ...process.env, ...environment };
  child = spawn(process.execPath, words, { env, stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    printed += bytes;
  });
  return { pid: child.pid ?? -1, printed: () => printed };
}

function download(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false }, (answer) => {
      let sizeBytes = 0;
      answer.on("data", (bytes: Buffer) => {
        sizeBytes += bytes.length;
      });
      answer.once("error", reject);
      answer.once("end", () => resolve(sizeBytes));
    });
    asked.once("error", reject);
    asked.end();
  });
}

test("A site agent keeps its promise of memory while it fetches an image and serves eight nodes.", async () => {
  await bundleAgent();
  const store = join(scratch, "store");
  const text = Buffer.alloc(100_000_000, "text that can be squeezed a lot. ");
  const root = Buffer.concat([noise(5, 100_000_000), text]);
  const image = await makeImage(scratch, store, root);
  const centre = await withControlPlane();
  await publishImages(centre, store, [image]);
  const admin = centre.sender(centre.adminToken);
  const release = { release: "lite@1.0.0", channel: "dev" };
  await call(admin, fleetApi.putClass, { params: { class: lite }, body: release });
  const site = { name: "Berlin 1", region: "emea/de", hollow: false };
  const made = await call(admin, fleetApi.createSite, { body: site });
  const params = { site: made.site };
  const body = { macs: ["52:54:00:00:02:01"], class: lite };
  await call(admin, fleetApi.registerNode, { params, body });
  const port = await findFreePort("127.0.0.1");
  const agent = startAgent(made.enrolment, port);
  const patience = { timeout: 300_000, interval: 200 };
  await vi.waitFor(() => expect(agent.printed()).toContain("image became whole"), patience);
  const fetchedMb = peakMb(agent.pid);
  const path = `/node/v1/image/${image.imageId}/root`;
  const sizes = await Promise.all(Array.from({ length: nodes }, () => download(port, path)));
  const servedMb = peakMb(agent.pid);
  process.stdout.write(`site agent, peak: ${fetchedMb} MB fetching, ${servedMb} MB serving\n`);
  expect(sizes).toEqual(Array.from({ length: nodes }, () => root.length));
  expect(servedMb).toBeLessThan(promisedMb);
});
