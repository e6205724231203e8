// The WAN of a lab site: a link between the site's namespace and one of its own, with relays at both
// ends, so that the site reaches a control plane on this computer's loopback at the same address as
// everybody else. Cutting the link loses packets silently, as a dead line does.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { deadlineMs } from "./deadline.ts";
import { createNamespace, type LabNamespace } from "./namespace.ts";
import { type SiteHost, startSiteHost } from "./site-host.ts";

export interface WanLink {
  /** From now on every packet is lost; nothing is told to either side. */
  cut(): void;
  restore(): void;
  /** From now on the site gets at most so many bytes a second, headers included. */
  slow(bytesPerSecond: number): void;
  /** Bytes that came down to the site over the link since it was made, headers included. */
  downBytes(): number;
  close(): Promise<void>;
}

const siteAddress = "10.78.1.2";
const farAddress = "10.78.1.1";
const script = join(import.meta.dirname, "wan-relay.ts");

function makeCable(site: LabNamespace, far: LabNamespace): void {
  far.run("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "wan0", "netns", site.name);
  far.run("ip", "addr", "add", `${farAddress}/30`, "dev", "wan0");
  far.run("ip", "link", "set", "wan0", "up");
  site.run("ip", "addr", "add", `${siteAddress}/30`, "dev", "wan0");
  site.run("ip", "link", "set", "wan0", "up");
}

/** The end on this computer's own loopback: an ordinary child process outside every namespace. */
async function startLocalRelay(pairs: readonly string[]): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [script, ...pairs], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error("the WAN relay did not start")),
      deadlineMs(1000),
    );
    child.stdout.once("data", () => {
      clearTimeout(late);
      resolve();
    });
    child.once("exit", () => reject(new Error("the WAN relay ended at once")));
  });
  return async () => {
    child.kill("SIGKILL");
    await exited;
  };
}

/** Connects `site` to `ports` of 127.0.0.1 on this computer; inside the site they have the same address. */
export async function startWan(options: {
  readonly site: LabNamespace;
  readonly ports: readonly number[];
  readonly runFolder: string;
}): Promise<WanLink> {
  const { site, ports, runFolder } = options;
  const far = createNamespace({ taps: 0, siteIp: "10.78.0.1" });
  makeCable(site, far);
  const socket = (port: number): string => join(runFolder, `wan-${port}.sock`);
  const stopLocal = await startLocalRelay(
    ports.map((port) => `unix:${socket(port)}>tcp:127.0.0.1:${port}`),
  );
  const relay = (name: string, namespace: LabNamespace, pairs: readonly string[]): SiteHost =>
    startSiteHost({ namespace, runFolder, name, script, args: pairs });
  const ends = [
    relay(
      "wan-far",
      far,
      ports.map((port) => `tcp:${farAddress}:${port}>unix:${socket(port)}`),
    ),
    relay(
      "wan-site",
      site,
      ports.map((port) => `tcp:127.0.0.1:${port}>tcp:${farAddress}:${port}`),
    ),
  ];
  await Promise.all(ends.map((end) => end.waitFor(/^relay ready/, 1000)));
  return {
    cut: () => void far.run("ip", "link", "set", "wan0", "down"),
    restore: () => void far.run("ip", "link", "set", "wan0", "up"),
    slow: (bytesPerSecond) => {
      const rate = `${Math.round(bytesPerSecond * 8)}bit`;
      const shape = ["rate", rate, "burst", "16kb", "latency", "400ms"];
      far.run("tc", "qdisc", "replace", "dev", "wan0", "root", "tbf", ...shape);
    },
    downBytes: () => Number(site.run("cat", "/sys/class/net/wan0/statistics/rx_bytes")),
    async close() {
      await Promise.all(ends.map((end) => end.stop("SIGKILL")));
      await stopLocal();
      far.close();
    },
  };
}
