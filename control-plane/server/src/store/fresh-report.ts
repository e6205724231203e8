// A report between being inserted and being applied to the states it changes.
import type { AcceptedReport } from "../loops/ports.ts";

/** A report that is new here, with the order of its outbox among those of its site. */
export interface FreshReport extends AcceptedReport {
  readonly ordinal: number;
}
