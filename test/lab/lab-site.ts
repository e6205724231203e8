// A program for the lab: the site agent's own services for one node, boot services, node API, grants,
// with the signing side of the fleet in the same process instead of a control plane. It reads its
// orders from a file again and again, and prints every report it takes.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { BootIntent, BootSite } from "@drover/agent/core/boot/boot-site";
import { folderBootFiles } from "@drover/agent/site/boot/boot-files";
import { createBootHttp } from "@drover/agent/site/boot/boot-http";
import { startDhcpServer } from "@drover/agent/site/boot/dhcp-server";
import { startTftpServer } from "@drover/agent/site/boot/tftp-server";
import { CallVerifier } from "@drover/agent/site/call-verifier";
import { openDatabase } from "@drover/agent/site/database";
import { GrantDesk } from "@drover/agent/site/grant-desk";
import { localTimeAt } from "@drover/agent/site/local-time";
import { nodeApi } from "@drover/agent/site/node-api";
import { Outbox } from "@drover/agent/site/outbox";
import { SiteService } from "@drover/agent/site/site-service";
import { SiteStore } from "@drover/agent/site/site-store";
import { TrustKeeper } from "@drover/agent/trust-keeper";
import type { Clock } from "@drover/shared/clock";
import { ImageId, idTail } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { OutboxId } from "@drover/shared/messages/report";
import { seededRandom } from "@drover/shared/random";
import { ReleaseRef } from "@drover/shared/release/release";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { type LabOrders, makeLabFleet } from "./lab-fleet.ts";

/** What the test writes into `site.json` before it starts this program. */
export interface LabSiteFile {
  readonly serverIp: string;
  readonly mac: string;
  readonly provingMs: number;
  /** Image folders with manifest and index, oldest release first. */
  readonly images: readonly string[];
  readonly installerArgs: readonly string[];
}

const httpPort = 8067;
const runFolder = process.argv[2];
if (runFolder === undefined) throw new Error("usage: lab-site.ts RUN-FOLDER");
const readJson = (name: string): unknown => JSON.parse(readFileSync(join(runFolder, name), "utf8"));
const settings = readJson("site.json") as LabSiteFile;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const logLine = (level: string) => (fields: object, message: string) =>
  print(`${level} ${message} ${JSON.stringify(fields)}`);
const log: Log = {
  debug: logLine("debug"),
  info: logLine("info"),
  warn: logLine("warn"),
  error: logLine("error"),
  child: () => log,
};
const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  wait: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }),
};

const folders = new Map<ImageId, string>();
const releases = settings.images.map((folder, place) => {
  const imageId = ImageId.parse(readFileSync(join(folder, "id"), "utf8"));
  folders.set(imageId, folder);
  const counter = place + 1;
  const manifest = JSON.parse(readFileSync(join(folder, "manifest"), "utf8")) as { name: string };
  return ReleaseRef.parse({
    name: manifest.name,
    semver: `${counter}.0.0`,
    channel: "stable",
    counter,
    imageId,
  });
});
const fileNames = {
  manifest: "manifest",
  index: "index",
  root: "root.erofs",
  kernel: "kernel",
  initrd: "initrd.cpio",
} as const;
const cache = {
  whole: () => [...folders.keys()],
  path(imageId: ImageId, name: keyof typeof fileNames) {
    const folder = folders.get(imageId);
    return folder && join(folder, fileNames[name]);
  },
};

const { mac, provingMs } = settings;
const policy = { provingMs, trialDeadlineMs: Math.max(60_000, provingMs * 20) };
const fleet = makeLabFleet({ mac, releases, policy });
const keeper = new TrustKeeper(fleet.site, fleet.trust);
let orders: LabOrders | undefined;

function takeOrders(): void {
  const next = readJson("orders.json") as LabOrders;
  if (orders && next.generation <= orders.generation) return;
  orders = next;
  keeper.learnDesired(fleet.desired(next));
  print(`orders ${JSON.stringify(next)}`);
}

function intent(): BootIntent {
  if (!orders?.isClassified) return "inventory";
  return orders.installSerial === null ? "local" : "install";
}

const bootSite = (): BootSite => ({
  siteId: fleet.site,
  mode: "serve",
  serverIp: settings.serverIp,
  httpPort,
  subnet: { networkIp: "10.77.0.0", prefixBits: 24 },
  pool: { firstIp: "10.77.0.100", lastIp: "10.77.0.199" },
  routerIps: [],
  dnsIps: [],
  leases: { normalMs: 3_600_000, bootMs: 600_000 },
  reservations: [],
  nodes: [{ nodeId: fleet.node, macs: [mac], intent: intent(), localBoot: "silence" }],
  files: {
    loaders: { bios: "undionly.kpxe", uefiX64: "snponly.efi" },
    installer: {
      kernel: "vmlinuz",
      initrds: ["initramfs.zst"],
      args: settings.installerArgs,
    },
  },
});

takeOrders();
const worker = new URL(import.meta.resolve("@drover/agent/site/database-worker"));
const store = new SiteStore(openDatabase(join(runFolder, "site.db"), worker), fleet.site);
const outbox = await Outbox.open(store, OutboxId.parse(`o-${idTail(randomBytes(16))}`));
const desk = new GrantDesk({
  clock,
  log,
  situation: () => {
    const { desired, trustFile } = keeper;
    if (!desired) return undefined;
    return {
      desired,
      ceilings: trustFile.ceilings,
      phases: service.phases(),
      local: localTimeAt(clock.now(), "UTC"),
      isCentreInReach: true,
    };
  },
  askCentre: async (request) => fleet.grant(request),
});
let printing = Promise.resolve();
const printReports = async (): Promise<void> => {
  for (const { seq, body } of await outbox.due(clock.monotonicMs())) {
    print(`report ${JSON.stringify(body.report)}`);
    await outbox.acknowledge({ outboxId: outbox.outboxId, upToSeq: seq });
  }
};
const service = await SiteService.open(
  {
    site: fleet.site,
    keeper,
    store,
    outbox,
    cache,
    clock,
    log,
    wakeUplink: () => {
      printing = printing.then(printReports);
    },
  },
  () => desk,
);
const verifier = await CallVerifier.open(fleet.site, store, (node) => service.keyOf(node));

const onBootEvent = (event: object): void => print(`event ${JSON.stringify(event)}`);
const files = folderBootFiles(join(runFolder, "files"));
const dhcp = await startDhcpServer({
  site: bootSite,
  leaseStore: { load: async () => [], save: async () => undefined },
  clock,
  random: seededRandom(process.pid),
  log,
  onBootEvent,
  whenForeign: "refuse",
  probeWaitMs: 0,
});
const tftp = await startTftpServer({
  ip: settings.serverIp,
  port: 69,
  files,
  clock,
  log,
  onBootEvent,
  transfersMax: 16,
});
const app = new Hono();
app.route("/", createBootHttp({ site: bootSite, files, clock, log, onBootEvent }));
app.route("/", nodeApi({ service, verifier, cache, log }));
const http = serve({ fetch: app.fetch, hostname: settings.serverIp, port: httpPort }, () =>
  print("lab site ready"),
);
const watching = setInterval(takeOrders, 250);
process.on("SIGTERM", () => {
  clearInterval(watching);
  http.close();
  void Promise.all([dhcp.close(), tftp.close()]).then(() => process.exit(0));
});
