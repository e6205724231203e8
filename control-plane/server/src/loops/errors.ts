// Failures of fenced and versioned writes. Both mean: somebody else decided since; look again.
import { FleetError } from "@drover/shared/errors";

/** The writer's lease term is no longer the current one. */
export class LeaseLostError extends FleetError {
  readonly code = "lease-lost";
  readonly lease: string;
  readonly term: number;
  constructor(lease: string, term: number) {
    super(`lease ${lease} is no longer held with term ${term}`);
    this.lease = lease;
    this.term = term;
  }
}

/** The row was written since it was read. */
export class VersionConflictError extends FleetError {
  readonly code = "version-conflict";
  readonly subject: string;
  constructor(subject: string, expected: number, found: number) {
    super(`${subject} was at ${expected} when it was read and is at ${found} now`);
    this.subject = subject;
  }
}

/** The named thing is not stored. */
export class UnknownSubjectError extends FleetError {
  readonly code = "unknown-subject";
  constructor(subject: string) {
    super(`${subject} is not known`);
  }
}

/** The store cannot hold this batch of reports, whenever it is tried: some value in it does not fit. */
export class UnstorableReportError extends FleetError {
  readonly code = "report-unstorable";
  constructor(cause: unknown) {
    super("a report holds a value that the store cannot keep", { cause });
  }
}
