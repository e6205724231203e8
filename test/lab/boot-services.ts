// A program for the lab: the boot services of a site agent alone, over a site read from a JSON file.
// Prints one line when ready and one per boot event.
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { BootSite } from "@drover/agent/core/boot/boot-site";
import { folderBootFiles } from "@drover/agent/site/boot/boot-files";
import { createBootHttp } from "@drover/agent/site/boot/boot-http";
import { startDhcpServer } from "@drover/agent/site/boot/dhcp-server";
import type { BootEvent } from "@drover/agent/site/boot/ports";
import { startTftpServer } from "@drover/agent/site/boot/tftp-server";
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import { seededRandom } from "@drover/shared/random";
import { serve } from "@hono/node-server";

const [siteFile, filesFolder, probeWaitMs = "0"] = process.argv.slice(2);
if (siteFile === undefined || filesFolder === undefined)
  throw new Error("usage: boot-services.ts SITE.json FILES-FOLDER [PROBE-WAIT-MS]");

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const logLine = (level: string) => (fields: object, message: string) =>
  print(
    `${level} ${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
  );
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
const site = JSON.parse(readFileSync(siteFile, "utf8")) as BootSite;
const files = folderBootFiles(filesFolder);
const onBootEvent = (event: BootEvent): void => print(`event ${JSON.stringify(event)}`);
const leaseStore = { load: async () => [], save: async () => undefined };

const dhcp = await startDhcpServer({
  site: () => site,
  leaseStore,
  clock,
  random: seededRandom(process.pid),
  log,
  onBootEvent,
  whenForeign: "refuse",
  probeWaitMs: Number(probeWaitMs),
});
const tftp = await startTftpServer({
  ip: site.serverIp,
  port: 69,
  files,
  clock,
  log,
  onBootEvent,
  transfersMax: 16,
});
const app = createBootHttp({ site: () => site, files, clock, log, onBootEvent });
const http = serve({ fetch: app.fetch, hostname: site.serverIp, port: site.httpPort }, () =>
  print("boot services ready"),
);
process.on("SIGTERM", () => {
  http.close();
  void Promise.all([dhcp.close(), tftp.close()]).then(() => {
    print(`stopped, peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
    process.exit(0);
  });
});
