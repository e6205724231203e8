// Child programs of the bootstrap: quiet ones whose output matters only when they fail, and the main
// one, which gets each signal exactly once and is always waited for.
import { spawn } from "node:child_process";

/** Runs a program to its end. Never rejects: one that can't start has exit code 127. */
export function runQuietly(program, args, options = {}) {
  return new Promise((settle) => {
    let output = "";
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    const keep = (text) => {
      output = (output + text).slice(-200_000);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => settle({ exitCode: 127, output: error.message }));
    child.on("close", (exitCode) => settle({ exitCode: exitCode ?? 1, output }));
  });
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/**
 * Runs the main program with our standard streams and returns its exit code. It has a session of its
 * own: a Ctrl-C reaches it through us once, and not a second time from the terminal or from npm.
 */
export function runInFront(program, args, options) {
  return new Promise((settle) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
      ...options,
    });
    const passedAt = new Map();
    const pass = (signal) => {
      const now = performance.now();
      if (now - (passedAt.get(signal) ?? Number.NEGATIVE_INFINITY) < 500) return;
      passedAt.set(signal, now);
      child.kill(signal);
    };
    for (const signal of Object.keys(signalNumbers)) process.on(signal, pass);
    const finish = (exitCode) => {
      for (const signal of Object.keys(signalNumbers)) process.off(signal, pass);
      settle(exitCode);
    };
    child.on("error", (error) => {
      process.stderr.write(`${program} can't be started: ${error.message}\n`);
      finish(127);
    });
    child.on("exit", (exitCode, signal) => finish(exitCode ?? 128 + (signalNumbers[signal] ?? 9)));
  });
}
