// What the bootstrap says to people: plain lines, progress with seconds, errors on stderr.

export function say(line) {
  process.stdout.write(`${line}\n`);
}

export function complain(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs `work` between a line that says what begins and one that says how long it took. */
export async function withProgress(what, work) {
  const startedAt = performance.now();
  say(`${what} …`);
  const tick = setInterval(() => say(`  still ${what} (${seconds(startedAt)})`), 20_000);
  try {
    const result = await work();
    say(`  done in ${seconds(startedAt)}`);
    return result;
  } finally {
    clearInterval(tick);
  }
}

function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}

/** A failure whose message is all that people need to see. */
export class BootstrapError extends Error {}
