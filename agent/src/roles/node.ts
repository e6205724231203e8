// The two programs of a node: the installer, started from the network with nothing but memory, and the
// agent of an installed system. Prints plain lines that people and tests can wait for.
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { parseInstallerWords } from "../core/install/installer-words.ts";
import { jsonLog } from "../json-log.ts";
import { nodeSite, strangerSite } from "../node/http-site.ts";
import { installRun } from "../node/install-run.ts";
import { runInstallSession } from "../node/install-session.ts";
import { readLoaderPrograms } from "../node/loader-files.ts";
import { keptNodeKey } from "../node/node-key.ts";
import { stateFolder } from "../node/node-memory.ts";
import { readFacts } from "../node/read-facts.ts";
import { runNode, startNode } from "../node/start-node.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Exit codes that the first program of the installer acts on. */
const exitCodes = { reboot: 0, "power-off": 3 } as const;

/** Installs this computer. Answers the exit code. */
export async function installNode(): Promise<number> {
  const say = (line: string): void => print(`drover-install: ${line}`);
  const words = parseInstallerWords(readFileSync("/proc/cmdline", "utf8"));
  const key = keptNodeKey("/run/drover/node-key");
  const loader = readLoaderPrograms();
  const next = await runInstallSession({
    words,
    key,
    readFacts,
    stranger: strangerSite(words.siteUrl),
    asNode: (site, node) => nodeSite({ baseUrl: words.siteUrl, site, node, sign: key.sign }),
    run: installRun({ words, key, loader, say, now: Date.now }),
    say,
    wait: (ms) => wait(ms),
    random: Math.random,
  });
  return exitCodes[next];
}

/** Runs the node agent of an installed system until the signal aborts. */
export async function runNodeRole(agentVersion: string, signal: AbortSignal): Promise<void> {
  const say = (line: string): void => print(`drover-node: ${line}`);
  const log = jsonLog((text) => process.stdout.write(text));
  const agent = await startNode({ stateFolder, agentVersion, log, say });
  await runNode(agent, signal);
}
