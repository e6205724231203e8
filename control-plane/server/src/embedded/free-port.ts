// Ports on the loopback interface. A chosen port is kept in a file so that a restart uses it again.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { systemCode } from "./errors.ts";

/** Whether nothing listens on the port. */
export async function isPortFree(port: number, host: string): Promise<boolean> {
  const server = await listen(port, host);
  if (server === undefined) return false;
  await close(server);
  return true;
}

/** A port nobody uses at this moment. */
export async function findFreePort(host: string): Promise<number> {
  const server = await listen(0, host);
  const address = server?.address();
  if (server === undefined || address === null || typeof address !== "object") {
    throw new Error(`no free port on ${host}`);
  }
  const { port } = address as { port: number };
  await close(server);
  return port;
}

/** The port kept in `file`, or undefined when there is none or the file holds no port. */
export function readPort(file: string): number | undefined {
  try {
    const port = Number(readFileSync(file, "utf8"));
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Keeps the port for the next start. */
export function keepPort(file: string, port: number): void {
  writeFileSync(`${file}.new`, `${port}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function listen(port: number, host: string): Promise<Server | undefined> {
  return new Promise((settle, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      if (systemCode(error) === "EADDRINUSE") settle(undefined);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => settle(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((settle, reject) => {
    server.close((error) => (error === undefined ? settle() : reject(error)));
  });
}
