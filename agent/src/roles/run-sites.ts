// The roles that act for sites, from the command line: `site` is one real site, `rehearse` many hollow ones.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { z } from "zod";
import { agentVersion } from "../agent-version.ts";
import { HollowSettings, readSettings, SettingsError, SiteSettings } from "../config.ts";
import { jsonLog, type LogLevel } from "../json-log.ts";
import { systemClock } from "../system-clock.ts";

function readOptions(args: string[]) {
  return parseArgs({
    args,
    options: {
      config: { type: "string" },
      data: { type: "string" },
      enrolment: { type: "string" },
      enrolments: { type: "string" },
      listen: { type: "string" },
      log: { type: "string", default: "info" },
    },
  }).values;
}
type Options = ReturnType<typeof readOptions>;

/** Settings from the file, or from the few options that need none. */
async function settingsOf<Schema extends z.ZodType>(
  options: Options,
  schema: Schema,
  fromOptions: () => Promise<unknown>,
): Promise<z.infer<Schema>> {
  if (options.config) return await readSettings(options.config, schema);
  if (!options.data) throw new SettingsError("--config FILE or --data FOLDER is needed");
  return schema.parse(await fromOptions()) as z.infer<Schema>;
}

async function siteOptions({ data, enrolment, listen }: Options): Promise<unknown> {
  const [ip, port] = listen?.split(":") ?? [];
  return {
    dataFolder: data,
    ...(enrolment ? { enrolment } : {}),
    ...(ip ? { listen: { ip, port: Number(port ?? 8040) } } : {}),
  };
}

async function hollowOptions({ data, enrolments }: Options): Promise<unknown> {
  const text = enrolments ? await readFile(enrolments, "utf8") : "";
  const lines = text.split("\n").map((line) => line.trim());
  return { dataFolder: data, enrolments: lines.filter((line) => line !== "") };
}

/** Runs the role until the signal aborts. `databaseWorker` is the module that serves the database. */
export async function runSites(
  role: "site" | "rehearse",
  args: string[],
  databaseWorker: URL,
  signal: AbortSignal,
): Promise<void> {
  const options = readOptions(args);
  const log = jsonLog((line) => void process.stdout.write(line), options.log as LogLevel);
  const common = { agentVersion, clock: systemClock, log, databaseWorker };
  if (role === "site") {
    const { startSite } = await import("./site.ts");
    const settings = await settingsOf(options, SiteSettings, () => siteOptions(options));
    await (await startSite({ ...common, settings }, signal)).done;
  } else {
    const { startHollow } = await import("./hollow.ts");
    const settings = await settingsOf(options, HollowSettings, () => hollowOptions(options));
    await (await startHollow({ ...common, settings }, signal)).done;
  }
}
