// `npm start`: tells the story on this computer and leaves the control plane serving. `--once` checks
// each outcome and ends; `--empty` starts only the control plane. Ctrl-C stops everything it started.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeError } from "@drover/shared/errors";
import { startCentre } from "./centre.ts";
import { buildConsole } from "./console-bundle.ts";
import { makePrograms, type Programs, programs } from "./programs.ts";
import { bundleAgent, type Scene, type StoryOptions } from "./scene.ts";
import { type StoryLog, storyLog } from "./steps.ts";
import { tellStory } from "./story.ts";

const usage = `npm start                     tell the story, then leave the console serving
npm start -- --once           tell the story in a folder of its own, check it, and end
npm start -- --empty          start only the control plane

  --data DIR       folder for everything (.drover)
  --port N         HTTPS port (8443; 8543 with --once)
  --bus-port N     NATS port (4222; 4322 with --once)
  --hollow N       hollow sites (20)
  --no-lab         leave out the lab site with its virtual machine
  --recipe NAME    debian-node or lite
  --firmware NAME  uefi or bios`;

function readOptions(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      once: { type: "boolean", default: false },
      empty: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      data: { type: "string" },
      port: { type: "string" },
      "bus-port": { type: "string" },
      hollow: { type: "string", default: "20" },
      "no-lab": { type: "boolean", default: false },
      recipe: { type: "string", default: "debian-node" },
      firmware: { type: "string", default: "uefi" },
    },
  });
  return values;
}
type Options = ReturnType<typeof readOptions>;

/** What this computer lacks for the lab, or nothing. */
function missingForLab(options: Options): string | undefined {
  const leftOut = process.env["DROVER_LEFT_OUT"];
  if (options["no-lab"]) return "it was left out with --no-lab";
  if (leftOut) return `packages are missing (${leftOut})`;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  return existsSync("/dev/net/tun") ? undefined : "this computer has no /dev/net/tun";
}

function storyOptions(options: Options, folder: string, log: StoryLog): StoryOptions {
  const { recipe, firmware } = options;
  if (recipe !== "debian-node" && recipe !== "lite")
    throw new Error(`--recipe takes debian-node or lite, not ${recipe}`);
  if (firmware !== "uefi" && firmware !== "bios")
    throw new Error(`--firmware takes uefi or bios, not ${firmware}`);
  const missing = missingForLab(options);
  if (missing)
    log.note(`Hollow nodes only: the lab site with a real machine is left out because ${missing}.`);
  return {
    folder,
    port: Number(options.port ?? (options.once ? 8543 : 8443)),
    busPort: Number(options["bus-port"] ?? (options.once ? 4322 : 4222)),
    recipe,
    firmware: missing ? null : firmware,
    hollowSites: Number(options.hollow),
    provingMs: 30_000,
    soakMs: 10_000,
    rootMiB: recipe === "lite" ? 512 : 1024,
  };
}

/** Resolves at the first SIGINT or SIGTERM. */
function interrupted(): Promise<string> {
  return new Promise((resolveSignal) => {
    for (const name of ["SIGINT", "SIGTERM"] as const)
      process.once(name, () => resolveSignal(name));
  });
}

/** Tells the story until its end or the first signal; a cut-off story is put away as well. */
async function tell(
  options: StoryOptions,
  log: StoryLog,
  stop: Promise<string>,
): Promise<Scene | undefined> {
  const all = makePrograms(join(options.folder, "log"));
  let scene: Scene | undefined;
  const telling = tellStory(options, log, all, (made) => {
    scene = made;
  });
  const outcome = await Promise.race([telling, stop]);
  if (typeof outcome !== "string") return outcome;
  log.note(`${outcome}: stopping what was started`);
  // The telling fails at whatever it was waiting for; that failure is the wanted end.
  telling.catch(() => undefined);
  await scene?.close();
  await all.stopAll();
  return undefined;
}

async function once(options: Options, log: StoryLog): Promise<number> {
  const folder = resolve(options.data ?? ".drover", "once");
  rmSync(folder, { recursive: true, force: true });
  const scene = await tell(storyOptions(options, folder, log), log, interrupted());
  if (!scene) return 130;
  await scene.close();
  rmSync(folder, { recursive: true, force: true });
  log.note("The story came out as promised.");
  return 0;
}

async function serveOnly(options: Options, folder: string, log: StoryLog): Promise<number> {
  const all = makePrograms(join(folder, "log"));
  const stop = interrupted();
  try {
    await bundleAgent();
    const centre = await log.step("control plane comes up", () =>
      startCentre(all, {
        dataFolder: join(folder, "data"),
        port: Number(options.port ?? 8443),
        busPort: Number(options["bus-port"] ?? 4222),
      }),
    );
    resumeHollow(all, folder, log);
    await tellAddress(centre.cli, centre.url, folder, log);
    const why = await Promise.race([stop, centre.program.ended]);
    if (why !== "SIGINT" && why !== "SIGTERM") throw new Error(why);
    return 0;
  } finally {
    await all.stopAll();
  }
}

/** Hollow sites of an earlier story come back to life from their folder. */
function resumeHollow(all: Programs, folder: string, log: StoryLog): void {
  const config = join(folder, "hollow", "hollow.json");
  if (!existsSync(config)) return;
  all.start("hollow", programs.agent, ["rehearse", "--config", config]);
  log.note("The hollow sites of the story run again; its lab site stays off.");
}

async function tellAddress(
  cli: <T>(...args: readonly string[]) => Promise<T>,
  url: string,
  folder: string,
  log: StoryLog,
): Promise<void> {
  const { code } = await cli<{ code: string }>("login-link");
  log.note(`Console: ${url}/login#${code}`);
  // Without --url the command line takes the usual port.
  const where = url === "https://127.0.0.1:8443" ? "" : ` --url ${url}`;
  log.note(`Command line: npx drover --data ${join(folder, "data")}${where} fleet`);
  log.note("Ctrl-C stops everything that was started here; nothing is lost.");
}

async function tellAndServe(options: Options, folder: string, log: StoryLog): Promise<number> {
  const stop = interrupted();
  const done = join(folder, "story-told");
  if (existsSync(join(folder, "data"))) {
    log.note(
      existsSync(done)
        ? "The story was told before; its fleet is kept."
        : "A story was begun here before and cut off; its fleet is kept.",
    );
    log.note(`Tell it anew with: npm start -- --data ANOTHER_FOLDER (this one is ${folder})`);
    return await serveOnly(options, folder, log);
  }
  const scene = await tell(storyOptions(options, folder, log), log, stop);
  if (!scene) return 130;
  mkdirSync(folder, { recursive: true });
  writeFileSync(done, "");
  await tellAddress(scene.centre.cli, scene.centre.url, folder, log);
  await stop;
  await scene.close();
  return 0;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const log = storyLog((line) => process.stdout.write(`${line}\n`), Date.now);
  if (options.help) {
    log.note(usage);
    return 0;
  }
  const folder = resolve(options.data ?? ".drover");
  await buildConsole();
  if (options.once) return await once(options, log);
  return options.empty
    ? await serveOnly(options, folder, log)
    : await tellAndServe(options, folder, log);
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`drover: ${describeError(error)}\n`);
  process.exit(1);
}
