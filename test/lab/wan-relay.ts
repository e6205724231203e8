// Passes TCP connections on, byte for byte: the ends of the lab's WAN link. Each argument is a pair
// `from>to`, an end being `tcp:ADDRESS:PORT` or `unix:PATH`. Prints one line when all ends listen.
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream";

type End = { readonly path: string } | { readonly host: string; readonly port: number };

function endOf(text: string): End {
  const [kind, first = "", second = ""] = text.split(":");
  if (kind === "unix") return { path: first };
  if (kind === "tcp" && /^\d+$/.test(second)) return { host: first, port: Number(second) };
  throw new Error(`no end of a relay: ${text}`);
}

function pass(socket: Socket, to: End): void {
  const onward = connect(to);
  // A connection that breaks on one side breaks on the other; the programs at the ends notice.
  const finish = (): void => {
    socket.destroy();
    onward.destroy();
  };
  pipeline(socket, onward, finish);
  pipeline(onward, socket, finish);
}

function listen(pair: string): Promise<Server> {
  const [from = "", to = ""] = pair.split(">");
  const end = endOf(from);
  if ("path" in end) rmSync(end.path, { force: true });
  const server = createServer((socket) => pass(socket, endOf(to)));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(end, () => resolve(server));
  });
}

await Promise.all(process.argv.slice(2).map(listen));
process.stdout.write("relay ready\n");
