// Which boot file a client gets, by intent, firmware and stage. A client that must not boot from the
// network gets silence while it runs firmware, so that the firmware goes on to the disk.
import type { BootNode, BootSite } from "./boot-site.ts";
import { bootUrl, nodeByMac } from "./boot-site.ts";
import { type ChainloadView, chainloadsMax, chainloadWindowMs } from "./chainloads.ts";
import type { BootClient } from "./client.ts";

/** A client the site answers: a known node, a reservation, or a stranger in the discover window. */
export interface KnownClient {
  readonly intent: BootNode["intent"];
  readonly localBoot: BootNode["localBoot"];
  readonly nodeId?: string;
  readonly because: string;
}

export type BootChoice =
  /** A loader binary over TFTP: this counts as a chainload. */
  | { readonly kind: "loader"; readonly name: string; readonly because: string }
  /** The same for UEFI HTTP boot, as a URL; the reply must say `HTTPClient`. */
  | { readonly kind: "http-loader"; readonly url: string; readonly because: string }
  | { readonly kind: "script"; readonly url: string; readonly because: string }
  | { readonly kind: "address-only"; readonly because: string }
  | { readonly kind: "silence"; readonly because: string; readonly held: boolean };

/** Who this is to the site, or undefined for a stranger. */
export function recognise(
  client: BootClient,
  site: BootSite,
  now: number,
): KnownClient | undefined {
  const mac = client.mac;
  if (mac === undefined) return undefined;
  const node = nodeByMac(site, mac);
  if (node !== undefined)
    return { ...node, because: `${mac} is node ${node.nodeId} with intent ${node.intent}` };
  if (site.discoverUntil !== undefined && now < site.discoverUntil)
    return {
      intent: "inventory",
      localBoot: "silence",
      because: `${mac} is unknown and the discover window is open`,
    };
  if (site.reservations.some((reservation) => reservation.mac === mac))
    return { intent: "none", localBoot: "silence", because: `${mac} has a reservation, no node` };
  return undefined;
}

/** Decides the boot file. `chainloads` is the loop breaker's memory. */
export function chooseBoot(
  client: BootClient,
  known: KnownClient,
  site: BootSite,
  chainloads: ChainloadView,
  now: number,
): BootChoice {
  if (client.stage === "system")
    return { kind: "address-only", because: "the client is not network firmware" };
  if (known.intent === "none") return silence("the node has no reason to boot from the network");
  if (known.intent === "local" && known.localBoot === "silence")
    return silence("the node boots from its disk, so its firmware is left to go on");
  if (client.firmware === "unsupported")
    return silence(`architecture ${client.architectures.join(",") || "unknown"} is not served`);
  if (client.stage === "ipxe" && client.ipxeHasHttp)
    return {
      kind: "script",
      url: scriptUrl(client, site),
      because: "iPXE with HTTP gets its script",
    };
  return chooseLoader(client, site, chainloads, now);
}

function chooseLoader(
  client: BootClient,
  site: BootSite,
  chainloads: ChainloadView,
  now: number,
): BootChoice {
  const name = loaderName(client, site);
  if (name === undefined) return silence(`this site has no loader for ${client.firmware}`);
  const recent = chainloads.recent(client.key, now);
  if (recent.length >= chainloadsMax)
    return {
      kind: "silence",
      held: true,
      because: `${recent.length} loaders within ${chainloadWindowMs / 60_000} minutes look like a loop`,
    };
  const stage = client.stage === "ipxe" ? "iPXE without HTTP" : `${client.firmware} firmware`;
  return client.stage === "http"
    ? {
        kind: "http-loader",
        url: `${bootUrl(site)}/files/${name}`,
        because: `${stage} boots by HTTP`,
      }
    : { kind: "loader", name, because: `${stage} gets the loader ${name} by TFTP` };
}

function loaderName(client: BootClient, site: BootSite): string | undefined {
  const loaders = site.files.loaders;
  if (client.firmware === "bios") return loaders.bios;
  return client.firmware === "uefi-x64" ? loaders.uefiX64 : loaders.uefiArm64;
}

/** The script is chosen by the server at fetch time; the query only says who fetches. */
function scriptUrl(client: BootClient, site: BootSite): string {
  const platform = client.firmware === "bios" ? "bios" : "uefi";
  return `${bootUrl(site)}/ipxe?mac=${(client.mac ?? "").replaceAll(":", "-")}&platform=${platform}`;
}

function silence(because: string): BootChoice {
  return { kind: "silence", held: false, because };
}
