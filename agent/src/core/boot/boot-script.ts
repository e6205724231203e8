// The iPXE scripts. They hold no secret and no per-node data beyond identity, since anyone on the LAN
// may read them. Every fetch is tried again before the script gives up towards the disk.
import { FleetError } from "@drover/shared/errors";
import type { BootIntent, BootSite } from "./boot-site.ts";
import { bootUrl, nodeByMac } from "./boot-site.ts";

/** A value that cannot stand in an iPXE script. */
export class BootScriptError extends FleetError {
  readonly code = "bad-boot-script";
}

export type Platform = "bios" | "uefi";

export interface BootScript {
  readonly text: string;
  readonly intent: BootIntent;
  readonly nodeId?: string;
  readonly because: readonly string[];
}

const fetchTries = 5;
const retrySeconds = 3;
const macText = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
/** One word of a kernel command line or URL; excludes what iPXE expands or the shell of it splits. */
const word = /^[\x21-\x7e]+$/;

/** `aa-bb-…` or `aa:bb:…` in any case to the canonical form, or undefined. */
export function canonicalMac(text: string): string | undefined {
  const mac = text.toLowerCase().replaceAll("-", ":");
  return macText.test(mac) ? mac : undefined;
}

/** The script for one computer. Throws {@link BootScriptError} when site data cannot be written. */
export function bootScript(
  site: BootSite,
  who: { readonly mac: string; readonly platform: Platform },
  now: number,
): BootScript {
  const node = nodeByMac(site, who.mac);
  if (node === undefined && (site.discoverUntil === undefined || now >= site.discoverUntil))
    return {
      text: script([...goOnToDisk(site, who.platform)]),
      intent: "none",
      because: [`${who.mac} is unknown and no discover window is open`],
    };
  const intent = node?.intent ?? "inventory";
  const because = [
    node === undefined
      ? `${who.mac} is unknown and the discover window is open`
      : `${who.mac} is node ${node.nodeId} with intent ${intent}`,
  ];
  const isInstaller = intent === "install" || intent === "inventory" || intent === "rescue";
  const lines = isInstaller
    ? installerLines(site, intent, who.mac, who.platform)
    : goOnToDisk(site, who.platform);
  return {
    text: script(lines),
    intent,
    ...(node === undefined ? {} : { nodeId: node.nodeId }),
    because,
  };
}

function script(lines: readonly string[]): string {
  return `${["#!ipxe", ...lines].join("\n")}\n`;
}

function installerLines(site: BootSite, mode: string, mac: string, platform: Platform): string[] {
  const files = site.files.installer;
  const args = [
    `drover.mode=${mode}`,
    `drover.boot=${bootUrl(site)}`,
    `drover.mac=${mac}`,
    `drover.platform=${platform}`,
    ...files.args,
  ];
  // The kernel's EFI stub finds initrds by name only, so each is named on its command line.
  const named = files.initrds.map((name, index) => ({
    url: fileUrl(site, name),
    name: `initrd${index}`,
  }));
  const kernelArgs = [...named.map(({ name }) => `initrd=${name}`), ...args.map(checkedWord)];
  const tried = [
    `kernel ${fileUrl(site, files.kernel)} ${kernelArgs.join(" ")} || goto again`,
    ...named.map(({ url, name }) => `initrd --name ${name} ${url} || goto again`),
  ];
  return [
    `echo Drover ${mode} of ${mac} at site ${checkedWord(site.siteId)}`,
    "set tries:int32 0",
    ":fetch",
    "imgfree",
    ...tried,
    "boot || goto again",
    ":again",
    "inc tries",
    `iseq \${tries} ${fetchTries} && goto give-up ||`,
    `echo Trying again in ${retrySeconds} seconds`,
    `sleep ${retrySeconds}`,
    "goto fetch",
    ":give-up",
    `echo The installer could not be loaded in ${fetchTries} tries`,
    ...goOnToDisk(site, platform),
  ];
}

/**
 * BIOS goes on to the disk after `exit`. UEFI would open its menu after a plain `exit` and try every
 * other network boot after a failed one, so it chains a GRUB that finds the disk where there is one.
 */
function goOnToDisk(site: BootSite, platform: Platform): string[] {
  const local = site.files.loaders.uefiLocal;
  if (platform === "bios") return ["exit"];
  if (local === undefined) return ["exit 1"];
  return [`chain ${fileUrl(site, local)} ||`, "exit 1"];
}

function fileUrl(site: BootSite, name: string): string {
  return `${bootUrl(site)}/files/${checkedWord(name)}`;
}

function checkedWord(text: string): string {
  if (!word.test(text) || text.includes("${") || text === "||" || text === "&&")
    throw new BootScriptError(`${JSON.stringify(text)} cannot stand in a boot script`);
  return text;
}
