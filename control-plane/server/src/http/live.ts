// Server-sent events for the console: topics to look at again, a sign of life every 15 seconds, and an end for
// whoever does not read.
import { liveEventsPath } from "@drover/shared/api/session-api";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { type CallerOptions, requirePerson } from "./callers.ts";
import { RequestError } from "./problem.ts";

interface Event {
  readonly topic: string;
  readonly id: string;
}

export interface LiveDesk {
  listen():
    | {
        next(waitMs: number): Promise<readonly Event[]>;
        readonly closed: AbortSignal;
        close(): void;
      }
    | undefined;
}

const quietMs = 15_000;

export function serveLive(
  app: OpenAPIHono,
  options: { desk: LiveDesk; callers: CallerOptions },
): void {
  app.get(liveEventsPath, async (context) => {
    await requirePerson(context, options.callers);
    const listener = options.desk.listen();
    if (!listener)
      throw new RequestError(
        503,
        "too-many-listeners",
        "too many consoles are open: try again later",
      );
    return streamSSE(context, async (stream) => {
      stream.onAbort(() => listener.close());
      await stream.write(": hello\n\n");
      while (!listener.closed.aborted && !stream.aborted) {
        const events = await listener.next(quietMs);
        if (events.length === 0) await stream.write(": still here\n\n");
        for (const { topic, id } of events)
          await stream.writeSSE({ event: topic, data: JSON.stringify({ topic, id }) });
      }
    });
  });
}
