// Debian control stanzas (deb-control(5), the Packages index): `Key: value` with continuation lines.

/** One stanza; keys keep their spelling, continuation lines keep their newline. */
export type Stanza = ReadonlyMap<string, string>;

/** Parses all stanzas of a text; lines that are no field are ignored, as apt does. */
export function parseStanzas(text: string): Stanza[] {
  const stanzas: Map<string, string>[] = [];
  let current = new Map<string, string>();
  let key = "";
  const flush = (): void => {
    if (current.size > 0) stanzas.push(current);
    current = new Map();
    key = "";
  };
  for (const line of text.split("\n")) {
    if (line.trim() === "") flush();
    else if (line.startsWith("#")) continue;
    else if (/^[ \t]/.test(line)) {
      if (key !== "") current.set(key, `${current.get(key) ?? ""}\n${line.slice(1)}`);
    } else {
      const colon = line.indexOf(":");
      if (colon <= 0) continue;
      key = line.slice(0, colon);
      current.set(key, line.slice(colon + 1).trim());
    }
  }
  flush();
  return stanzas;
}
