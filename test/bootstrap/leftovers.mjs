// Tests leave nothing behind: no process, network namespace, mount or temporary file. A run is known by
// DROVER_RUN in the environment of its processes and by its own temporary folder. What a run that failed or
// was interrupted did leave is told, and then ended and removed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** Starts the watch over one run. `id` has the form `r` and six hex digits. */
export function watchLeftovers(id) {
  const temporary = join(tmpdir(), `drover-${id}`);
  mkdirSync(temporary, { mode: 0o755 });
  const before = { namespaces: namespaces(), mounts: mounts() };
  return {
    temporary,
    environment: { DROVER_RUN: id, TMPDIR: temporary },
    /** Sentences about what was left, after which its processes, namespaces and files are gone. */
    async collect() {
      const found = [
        ...processesOf(id).map(({ pid, command }) => `process ${pid} still runs: ${command}`),
        ...fresh(namespaces(), before.namespaces, id).map((name) => `network namespace ${name}`),
        ...fresh(mounts(), before.mounts, id).map((name) => `mount ${name}`),
        ...readdirSync(temporary).map((name) => `file ${join(temporary, name)}`),
      ];
      await endProcesses(id);
      // Namespaces of other runs on this computer carry another id.
      for (const name of namespaces().filter((each) => each.startsWith(`drover-${id}-`)))
        spawnSync("ip", ["netns", "delete", name], { stdio: "ignore" });
      rmSync(temporary, { recursive: true, force: true });
      return found;
    },
  };
}

/** Ends what the run started; a program that starts others may take more than one look. */
async function endProcesses(id) {
  for (let look = 0; look < 50; look += 1) {
    const left = processesOf(id);
    if (left.length === 0) return;
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself since the look.
      }
    }
    await wait(100);
  }
}

/** New names that are ours, and not those of another run on the same computer. */
function fresh(now, before, id) {
  return now.filter((name) => {
    const run = /drover-(r[0-9a-f]{6})\b/.exec(name)?.[1];
    return !before.includes(name) && (run === undefined || run === id);
  });
}

function namespaces() {
  const folder = "/run/netns";
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name.startsWith("drover"));
}

function mounts() {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return lines.flatMap((line) => (/\bdrover/.test(line) ? [line.split(" ")[1]] : []));
}

function processesOf(id) {
  const found = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = readProc(`/proc/${pid}/environ`).split("\0");
    if (!environment.includes(`DROVER_RUN=${id}`)) continue;
    const command = readProc(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    if (command !== "") found.push({ pid, command: command.slice(0, 120) });
  }
  return found;
}

function readProc(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // ended meanwhile, or somebody else's
  }
}
