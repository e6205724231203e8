// A program for one test: makes a namespace with a process in it, says so, and waits to be killed.
import { createNamespace } from "./namespace.ts";

const namespace = createNamespace({ taps: 1 });
const child = namespace.spawn("sleep", ["3600"], { stdio: "ignore" });
process.stdout.write(`${namespace.name} ${child.pid}\n`);
setInterval(() => undefined, 60_000);
