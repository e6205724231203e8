// `drover rehearse`: registers hollow sites and runs them with the real agent program until Ctrl-C. Without
// a folder to keep, the sites are decommissioned and their files removed at the end.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { ImageId, MacAddress, NodeClass, SiteId } from "@drover/shared/ids";
import type { Command } from "commander";
import { z } from "zod";
import { type Context, ExitError, exitCodes } from "../context.ts";
import { show } from "../output.ts";
import { as, wholeNumber } from "./arguments.ts";

/** What people write; the agent reads it as strictly again. */
const FaultFile = z
  .array(
    z.strictObject({
      seed: z.number().int(),
      imageId: ImageId,
      kind: z.enum(["panics-at-boot", "never-healthy", "hangs", "silent-after-grant"]),
      share: z.number().min(0).max(1),
    }),
  )
  .max(100);

/** Sites of a kept folder: they are not registered twice. */
const KeptFile = z.object({
  sites: z.array(z.object({ site: SiteId, enrolment: z.string() })),
});
type Kept = z.infer<typeof KeptFile>;

interface Options {
  sites: number;
  class: NodeClass;
  region: string;
  provingMs?: number;
  faults?: string;
  folder?: string;
}

const registrationsAtOnce = 8;

function agentProgram(): string {
  const named = process.env["DROVER_AGENT"];
  const checkout = fileURLToPath(new URL("../../../../agent/src/main.ts", import.meta.url));
  const program = named ? resolve(named) : checkout;
  if (existsSync(program)) return program;
  throw new ExitError(
    exitCodes.failed,
    `the agent program is not at ${program}: name it in DROVER_AGENT`,
  );
}

function readJsonFile<Schema extends z.ZodType>(path: string, schema: Schema): z.infer<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ExitError(exitCodes.failed, `cannot read ${path}: ${reason}`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data as z.infer<Schema>;
  throw new ExitError(exitCodes.failed, `${path} has mistakes: ${z.prettifyError(parsed.error)}`);
}

/** A locally administered address nobody else has. */
function newMac(): MacAddress {
  const octets = [...randomBytes(5)].map((octet) => octet.toString(16).padStart(2, "0"));
  return MacAddress.parse(["02", ...octets].join(":"));
}

/** Registers what is missing, writing the kept file after each, so that a break loses no site. */
async function register(
  context: Context,
  input: { options: Options; kept: Kept; save: () => void; signal: AbortSignal },
): Promise<void> {
  const { options, kept, save, signal } = input;
  let next = kept.sites.length;
  const one = async (): Promise<void> => {
    while (next < options.sites && !signal.aborted) {
      next += 1;
      const policy = options.provingMs === undefined ? {} : { provingMs: options.provingMs };
      const body = { name: `hollow ${next}`, region: options.region, hollow: true, policy };
      const { site, enrolment } = await context.ask(fleetApi.createSite, { body });
      kept.sites.push({ site, enrolment });
      save();
      const node = { macs: [newMac()], class: options.class };
      await context.ask(fleetApi.registerNode, { params: { site }, body: node });
    }
  };
  await Promise.all(Array.from({ length: registrationsAtOnce }, one));
}

/** Runs the agent until it ends or we are told to stop; its warnings go to standard error. */
function runAgent(program: string, config: string, signal: AbortSignal): Promise<number> {
  return new Promise((settle, reject) => {
    const args = [program, "rehearse", "--config", config, "--log", "warn"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", 2, 2] });
    const stop = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    child.once("error", reject);
    child.once("exit", (code) => {
      signal.removeEventListener("abort", stop);
      settle(code ?? (signal.aborted ? 0 : 1));
    });
  });
}

async function decommission(context: Context, kept: Kept): Promise<void> {
  for (const { site } of kept.sites) {
    const body = { status: "decommissioned", reason: "the rehearsal is over" } as const;
    await context.ask(fleetApi.setSiteStatus, { params: { site }, body });
  }
}

async function rehearse(context: Context, options: Options): Promise<void> {
  const program = agentProgram();
  const faults = options.faults ? readJsonFile(options.faults, FaultFile) : [];
  const folder = options.folder
    ? resolve(options.folder)
    : mkdtempSync(join(tmpdir(), "drover-rehearsal-"));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const keptFile = join(folder, "sites.json");
  const kept: Kept = existsSync(keptFile) ? readJsonFile(keptFile, KeptFile) : { sites: [] };
  const save = (): void => writeFileSync(keptFile, JSON.stringify(kept), { mode: 0o600 });
  const ended = new AbortController();
  const stop = (): void => ended.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop);
  let code = 0;
  try {
    await register(context, { options, kept, save, signal: ended.signal });
    const config = join(folder, "hollow.json");
    const enrolments = kept.sites.map(({ enrolment }) => enrolment);
    const settings = { dataFolder: join(folder, "data"), enrolments, faults };
    writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
    const result = { folder, sites: kept.sites.map(({ site }) => site) };
    show(context.output, result, () => [
      `${result.sites.length} hollow sites run from ${folder}; Ctrl-C ends them`,
    ]);
    if (!ended.signal.aborted) code = await runAgent(program, config, ended.signal);
  } finally {
    // The files go even when the centre can't be told: without them the sites never speak again.
    if (!options.folder) rmSync(folder, { recursive: true, force: true });
    if (!options.folder) await decommission(context, kept);
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
  }
  if (code !== 0) throw new ExitError(exitCodes.failed, `the agent program ended with ${code}`);
}

export function addRehearse(program: Command, context: () => Context): void {
  program
    .command("rehearse")
    .description("run hollow sites against the control plane until Ctrl-C")
    .requiredOption("--sites <count>", "how many", wholeNumber)
    .requiredOption(
      "--class <class>",
      "class of their nodes",
      as(NodeClass, "a class such as till"),
    )
    .option("--region <path>", "place path of the sites", "rehearsal")
    .option("--proving-ms <ms>", "proving time of their nodes", wholeNumber)
    .option("--faults <file>", "JSON list of fault plans {seed, imageId, kind, share}")
    .option("--folder <dir>", "keep the sites here and go on with them the next time")
    .action((options: Options) => rehearse(context(), options));
}
