// Reboots for a trial or a return. What was written is on the disk first; when the orderly way does not
// end this system in time, the kernel is told directly.
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { describeError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";

const run = promisify(execFile);
const orderlyMs = 60_000;

/** A reboot that is asked for again while it happens is the same one. */
export function restarter(
  log: Log,
  say: (line: string) => void,
): (because: string) => Promise<void> {
  let isUnderWay = false;
  return async (because) => {
    if (isUnderWay) return;
    isUnderWay = true;
    say(`rebooting: ${because}`);
    await run("sync", [], { timeout: orderlyMs });
    const [program, ...args] = existsSync("/run/systemd/system")
      ? ["systemctl", "reboot"]
      : ["reboot", "-f"];
    run(program, args, { timeout: orderlyMs }).catch((error: unknown) => {
      log.warn({ error: describeError(error) }, "orderly reboot failed");
    });
    // Must not keep this process from ending: the orderly way waits for that.
    void wait(orderlyMs, undefined, { ref: false }).then(() =>
      writeFileSync("/proc/sysrq-trigger", "b"),
    );
  };
}
