// What the boot script tells the installer on the kernel command line. Anybody on the LAN can write it,
// so it only says whom to ask; nothing in it is believed.
import { FleetError } from "@drover/shared/errors";

/** The installer was started without the address of a site agent. */
export class InstallerWordsError extends FleetError {
  readonly code = "installer-words-missing";
}

export interface InstallerWords {
  /** Base address of the site agent, without a trailing slash. */
  readonly siteUrl: string;
  /** The site agent's IPv4 address when the URL holds one. */
  readonly siteIp: string | undefined;
  readonly mode: "install" | "inventory" | "rescue";
  /** `console=` words, which hold for this hardware whatever is installed. */
  readonly consoleArguments: readonly string[];
}

/** Reads `drover.agent=` (or the origin of `drover.boot=`) and `drover.mode=`. */
export function parseInstallerWords(commandLine: string): InstallerWords {
  const words = commandLine.trim().split(/\s+/);
  const wordAt = (name: string): string | undefined =>
    words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  const address = wordAt("drover.agent") ?? wordAt("drover.boot");
  const url = /^https?:\/\/([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?/.exec(address ?? "");
  if (!url) throw new InstallerWordsError("the kernel command line names no site agent");
  const mode = wordAt("drover.mode");
  const host = url[1] ?? "";
  return {
    siteUrl: url[0],
    siteIp: /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(host) ? host : undefined,
    mode: mode === "inventory" || mode === "rescue" ? mode : "install",
    consoleArguments: [...new Set(words.filter((word) => /^console=[\w,]+$/.test(word)))].slice(
      0,
      4,
    ),
  };
}
