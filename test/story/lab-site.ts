// The lab site of the story: a network namespace with a WAN link, a real site agent with boot services,
// and one virtual computer with real firmware and an empty disk.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createNamespace, type LabNamespace } from "../lab/namespace.ts";
import { advertiseRouter } from "../lab/router-advertiser.ts";
import { type SiteHost, startSiteHost } from "../lab/site-host.ts";
import { readSiteUnit } from "../lab/site-unit.ts";
import { createDisk, powerOn, type Vm } from "../lab/vm.ts";
import type { VmFirmware } from "../lab/vm-args.ts";
import { startWan, type WanLink } from "../lab/wan.ts";
import { programs } from "./programs.ts";

export const labMac = "52:54:00:d0:00:01";

export interface LabSite {
  readonly namespace: LabNamespace;
  readonly wan: WanLink;
  readonly agent: () => SiteHost;
  /** Starts the site agent again after it was stopped or killed. */
  restartAgent(): Promise<void>;
  /** Powers the node on; its disk and firmware variables stay from the last time. */
  powerOn(): Promise<Vm>;
  readonly dataFolder: string;
  readonly diskFile: string;
  close(): Promise<void>;
}

export interface LabSiteOptions {
  readonly runFolder: string;
  readonly ports: readonly number[];
  readonly enrolment: string;
  /** Folder with loaders and installer. */
  readonly bootFolder: string;
  readonly kernelArguments: readonly string[];
  readonly firmware: VmFirmware;
  readonly diskBytes: number;
}

const nodeApiPort = 8040;

function siteSettings(options: LabSiteOptions, serverIp: string): unknown {
  return {
    dataFolder: join(options.runFolder, "site"),
    enrolment: options.enrolment,
    listen: { ip: serverIp, port: nodeApiPort },
    timeZone: "Etc/UTC",
    reconnect: { waitMs: 200, jitterMs: 500 },
    lan: {
      mode: "serve",
      subnet: { networkIp: "10.77.0.0", prefixBits: 24 },
      pool: { firstIp: "10.77.0.100", lastIp: "10.77.0.199" },
      filesFolder: options.bootFolder,
      probeWaitMs: 500,
      loaders: { bios: "undionly.kpxe", uefiX64: "snponly.efi" },
      installer: { kernel: "vmlinuz", initrds: ["initramfs.zst"], args: options.kernelArguments },
    },
  };
}

/** Builds network, WAN and disk and starts the site agent. */
export async function startLabSite(options: LabSiteOptions): Promise<LabSite> {
  const { runFolder } = options;
  mkdirSync(runFolder, { recursive: true });
  const namespace = createNamespace({ taps: 1 });
  advertiseRouter(namespace);
  const wan = await startWan({ site: namespace, ports: options.ports, runFolder });
  const config = join(runFolder, "site.json");
  writeFileSync(config, JSON.stringify(siteSettings(options, namespace.siteIp)), { mode: 0o600 });
  const { nodeArguments, environment: env } = readSiteUnit();
  const start = (): SiteHost =>
    startSiteHost({
      namespace,
      runFolder,
      name: "site-agent",
      script: programs.agent,
      args: ["site", "--config", config],
      nodeArguments,
      env,
    });
  let agent = start();
  const diskFile = createDisk(join(runFolder, "node.disk"), options.diskBytes);
  let vm: Vm | undefined;
  return {
    namespace,
    wan,
    dataFolder: join(runFolder, "site"),
    diskFile,
    agent: () => agent,
    async restartAgent() {
      await agent.stop("SIGKILL");
      agent = start();
    },
    async powerOn() {
      vm = await powerOn(
        {
          name: "node",
          firmware: options.firmware,
          mac: labMac,
          nicBoot: options.firmware === "bios" ? "ipxe-rom" : "firmware-pxe",
          memoryMb: 1024,
          disks: [{ file: diskFile, serial: "drover-lab-disk" }],
        },
        { namespace, tap: "tap0", runFolder },
      );
      return vm;
    },
    async close() {
      await vm?.cutPower();
      await agent.stop();
      await wan.close();
      namespace.close();
    },
  };
}
