// Where the centre is and who we are: flags win over the environment, the environment over the files
// of a control plane's data folder or of the person's home.
import { readFileSync } from "node:fs";
import type { ClientRequest } from "node:http";
import { request } from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Send } from "@drover/shared/api/client";
import { FleetError } from "@drover/shared/errors";
import { z } from "zod";

/** What a client needs to call a control plane. `caPem` is empty where a public authority vouches. */
export const ClientFile = z.object({ url: z.url(), token: z.string().min(1), caPem: z.string() });
export type ClientFile = z.infer<typeof ClientFile>;

export class ConnectionError extends FleetError {
  readonly code = "connection-unusable";
}

export interface ConnectionFlags {
  readonly data?: string;
  readonly url?: string;
}

/** Where a control plane on this computer serves unless told otherwise. */
const localUrl = "https://127.0.0.1:8443";

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConnectionError(`cannot read ${path}`, { cause });
  }
}

/** Token and authority as a control plane keeps them in its data folder. */
function fromDataFolder(folder: string): ClientFile | undefined {
  const token = readIfThere(join(folder, "secrets", "admin-token"))?.trim();
  const caPem = readIfThere(join(folder, "tls", "authority.crt"));
  return token && caPem ? { url: localUrl, token, caPem } : undefined;
}

function fromHome(): ClientFile | undefined {
  const path = join(homedir(), ".config", "drover", "client.json");
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return ClientFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConnectionError(`${path} is not a client file: it holds url, token and caPem`, {
      cause,
    });
  }
}

function authority(path: string): string {
  const text = readIfThere(path);
  if (text === undefined) throw new ConnectionError(`DROVER_CA names ${path}, which is not there`);
  return text;
}

/** Finds the centre, or says in one sentence what to give. */
export function findConnection(flags: ConnectionFlags, env: NodeJS.ProcessEnv): ClientFile {
  const folder = flags.data ?? env["DROVER_DATA"];
  const file = folder ? fromDataFolder(folder) : fromHome();
  const url = flags.url ?? env["DROVER_URL"] ?? file?.url;
  const token = env["DROVER_TOKEN"] ?? file?.token;
  const caPem = env["DROVER_CA"] ? authority(env["DROVER_CA"]) : (file?.caPem ?? "");
  if (!url || !token) {
    throw new ConnectionError(
      "no control plane given: pass --data DIR, or set DROVER_URL and DROVER_TOKEN (and DROVER_CA)",
    );
  }
  if (!/^https:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new ConnectionError(
      `${url} is not the address of a control plane: it starts with https://`,
    );
  return { url, token, caPem };
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Puts one object of `sizeBytes` at a path of the centre; `onBytes` hears of every part that left. */
export type Put = (input: {
  path: string;
  sizeBytes: number;
  body: Readable;
  onBytes: (count: number) => void;
}) => Promise<Answer>;

/** The two ways to the centre: JSON calls, and bytes too many for one string. */
export interface Wire {
  readonly send: Send;
  readonly put: Put;
}

/** No byte for this long means that nothing will come. */
const quietMsMax = 60_000;

/** Opens one request, trusting the centre's own authority only when one is given. */
function openRequest(
  client: ClientFile,
  input: { method: string; path: string; headers: Record<string, string | number> },
  settle: { resolve: (answer: Answer) => void; reject: (cause: unknown) => void },
): ClientRequest {
  const headers = {
    ...input.headers,
    authorization: `Bearer ${client.token}`,
    accept: "application/json",
  };
  const trust = client.caPem ? { ca: client.caPem } : {};
  const outgoing = request(
    new URL(input.path, client.url),
    { method: input.method, agent: false, timeout: quietMsMax, headers, ...trust },
    (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", settle.reject);
      response.on("end", () =>
        settle.resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(parts).toString("utf8"),
        }),
      );
    },
  );
  outgoing.on("timeout", () =>
    outgoing.destroy(new Error(`no answer within ${quietMsMax / 1000} s`)),
  );
  outgoing.on("error", (cause) =>
    settle.reject(
      new ConnectionError(`cannot reach the control plane at ${client.url}`, { cause }),
    ),
  );
  return outgoing;
}

/** Talks to the centre over HTTPS. */
export function wireTo(client: ClientFile): Wire {
  return {
    send: (input) =>
      new Promise<Answer>((resolve, reject) => {
        openRequest(client, input, { resolve, reject }).end(input.body);
      }),
    put: ({ path, sizeBytes, body, onBytes }) =>
      new Promise<Answer>((resolve, reject) => {
        const headers = {
          "content-type": "application/octet-stream",
          "content-length": sizeBytes,
        };
        const outgoing = openRequest(client, { method: "PUT", path, headers }, { resolve, reject });
        body.on("data", (part: Buffer) => onBytes(part.length));
        body.on("error", (cause) => {
          outgoing.destroy();
          reject(cause);
        });
        body.pipe(outgoing);
      }),
  };
}
