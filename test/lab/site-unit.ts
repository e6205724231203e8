// How a box starts its site agent, read from the unit that is shipped: what the lab measures is what
// people run.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const unitFile = join(import.meta.dirname, "../../agent/systemd/drover-site.service");

export interface SiteUnit {
  readonly nodeArguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Throws when the unit does not start `agent.mjs site` with Node. */
export function readSiteUnit(): SiteUnit {
  const text = readFileSync(unitFile, "utf8");
  const start = /^ExecStart=\/usr\/bin\/node (.*) \/usr\/lib\/drover\/agent\.mjs site /m.exec(text);
  const variables = /^Environment=(.*)$/m.exec(text);
  if (!start?.[1] || !variables?.[1]) throw new Error(`${unitFile} does not start a site agent`);
  return {
    nodeArguments: start[1].split(" "),
    environment: Object.fromEntries(
      variables[1].split(" ").map((word) => {
        const at = word.indexOf("=");
        return [word.slice(0, at), word.slice(at + 1)];
      }),
    ),
  };
}
