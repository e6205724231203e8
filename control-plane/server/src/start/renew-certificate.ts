// Keeps the server certificate young while the control plane runs for years: looks every day, and hands a
// renewed one to the listeners. Sites trust the authority, so they notice nothing.
import type { Clock } from "@drover/shared/clock";
import type { Log } from "@drover/shared/log";
import type { Random } from "@drover/shared/random";
import type { TlsAuthority } from "../embedded/tls-authority.ts";
import { type Loop, startLoop } from "../loops/loop.ts";

const everyMs = 86_400_000;

export function keepCertificateYoung(options: {
  /** What the listeners use now. */
  readonly tls: TlsAuthority;
  /** Renews the files when it is time. */
  readonly open: () => TlsAuthority;
  /** Makes a listener read the files again. Called again later when it throws. */
  readonly handOver: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Loop {
  const { open, handOver, log, ...rest } = options;
  let used = options.tls.renewAt;
  const once = async () => {
    const { renewAt } = open();
    if (renewAt !== used) {
      handOver();
      used = renewAt;
      log.info({ renewAt: new Date(renewAt).toISOString() }, "server certificate renewed");
    }
    return { again: false };
  };
  return startLoop({ name: "certificate", everyMs, once, log, ...rest });
}
