// DHCP, TFTP and boot HTTP of one site, fed from desired state: which node may boot what is decided
// there, and every boot event becomes a bounded report.
import type { Clock } from "@drover/shared/clock";
import { describeError } from "@drover/shared/errors";
import { NodeId, type SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import type { NodeDesired } from "@drover/shared/messages/desired";
import type { Random } from "@drover/shared/random";
import type { LanSettings } from "../config.ts";
import { type BootNode, type BootSite, defaultLeaseTimes } from "../core/boot/boot-site.ts";
import { folderBootFiles } from "./boot/boot-files.ts";
import { createBootHttp } from "./boot/boot-http.ts";
import { startDhcpServer } from "./boot/dhcp-server.ts";
import type { BootEvent, LeaseStore } from "./boot/ports.ts";
import { startTftpServer } from "./boot/tftp-server.ts";
import type { NodeApp } from "./file-answer.ts";
import type { SiteRuntime } from "./site-runtime.ts";

export interface BootServicesParts {
  readonly site: SiteId;
  readonly lan: LanSettings;
  /** Address and port of the site's HTTP listener as nodes reach it. */
  readonly serverIp: string;
  readonly httpPort: number;
  readonly runtime: SiteRuntime;
  readonly leases: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const repeatMs = 5_000;
const eventsRememberedMax = 1_000;

/** Adds boot HTTP to `app` and starts DHCP and TFTP; answers how to stop them. */
export async function startBootServices(
  app: NodeApp,
  parts: BootServicesParts,
): Promise<{ close(): Promise<void> }> {
  const { lan, clock, random, log } = parts;
  const site = (): BootSite => bootSiteOf(parts);
  const files = folderBootFiles(lan.filesFolder);
  const onBootEvent = eventReporter(parts);
  app.route("/", createBootHttp({ site, files, clock, log, onBootEvent }));
  const tftp = await startTftpServer({
    ip: parts.serverIp,
    port: lan.tftpPort,
    files,
    clock,
    log,
    onBootEvent,
    transfersMax: 64,
  });
  try {
    const dhcp = await startDhcpServer({
      site,
      leaseStore: parts.leases,
      clock,
      random,
      log,
      onBootEvent,
      whenForeign: lan.whenForeign,
      probeWaitMs: lan.probeWaitMs,
    });
    return {
      async close() {
        await dhcp.close();
        await tftp.close();
      },
    };
  } catch (error) {
    await tftp.close();
    throw error;
  }
}

function bootSiteOf({ site, lan, serverIp, httpPort, runtime }: BootServicesParts): BootSite {
  const { desired } = runtime.keeper;
  const nodes = (desired?.nodes ?? []).map((node) => bootNodeOf(node, runtime));
  const { mode, subnet, pool, routerIps, dnsIps, reservations, installer } = lan;
  const loaders = Object.fromEntries(
    Object.entries(lan.loaders).filter(([, name]) => name !== undefined),
  );
  return {
    siteId: site,
    mode,
    serverIp,
    httpPort,
    subnet,
    pool,
    routerIps,
    dnsIps,
    leases: defaultLeaseTimes,
    reservations,
    nodes,
    files: { loaders, installer },
  };
}

function bootNodeOf(node: NodeDesired, { service }: SiteRuntime): BootNode {
  const isInstall = service.isInstallOpen(node);
  const intent = isInstall ? "install" : node.class === null ? "inventory" : "local";
  return { nodeId: node.id, macs: node.macs, intent, localBoot: "silence" };
}

/** Turns boot events into reports; the same news of one computer within seconds is told once. */
function eventReporter({ runtime, log }: BootServicesParts): (event: BootEvent) => void {
  const toldAt = new Map<string, number>();
  return (event) => {
    log.debug({ ...event }, "boot service acted");
    const { mac } = event;
    if (mac === undefined) return;
    const key = `${mac} ${event.service} ${event.event}`;
    if (event.at - (toldAt.get(key) ?? 0) < repeatMs) return;
    toldAt.delete(key);
    toldAt.set(key, event.at);
    const oldest = toldAt.keys().next().value;
    if (toldAt.size > eventsRememberedMax && oldest !== undefined) toldAt.delete(oldest);
    const node = NodeId.safeParse(event.nodeId);
    runtime.service
      .report({
        kind: "boot-event",
        node: node.success ? node.data : null,
        mac,
        bootSeq: 0,
        step: `${event.service} ${event.event}`.slice(0, 60),
        because: event.because.map((each) => each.slice(0, 500)).slice(0, 20),
      })
      .catch((error: unknown) =>
        log.error({ error: describeError(error) }, "boot event could not be kept"),
      );
  };
}
