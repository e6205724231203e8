// The HTTPS listener. A busy port is one clear sentence; stopping lets running requests end, for a while.
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import { FleetError } from "@drover/shared/errors";
import { getRequestListener } from "@hono/node-server";

export class ListenError extends FleetError {
  readonly code: "port-busy" | "listen-failed";

  constructor(code: ListenError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface HttpsServer {
  /** Reads the certificate again; connections go on. */
  renewCertificate(): void;
  stop(): Promise<void>;
}

const drainMs = 5_000;

export async function listenHttps(options: {
  fetch: (request: Request) => Response | Promise<Response>;
  /** The authority goes with the certificate: a new site knows the centre by its fingerprint alone. */
  tls: {
    readonly certificateFile: string;
    readonly authorityFile: string;
    readonly keyFile: string;
  };
  host: string;
  port: number;
}): Promise<HttpsServer> {
  const { tls, host, port } = options;
  const secure = () =>
    ({
      cert: Buffer.concat([readFileSync(tls.certificateFile), readFileSync(tls.authorityFile)]),
      key: readFileSync(tls.keyFile),
      minVersion: "TLSv1.2",
    }) as const;
  const server = createServer(secure(), getRequestListener(options.fetch));
  server.headersTimeout = 20_000;
  server.requestTimeout = 600_000;
  await listen(server, host, port);
  return {
    renewCertificate: () => server.setSecureContext(secure()),
    stop: () => stop(server),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((settle, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const busy = cause.code === "EADDRINUSE";
      const sentence = busy
        ? `port ${port} of ${host} is used by another program: stop that one or choose another with --port`
        : `listening on ${host}, port ${port} failed: ${cause.message}`;
      reject(new ListenError(busy ? "port-busy" : "listen-failed", sentence, { cause }));
    });
    server.listen({ host, port }, settle);
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((settle) => {
    const timer = setTimeout(() => server.closeAllConnections(), drainMs);
    server.close(() => {
      clearTimeout(timer);
      settle();
    });
    server.closeIdleConnections();
  });
}
