// HTTPS to the centre: bounded requests for the API and streamed ranges for content, verified against
// the authority of enrolment. Nothing larger than the stated bounds is ever held in memory.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { Send } from "@drover/shared/api/client";
import { FleetError } from "@drover/shared/errors";

export class CentreError extends FleetError {
  readonly code = "centre-unreachable";
}

/** The content does not exist there, which for a pointer is a normal answer. */
export class ContentMissingError extends FleetError {
  readonly code = "content-missing";
}

const answerBytesMax = 8 * 1024 * 1024;
const idleTimeoutMs = 30_000;

export interface Centre {
  /** Sends one API request; `bearer` is added when given. */
  send(bearer?: string): Send;
  /** Streams one content object, or a range of it: exactly the bytes asked for or an error. */
  read(
    url: string,
    range: { readonly offset: number; readonly sizeBytes: number } | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  close(): void;
}

export function httpsCentre(options: { readonly url: string; readonly caPem: string }): Centre {
  const agent = new Agent({ ca: options.caPem, keepAlive: true, maxSockets: 8 });
  const open = (
    url: URL,
    method: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const isSecure = url.protocol === "https:";
      const request = (isSecure ? httpsRequest : httpRequest)(
        url,
        {
          method,
          headers,
          timeout: idleTimeoutMs,
          ...(isSecure ? { agent } : {}),
          ...(signal ? { signal } : {}),
        },
        resolve,
      );
      request.once("timeout", () => request.destroy(new Error("no answer in time")));
      request.once("error", (cause) =>
        reject(new CentreError(`${method} ${url.origin}${url.pathname} failed`, { cause })),
      );
      request.end(body);
    });
  return {
    send:
      (bearer) =>
      async ({ method, path, body, headers }) => {
        const all = bearer ? { ...headers, authorization: `Bearer ${bearer}` } : headers;
        const answer = await open(new URL(path, options.url), method, all, body);
        return { status: answer.statusCode ?? 0, text: await readText(answer) };
      },
    async *read(url, range, signal) {
      const headers: Record<string, string> = range
        ? { range: `bytes=${range.offset}-${range.offset + range.sizeBytes - 1}` }
        : {};
      const answer = await open(new URL(url), "GET", headers, undefined, signal);
      const expected = range ? 206 : 200;
      if (answer.statusCode !== expected) {
        answer.resume();
        const what = `GET ${url} answered ${answer.statusCode}`;
        if (answer.statusCode === 404) throw new ContentMissingError(what);
        throw new CentreError(`${what} instead of ${expected}`);
      }
      answer.setTimeout(idleTimeoutMs, () =>
        answer.destroy(new Error("the content stopped arriving")),
      );
      try {
        for await (const piece of answer as AsyncIterable<Buffer>) yield piece;
      } finally {
        answer.destroy();
      }
    },
    close: () => agent.destroy(),
  };
}

async function readText(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    sizeBytes += part.length;
    if (sizeBytes > answerBytesMax) {
      answer.destroy();
      throw new CentreError(`the centre's answer is larger than ${answerBytesMax} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
