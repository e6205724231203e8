// The node's log: one JSON line per entry on standard output, which init shows on the console or the
// journal keeps. Lines for people begin with the program's name and a colon instead.
import type { Log, LogFields } from "@drover/shared/log";

const levels = { debug: 10, info: 20, warn: 30, error: 40 } as const;
type Level = keyof typeof levels;

/** `write` gets whole lines; entries below `least` are left out. */
export function jsonLog(
  write: (line: string) => void,
  least: Level = "info",
  bound: LogFields = {},
): Log {
  const at =
    (level: Level) =>
    (fields: LogFields, message: string): void => {
      if (levels[level] < levels[least]) return;
      write(JSON.stringify({ level, at: new Date().toISOString(), ...bound, ...fields, message }));
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => jsonLog(write, least, { ...bound, ...fields }),
  };
}
