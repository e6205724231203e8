// Structured logs as JSON lines on standard error. Secrets have no field that is logged.
import type { Log } from "@drover/shared/log";
import { destination, pino, stdSerializers } from "pino";

export function openLog(level: string): Log {
  const { err } = stdSerializers;
  return pino(
    { level, base: null, serializers: { err, error: err } },
    destination({ fd: 2, sync: true }),
  );
}
