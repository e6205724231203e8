// One lab computer: power, reset, power cut, console and events. Everything it prints is kept in the
// run folder given by the caller.
import type { ChildProcess } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { chooseAccel } from "./accel.ts";
import { type ConsoleLine, ConsoleLog } from "./console-log.ts";
import { deadlineMs } from "./deadline.ts";
import type { LabNamespace } from "./namespace.ts";
import { Qmp } from "./qmp.ts";
import { firmwareFiles, type VmShape, vmArgs } from "./vm-args.ts";

export interface VmUse {
  /** CPU seconds of the whole QEMU process, which vary far less than wall time. */
  readonly cpuSeconds: number;
  readonly rssMb: number;
}

export interface Vm {
  readonly shape: VmShape;
  readonly qmp: Qmp;
  readonly console: ConsoleLog;
  /** Waits for a console line; `quietMs` is how long it takes on a quiet computer. */
  waitFor(pattern: RegExp, quietMs: number, afterLine?: number): Promise<ConsoleLine>;
  /** The reset button. */
  reset(): Promise<void>;
  /** Pulls the plug. What QEMU gave to the page cache survives: honest cuts need an NBD disk. */
  cutPower(): Promise<void>;
  use(): VmUse;
  /** The disks and UEFI variables stay for the next power-on. */
  readonly exited: Promise<void>;
}

/** Makes an empty, sparse disk file. */
export function createDisk(path: string, sizeBytes: number): string {
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

/** Powers a computer on. `runFolder` takes its console log, control socket and UEFI variables. */
export async function powerOn(
  shape: VmShape,
  where: { readonly namespace: LabNamespace; readonly tap: string; readonly runFolder: string },
): Promise<Vm> {
  const accel = await chooseAccel();
  const qmpSocket = join(where.runFolder, `${shape.name}.qmp`);
  const varsFile = join(where.runFolder, `${shape.name}.vars.fd`);
  const firmware = firmwareFiles(shape.firmware);
  if (firmware !== undefined && !existsSync(varsFile)) copyFileSync(firmware.vars, varsFile);
  rmSync(qmpSocket, { force: true });
  const log = new ConsoleLog(shape.name, join(where.runFolder, `${shape.name}.console.log`));
  log.note(`lab: power on, ${shape.firmware}, ${accel.kind} because ${accel.because}`);
  const args = vmArgs(shape, { tap: where.tap, qmpSocket, varsFile, accel: accel.kind });
  const child = where.namespace.spawn("qemu-system-x86_64", args, {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (bytes: Buffer) => log.write(bytes));
  child.stderr?.on("data", (bytes: Buffer) => log.note(`qemu: ${bytes.toString()}`));
  const exited = new Promise<void>((resolve) => {
    child.once("close", (code, signal) => {
      log.end(`QEMU ended with ${signal ?? code}`);
      rmSync(qmpSocket, { force: true });
      resolve();
    });
  });
  const qmp = await openQmp(qmpSocket, exited, log);
  return vmOf(shape, child, qmp, log, exited);
}

async function openQmp(path: string, exited: Promise<void>, log: ConsoleLog): Promise<Qmp> {
  const gone = exited.then(() => {
    throw new Error(`QEMU did not start: ${log.lines.map((line) => line.text).join(" | ")}`);
  });
  const opened = Qmp.open(path, deadlineMs(2000));
  // A QEMU that gives up may close its socket first; its own last words say more than that.
  const late = opened.catch(async (error: unknown) => {
    await Promise.race([gone, wait(deadlineMs(100), undefined, { ref: false })]);
    throw error;
  });
  return await Promise.race([late, gone]);
}

function vmOf(
  shape: VmShape,
  child: ChildProcess,
  qmp: Qmp,
  log: ConsoleLog,
  exited: Promise<void>,
): Vm {
  let last: VmUse = { cpuSeconds: 0, rssMb: 0 };
  const use = (): VmUse => {
    last = readUse(child) ?? last;
    return last;
  };
  return {
    shape,
    qmp,
    console: log,
    exited,
    use,
    waitFor: (pattern, quietMs, afterLine) => log.waitFor(pattern, deadlineMs(quietMs), afterLine),
    reset: async () => {
      log.note("lab: reset");
      await qmp.execute("system_reset");
    },
    cutPower: async () => {
      use();
      log.note("lab: power cut");
      child.kill("SIGKILL");
      await exited;
      qmp.close();
    },
  };
}

/** Fields 14 and 15 of /proc/PID/stat count clock ticks, 100 a second on Linux. */
function readUse(child: ChildProcess): VmUse | undefined {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  try {
    const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
      rssMb: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024),
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
