// Our DHCP server on a real network stack: a client that is not ours takes a lease, a stranger gets none,
// and a second server on the same LAN refuses to start.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootSite } from "@drover/agent/core/boot/boot-site";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createNamespace, joinNetworks, type LabNamespace } from "./namespace.ts";
import { type SiteHost, startSiteHost } from "./site-host.ts";

const knownMac = "02:00:00:77:00:01";
const strangerMac = "02:00:00:77:00:02";
let runFolder = "";
let site: LabNamespace;
let other: LabNamespace;
let host: SiteHost;

beforeAll(async () => {
  runFolder = mkdtempSync(join(tmpdir(), "drover-dhcp-"));
  site = createNamespace({ taps: 0 });
  other = createNamespace({ taps: 0, siteIp: "10.77.0.2" });
  joinNetworks(site, other);
  host = startBootServices(site, "site", {});
  await host.waitFor(/^boot services ready/, 2000);
});

afterAll(async () => {
  await host?.stop();
  other?.close();
  site?.close();
  rmSync(runFolder, { recursive: true });
});

function startBootServices(
  namespace: LabNamespace,
  name: string,
  changes: Partial<BootSite>,
): SiteHost {
  const settings: BootSite = {
    siteId: name,
    mode: "serve",
    serverIp: namespace.siteIp,
    httpPort: 8067,
    subnet: { networkIp: "10.77.0.0", prefixBits: 24 },
    pool: { firstIp: "10.77.0.100", lastIp: "10.77.0.199" },
    routerIps: ["10.77.0.1"],
    dnsIps: [],
    leases: { normalMs: 3_600_000, bootMs: 600_000 },
    reservations: [{ mac: knownMac, ip: "10.77.0.50" }],
    nodes: [{ nodeId: "node-1", macs: [knownMac], intent: "local", localBoot: "silence" }],
    files: { loaders: {}, installer: { kernel: "vmlinuz", initrds: [], args: [] } },
    ...changes,
  };
  const siteFile = join(runFolder, `${name}.json`);
  writeFileSync(siteFile, JSON.stringify(settings));
  const script = join(import.meta.dirname, "boot-services.ts");
  return startSiteHost({ namespace, runFolder, name, script, args: [siteFile, runFolder, "400"] });
}

/** Runs busybox's DHCP client on the other end of the LAN; its script prints what it was given. */
function askForLease(mac: string): string {
  const script = join(runFolder, "leased");
  writeFileSync(
    script,
    '#!/bin/sh\n[ "$1" = bound ] && echo "bound $ip $subnet $router $lease"\nexit 0\n',
    { mode: 0o755 },
  );
  other.run("ip", "link", "set", "br0", "address", mac);
  const client = "busybox udhcpc -f -q -n -t 3 -T 1 -i br0 -s";
  return other.run("sh", "-c", `${client} ${script} 2>&1 || echo no lease`);
}

test("a known client takes its reserved address with the long lease of an installed system", () => {
  expect(askForLease(knownMac)).toContain("bound 10.77.0.50 255.255.255.0 10.77.0.1 3600");
});

test("a stranger hears nothing", () => {
  expect(askForLease(strangerMac)).toContain("no lease");
});

test("a second server refuses to start while the first answers, and says who that is", async () => {
  await host.stop();
  host = startBootServices(site, "site-open", { discoverUntil: Number.MAX_SAFE_INTEGER });
  await host.waitFor(/^boot services ready/, 2000);
  const second = startBootServices(other, "second", {});
  await second.waitFor(/10\.77\.0\.1 already answers on this network/, 3000);
  await second.stop();
});
