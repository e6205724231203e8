// The agent program: `site`, `node`, `install` and `rehearse` are its roles. In the shipped bundle this file
// is also the site database's worker, told apart by the data the worker was started with. Each role is
// loaded when it is asked for, so that none pays with its memory for what the others need.
import { describeError, FleetError } from "@drover/shared/errors";
import { agentVersion } from "./agent-version.ts";
import { isDatabaseWorker, serveDatabase } from "./site/database-worker.ts";

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

async function run(role: string | undefined, args: string[], signal: AbortSignal): Promise<number> {
  switch (role) {
    case "version":
      write(`${agentVersion}\n`);
      return 0;
    case "install":
      return await (await import("./roles/node.ts")).installNode();
    case "node":
      await (await import("./roles/node.ts")).runNodeRole(agentVersion, signal);
      return 0;
    case "site":
    case "rehearse":
      await (await import("./roles/run-sites.ts")).runSites(role, args, databaseWorker, signal);
      return 0;
    default:
      write(usage);
      return role === undefined || role === "help" || role === "--help" ? 0 : 2;
  }
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
