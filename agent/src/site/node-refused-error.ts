// A node asked for something it may not have; the answer to it is a status, a stable word and a sentence.
import { FleetError } from "@drover/shared/errors";

export class NodeRefusedError extends FleetError {
  readonly code = "node-refused";
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 429;
  readonly word: string;
  /** Where a caller whose counter is too low should go on. */
  readonly counter: number | undefined;

  constructor(
    status: NodeRefusedError["status"],
    word: string,
    sentence: string,
    counter?: number,
  ) {
    super(sentence);
    this.status = status;
    this.word = word;
    this.counter = counter;
  }
}
