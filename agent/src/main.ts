// The agent program: `site`, `node`, `install` and `rehearse` are its roles. In the shipped bundle this file
// is also the site database's worker, told apart by the data the worker was started with.
import { parseArgs } from "node:util";
import { describeError, FleetError } from "@drover/shared/errors";
import type { z } from "zod";
import { agentVersion } from "./agent-version.ts";
import { HollowSettings, readSettings, SettingsError, SiteSettings } from "./config.ts";
import { jsonLog, type LogLevel } from "./json-log.ts";
import { startHollow } from "./roles/hollow.ts";
import { installNode, runNodeRole } from "./roles/node.ts";
import { startSite } from "./roles/site.ts";
import { isDatabaseWorker, serveDatabase } from "./site/database-worker.ts";
import { systemClock } from "./system-clock.ts";

const usage = `drover agent ${agentVersion}

  agent site     --config FILE | --data FOLDER [--enrolment STRING] [--listen IP:PORT]
  agent rehearse --config FILE | --data FOLDER [--enrolments FILE]
  agent node                        the node agent of an installed system
  agent install                     the installer
  agent version

  --log debug|info|warn|error       least level of the JSON lines on standard output
`;

/** Bundled, the worker is this same file; in development it is a file of its own. */
const databaseWorker = import.meta.url.endsWith("/main.ts")
  ? new URL("./site/database-worker.ts", import.meta.url)
  : new URL(import.meta.url);

const write = (line: string): void => {
  process.stdout.write(line);
};

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
  const { readFile } = await import("node:fs/promises");
  const text = enrolments ? await readFile(enrolments, "utf8") : "";
  const lines = text.split("\n").map((line) => line.trim());
  return { dataFolder: data, enrolments: lines.filter((line) => line !== "") };
}

async function run(role: string | undefined, args: string[], signal: AbortSignal): Promise<number> {
  if (role === "version") {
    write(`${agentVersion}\n`);
    return 0;
  }
  if (role === "install") return await installNode();
  if (role === "node") {
    await runNodeRole(agentVersion, signal);
    return 0;
  }
  if (role !== "site" && role !== "rehearse") {
    write(usage);
    return role === undefined || role === "help" || role === "--help" ? 0 : 2;
  }
  const options = readOptions(args);
  const log = jsonLog(write, options.log as LogLevel);
  const common = { agentVersion, clock: systemClock, log, databaseWorker };
  if (role === "site") {
    const settings = await settingsOf(options, SiteSettings, () => siteOptions(options));
    await (await startSite({ ...common, settings }, signal)).done;
  } else {
    const settings = await settingsOf(options, HollowSettings, () => hollowOptions(options));
    await (await startHollow({ ...common, settings }, signal)).done;
  }
  return 0;
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => stop.abort(new Error(`${name} was received`)));
  const [role, ...args] = process.argv.slice(2);
  try {
    process.exitCode = await run(role, args, stop.signal);
  } catch (error) {
    const code = error instanceof FleetError ? ` (${error.code})` : "";
    process.stderr.write(`${describeError(error)}${code}\n`);
    process.exitCode = 1;
  }
}

if (isDatabaseWorker()) serveDatabase();
else await main();
