// Remembers every process and namespace the lab made, by file, until it is gone. A run that was killed
// is cleaned up by the next one; only what a dead run owned is ever touched, and only by id.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labFolder } from "./lab-folder.ts";

/** A process as (pid, start time), which names it even after the pid was given to another. */
interface ProcessName {
  readonly pid: number;
  readonly startedTicks: string;
}

interface Entry {
  readonly owner: ProcessName;
  readonly process?: ProcessName;
  readonly namespace?: string;
}

let made = 0;

/** Records one thing and returns how to forget it once it is gone. */
export function remember(
  what: { readonly pid: number } | { readonly namespace: string },
): () => void {
  const owner = nameOf(process.pid);
  if (owner === undefined) throw new Error("the start time of this process cannot be read");
  const entry: Entry =
    "pid" in what ? { owner, ...optional(nameOf(what.pid)) } : { owner, namespace: what.namespace };
  made += 1;
  const path = join(labFolder("registry"), `${process.pid}-${made}.json`);
  writeFileSync(path, JSON.stringify(entry));
  return () => rmSync(path, { force: true });
}

function optional(name: ProcessName | undefined): { process?: ProcessName } {
  return name === undefined ? {} : { process: name };
}

/** Removes what runs that died left behind; says what it removed. */
export function cleanUpAfterDeadRuns(): readonly string[] {
  const folder = labFolder("registry");
  const removed: string[] = [];
  const namespaces: string[] = [];
  for (const file of readdirSync(folder)) {
    const entry = readEntry(join(folder, file));
    if (entry !== undefined && isAlive(entry.owner)) continue;
    if (entry?.process !== undefined && isAlive(entry.process)) {
      process.kill(entry.process.pid, "SIGKILL");
      removed.push(`process ${entry.process.pid}`);
    }
    if (entry?.namespace !== undefined) namespaces.push(entry.namespace);
    rmSync(join(folder, file), { force: true });
  }
  for (const name of namespaces)
    if (deleteNamespace(name)) removed.push(`network namespace ${name}`);
  return removed;
}

/** True when the namespace existed and is gone now. */
export function deleteNamespace(name: string): boolean {
  return spawnSync("ip", ["netns", "delete", name], { stdio: "ignore" }).status === 0;
}

function readEntry(path: string): Entry | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Entry;
  } catch (error) {
    // A run that was killed while it wrote leaves half a file, and made nothing after it.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isAlive(name: ProcessName): boolean {
  return nameOf(name.pid)?.startedTicks === name.startedTicks;
}

/** Field 22 of /proc/PID/stat; the command in field 2 may hold spaces and parentheses. */
function nameOf(pid: number): ProcessName | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const startedTicks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return startedTicks === undefined ? undefined : { pid, startedTicks };
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOENT" || error.code === "ESRCH")
    )
      return undefined;
    throw error;
  }
}
