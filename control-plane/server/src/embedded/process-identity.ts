// Who a process is, from /proc. A process id alone is reused, so identity is (boot id, pid, start time).
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessIdentity {
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks between boot and the start of the process, field 22 of proc(5) stat. */
  readonly startTicks: string;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // the process ended between listing and reading: that is an answer
  }
}

/** Identity of a living process, or undefined when there is none (a zombie counts as none). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  const bootId = readProc("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
  if (stat === undefined) return undefined;
  // The command name may hold spaces and brackets; fields start after its last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTicks = fields[19];
  if (startTicks === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { bootId, pid, startTicks };
}

/** True while exactly this process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now?.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** Ids of the living processes whose working folder is `folder`. */
export function processesIn(folder: string): number[] {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (workingFolder(pid) === folder && identifyProcess(pid) !== undefined) found.push(pid);
  }
  return found;
}

function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // ended, or belongs to somebody else
  }
}
