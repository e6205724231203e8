// Takes one build at a time and carries it to its end. The hold is renewed while it runs; losing it, or a
// person's cancel, stops the work. Lines go to the log in batches and in order.

import { describeError } from "@drover/shared/errors";
import type { BuildId, ImageId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";

export interface BuildQueue {
  take(input: {
    holder: string;
    now: number;
    holdMs: number;
  }): Promise<
    { readonly id: BuildId; readonly recipe: string; readonly attempt: number } | undefined
  >;
  renew(input: {
    id: BuildId;
    holder: string;
    now: number;
    holdMs: number;
  }): Promise<"go-on" | "cancel" | "lost">;
  appendLog(input: { id: BuildId; holder: string; lines: readonly string[] }): Promise<void>;
  end(input: {
    id: BuildId;
    holder: string;
    end:
      | {
          readonly state: "succeeded";
          readonly imageId: ImageId;
          readonly because: readonly string[];
        }
      | { readonly state: "failed" | "cancelled"; readonly because: readonly string[] };
    now: number;
  }): Promise<void>;
}

/** Makes the image, puts its content into the store and registers it. Rejects when `signal` aborts. */
export interface ImageMaker {
  make(input: {
    id: BuildId;
    recipe: string;
    signal: AbortSignal;
    onLine: (line: string) => void;
  }): Promise<ImageId>;
}

export interface BuilderPorts {
  readonly queue: BuildQueue;
  readonly maker: ImageMaker;
  readonly holder: string;
  readonly now: () => number;
  readonly log: Log;
  /** Called when a build's row or log changed. */
  readonly changed: (id: BuildId) => void;
  readonly renewMs?: number;
}

const holdMs = 30_000;
const attemptsMax = 3;

/** One look: takes a build if there is one and works until it ended. */
export async function buildNext(
  ports: BuilderPorts,
  stopping: AbortSignal,
): Promise<{ again: boolean }> {
  const { queue, holder, now } = ports;
  const taken = await queue.take({ holder, now: now(), holdMs });
  if (!taken) return { again: false };
  const { id, attempt } = taken;
  ports.changed(id);
  if (attempt > attemptsMax) {
    const because = [`its builder died ${attemptsMax} times`];
    await queue.end({ id, holder, end: { state: "failed", because }, now: now() });
    return { again: true };
  }
  await work(ports, taken, stopping);
  ports.changed(id);
  return { again: true };
}

async function work(
  ports: BuilderPorts,
  { id, recipe }: { id: BuildId; recipe: string },
  stopping: AbortSignal,
): Promise<void> {
  const { queue, holder, now, log } = ports;
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, stopping]);
  const lines: string[] = [];
  const tending = tend(ports, { id, lines, stop });
  const end = await ports.maker
    .make({ id, recipe, signal, onLine: (line) => void lines.push(line) })
    .then((imageId) => ({
      state: "succeeded" as const,
      imageId,
      because: [`made image ${imageId}`],
    }))
    .catch((error: unknown) => endOf(error, stop.signal.reason));
  await tending.end();
  // A server that stops gives the build back by letting its hold run out.
  if (stopping.aborted || stop.signal.reason === "lost") return;
  await queue.end({ id, holder, end, now: now() });
  log.info({ build: id, recipe, state: end.state, because: end.because }, "build ended");
}

function endOf(error: unknown, stopped: unknown) {
  return stopped === "cancel"
    ? { state: "cancelled" as const, because: ["cancelled while it ran"] }
    : { state: "failed" as const, because: [describeError(error).slice(0, 2000)] };
}

/** Renews the hold and writes collected lines until told to end. */
function tend(
  ports: BuilderPorts,
  build: { id: BuildId; lines: string[]; stop: AbortController },
): { end(): Promise<void> } {
  const { queue, holder, now, log } = ports;
  const { id, lines, stop } = build;
  const flush = async (): Promise<void> => {
    if (lines.length > 0) await queue.appendLog({ id, holder, lines: lines.splice(0) });
    const answer = await queue.renew({ id, holder, now: now(), holdMs });
    if (answer !== "go-on") stop.abort(answer);
    ports.changed(id);
  };
  let running = Promise.resolve();
  const look = (): void => {
    running = running.then(flush).catch((error: unknown) => {
      log.warn({ build: id, error }, "build log could not be written");
    });
  };
  const timer = setInterval(look, ports.renewMs ?? 1_000);
  return {
    async end() {
      clearInterval(timer);
      look();
      await running;
    },
  };
}
