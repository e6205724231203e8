// Logging as a port: the message is a constant past-tense sentence, everything variable is a field.

export type LogFields = Readonly<Record<string, unknown>>;

/** `error` wakes a person, `warn` healed itself, `info` is a change of state, `debug` is the rest. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Log;
}

/** A log that keeps nothing, for tests and pure tools. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
