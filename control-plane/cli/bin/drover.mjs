#!/usr/bin/env node
// Starts the command line from a checkout: with this Node where it runs TypeScript as it is, else with the
// pinned Node that npm installed beside us. Plain JavaScript for Node 20, so that it can say what is missing.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** The pinned Node's program, or undefined where npm brought none for this computer. */
function pinnedNode() {
  const name = `node-${process.platform}-${process.arch}`;
  try {
    const home = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    const program = join(home, "bin", "node");
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function runWith(program) {
  const child = spawn(program, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends Ctrl-C to the child too; we only wait for what it makes of it.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`drover: cannot start ${program}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 143);
  });
}

if (process.features.typescript && Number(process.versions.node.split(".")[0]) >= 24) {
  await import(main);
} else {
  const program = pinnedNode();
  if (program) runWith(program);
  else {
    process.stderr.write(
      `drover: Node ${process.versions.node} is too old: Node 24 or newer is needed, or run npm install here\n`,
    );
    process.exitCode = 1;
  }
}
