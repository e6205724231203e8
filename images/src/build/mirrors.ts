// Which servers this machine already takes Debian packages from. The build uses the same ones, so it
// works behind whatever mirror or proxy the machine was set up with.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@drover/shared/errors";
import { parseStanzas } from "../core/deb/stanza.ts";
import type { Archive } from "../core/lock/lock.ts";

/** The machine names no Debian mirror that the build could use. */
export class NoMirrorError extends FleetError {
  readonly code = "no-debian-mirror";
}

/** Base address of each archive, without trailing slash. */
export type Mirrors = Readonly<Record<Archive, string>>;

interface Source {
  readonly uri: string;
  readonly suite: string;
}

const RELEASE_NAMES = /^(bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)\b/;

function fromStanzas(text: string): Source[] {
  return parseStanzas(text)
    .filter((stanza) => stanza.get("Enabled")?.toLowerCase() !== "no")
    .filter((stanza) => (stanza.get("Types") ?? "").split(/\s+/).includes("deb"))
    .flatMap((stanza) =>
      (stanza.get("URIs") ?? "")
        .split(/\s+/)
        .flatMap((uri) =>
          (stanza.get("Suites") ?? "").split(/\s+/).map((suite) => ({ uri, suite })),
        ),
    );
}

function fromLines(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line.trim());
    return match === null ? [] : [{ uri: match[1] ?? "", suite: match[2] ?? "" }];
  });
}

/** Chooses the mirrors from the text of apt's source files (by file name, `.sources` or `.list`). */
export function chooseMirrors(files: ReadonlyMap<string, string>): Mirrors {
  const sources = [...files]
    .flatMap(([name, text]) => (name.endsWith(".sources") ? fromStanzas(text) : fromLines(text)))
    .filter((source) => /^(https?|file):\//.test(source.uri) && RELEASE_NAMES.test(source.suite))
    .map((source) => ({ ...source, uri: source.uri.replace(/\/+$/, "") }));
  const security = sources.find((source) => /-security$|\/updates$/.test(source.suite))?.uri;
  const main = sources.find((source) => !/-security$|\/updates$/.test(source.suite))?.uri;
  if (main === undefined) {
    throw new NoMirrorError("apt on this machine has no Debian source; add one, or name mirrors");
  }
  return { debian: main, "debian-security": security ?? `${main}-security` };
}

/** Reads the machine's apt sources from `aptFolder` (default `/etc/apt`). */
export async function machineMirrors(aptFolder = "/etc/apt"): Promise<Mirrors> {
  const files = new Map<string, string>();
  const read = async (path: string): Promise<void> => {
    files.set(path, await readFile(path, "utf8"));
  };
  const top = await readdir(aptFolder);
  if (top.includes("sources.list")) await read(join(aptFolder, "sources.list"));
  if (top.includes("sources.list.d")) {
    const parts = join(aptFolder, "sources.list.d");
    for (const name of (await readdir(parts)).sort()) {
      if (/\.(list|sources)$/.test(name)) await read(join(parts, name));
    }
  }
  return chooseMirrors(files);
}
