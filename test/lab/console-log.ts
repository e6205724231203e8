// The serial console of a virtual machine as stamped lines: kept in a file, and to be waited for.
import { closeSync, openSync, writeSync } from "node:fs";

export interface ConsoleLine {
  /** Milliseconds since power-on. */
  readonly atMs: number;
  readonly text: string;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (line: ConsoleLine) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const escapeCharacter = String.fromCharCode(27);
const escapeSequences = new RegExp(
  `${escapeCharacter}(\\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[a-zA-Z=>])`,
  "g",
);

export class ConsoleLog {
  readonly lines: ConsoleLine[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #fd: number;
  readonly #name: string;
  readonly #startedAt = performance.now();
  #rest = "";
  #ended = "";

  constructor(name: string, path: string) {
    this.#name = name;
    this.#fd = openSync(path, "a");
  }

  /** Takes raw bytes of the console. */
  write(bytes: Uint8Array): void {
    this.#rest += Buffer.from(bytes).toString("latin1");
    const pieces = this.#rest.replace(escapeSequences, "").split(/[\r\n]+/);
    this.#rest = pieces.pop() ?? "";
    for (const piece of pieces) this.note(piece);
  }

  /** Adds one line, also used for what the lab itself has to say. */
  note(raw: string): void {
    const text = raw.replace(/[^\x20-\x7e]/g, "").trimEnd();
    if (text === "" || this.#ended !== "") return;
    const line = { atMs: performance.now() - this.#startedAt, text };
    this.lines.push(line);
    // Written at once, so that a killed run leaves everything it saw.
    writeSync(this.#fd, `[${(line.atMs / 1000).toFixed(2).padStart(8)}] ${text}\n`);
    for (const waiter of this.#waiters) {
      if (!waiter.pattern.test(text)) continue;
      this.#drop(waiter);
      waiter.resolve(line);
    }
  }

  /** Resolves with the first line from now on, or already seen since `afterLine`, that matches. */
  waitFor(pattern: RegExp, timeoutMs: number, afterLine = 0): Promise<ConsoleLine> {
    const seen = this.lines.slice(afterLine).find((line) => pattern.test(line.text));
    if (seen !== undefined) return Promise.resolve(seen);
    if (this.#ended !== "") return Promise.reject(this.#failure(pattern, this.#ended));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#drop(waiter);
        reject(this.#failure(pattern, `${timeoutMs} ms passed`));
      }, timeoutMs);
      const waiter: Waiter = { pattern, resolve, reject, timer };
      this.#waiters.add(waiter);
    });
  }

  /** Ends the log: whoever still waits is told why there will be no more lines. */
  end(why: string): void {
    if (this.#ended !== "") return;
    if (this.#rest !== "") this.note(this.#rest);
    this.#ended = why;
    for (const waiter of this.#waiters) {
      this.#drop(waiter);
      waiter.reject(this.#failure(waiter.pattern, why));
    }
    closeSync(this.#fd);
  }

  #drop(waiter: Waiter): void {
    clearTimeout(waiter.timer);
    this.#waiters.delete(waiter);
  }

  #failure(pattern: RegExp, why: string): Error {
    const last = this.lines.slice(-6).map((line) => line.text);
    return new Error(`${this.#name} never printed ${pattern}: ${why}; last: ${last.join(" | ")}`);
  }
}
