// Logs as JSON lines: one object per line, never split, level names as in the log port.
import { describeError } from "@drover/shared/errors";
import type { Log, LogFields } from "@drover/shared/log";

const levels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof levels)[number];

/** Writes lines at or above `least`. Errors in fields are written as their sentence. */
export function jsonLog(
  write: (line: string) => void,
  least: LogLevel = "info",
  context: LogFields = {},
): Log {
  const at =
    (level: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (levels.indexOf(level) < levels.indexOf(least)) return;
      const entry = { at: new Date().toISOString(), level, message, ...context, ...fields };
      write(
        `${JSON.stringify(entry, (_, value) => (value instanceof Error ? describeError(value) : value))}\n`,
      );
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => jsonLog(write, least, { ...context, ...fields }),
  };
}
