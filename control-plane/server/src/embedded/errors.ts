// Failures of the embedded services and their data folder. Every message is one sentence a person can
// act on; the code is stable.
import { FleetError } from "@drover/shared/errors";

export type DataFolderFailure =
  | "data-folder-in-use"
  | "data-folder-broken"
  | "data-folder-unwritable"
  | "data-folder-too-new"
  | "disk-full";

/** The data folder can't be used; nothing in it was changed. */
export class DataFolderError extends FleetError {
  readonly code: DataFolderFailure;

  constructor(code: DataFolderFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type EmbeddedFailure =
  | "embedded-program-missing"
  | "embedded-program-unfit"
  | "embedded-start-failed"
  | "embedded-port-busy"
  | "embedded-download-failed"
  | "tls-authority-broken";

/** An embedded service can't be had or doesn't start; `detail` holds the end of its own log. */
export class EmbeddedError extends FleetError {
  readonly code: EmbeddedFailure;
  readonly detail: string;

  constructor(code: EmbeddedFailure, message: string, detail = "", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.detail = detail;
  }
}

/** The system error code (`ENOSPC`, `EACCES` …) of something thrown by Node, if it has one. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
