// QEMU's control socket: one command at a time, events kept with their time.
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

export interface QmpEvent {
  /** Milliseconds since the connection was opened. */
  readonly atMs: number;
  readonly name: string;
  readonly data: unknown;
}

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc?: string };
}

export class Qmp {
  readonly events: QmpEvent[] = [];
  readonly #socket: Socket;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  readonly #startedAt = performance.now();

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects and negotiates. The socket file may appear a moment after QEMU was started. */
  static async open(path: string, timeoutMs: number): Promise<Qmp> {
    const socket = await connectWhenReady(path, performance.now() + timeoutMs);
    const qmp = new Qmp(socket);
    await qmp.#greeting();
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  /** Runs one command. Rejects with QEMU's own words, or when QEMU goes away. */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#socket.destroyed) throw new Error(`QMP ${command} failed: QEMU is gone`);
    const answered = new Promise<Answer>((resolve) => this.#waiting.push(resolve));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await answered;
    if (answer.error !== undefined) throw new Error(`QMP ${command} failed: ${answer.error.desc}`);
    return answer.return;
  }

  close(): void {
    this.#socket.destroy();
  }

  #greeting(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listen(resolve, () => reject(new Error("QEMU went away before it said a word on QMP")));
    });
  }

  #listen(onGreeting: () => void, onGone: () => void): void {
    this.#socket.on("close", () => {
      for (const resolve of this.#waiting.splice(0)) resolve({ error: { desc: "QEMU is gone" } });
      onGone();
    });
    const lines = createInterface({ input: this.#socket });
    // The reader of lines passes the socket's errors on: a QEMU that ends with a command unread resets it.
    lines.on("error", () => this.#socket.destroy());
    lines.on("line", (line) => {
      const message = JSON.parse(line) as Answer & {
        QMP?: unknown;
        event?: string;
        data?: unknown;
      };
      if (message.QMP !== undefined) onGreeting();
      else if (message.event === undefined) this.#waiting.shift()?.(message);
      else {
        const atMs = performance.now() - this.#startedAt;
        this.events.push({ atMs, name: message.event, data: message.data });
      }
    });
  }
}

async function connectWhenReady(path: string, until: number): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    const failure = await new Promise<Error | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", resolve);
    });
    if (failure === undefined) return socket;
    if (performance.now() > until) throw failure;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
