// Everything the acts of the story share, and the way to put it all away again.
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ImageId, NodeId, SiteId } from "@drover/shared/ids";
import type { Vm } from "../lab/vm.ts";
import type { VmFirmware } from "../lab/vm-args.ts";
import { type Centre, startCentre } from "./centre.ts";
import type { LabSite } from "./lab-site.ts";
import type { Program, Programs } from "./programs.ts";
import type { StoryLog } from "./steps.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

export interface StoryOptions {
  /** Kept between runs of `npm start`; a fresh one for tests. */
  readonly folder: string;
  readonly port: number;
  readonly busPort: number;
  /** Recipe of v1; `<recipe>-v2` and `<recipe>-v3` follow it. */
  readonly recipe: "debian-node" | "lite";
  /** Null leaves the lab site out. */
  readonly firmware: VmFirmware | null;
  readonly hollowSites: number;
  readonly provingMs: number;
  readonly soakMs: number;
  /** Sizes of the node's slots, in MiB. */
  readonly rootMiB: number;
}

export interface Scene {
  readonly options: StoryOptions;
  readonly log: StoryLog;
  readonly programs: Programs;
  readonly centre: Centre;
  readonly boot: BootFiles | null;
  hollow: { enrolments: readonly string[]; sites: readonly SiteId[]; program: Program | null };
  lab: { site: LabSite; siteId: SiteId; node: NodeId; vm: Vm } | null;
  /** Image ids by version as they are made. */
  readonly images: { v1?: ImageId; v2?: ImageId; v3?: ImageId };
  close(): Promise<void>;
}

export interface BootFiles {
  readonly folder: string;
  readonly kernelArguments: readonly string[];
  readonly installerBytes: number;
}

/** The agent as one file: the centre puts it into images, the installer runs it. */
export async function bundleAgent(): Promise<void> {
  await run(process.execPath, [join(root, "agent/build.mjs")]);
}

/** Builds what a site hands to firmware. */
async function makeBootFiles(folder: string): Promise<BootFiles> {
  const out = join(folder, "boot");
  rmSync(out, { recursive: true, force: true });
  const words = [
    join(root, "images/src/main.ts"),
    "boot",
    "--out",
    out,
    "--cache",
    join(root, ".cache/images"),
    "--agent",
    join(root, "agent/dist/agent.mjs"),
    "--relock",
    "when-missing",
  ];
  const { stdout } = await run(process.execPath, words, { maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout) as BootFiles;
}

/** Raises the curtain: control plane up, boot files made. */
export async function openScene(
  options: StoryOptions,
  log: StoryLog,
  programs: Programs,
): Promise<Scene> {
  mkdirSync(options.folder, { recursive: true });
  let scene: Scene | undefined;
  const close = async (): Promise<void> => {
    const lab = scene?.lab;
    if (scene) scene.lab = null;
    await lab?.site.close();
    await programs.stopAll();
  };
  try {
    await bundleAgent();
    const centre = await log.step("control plane comes up, with Postgres and NATS of its own", () =>
      startCentre(programs, {
        dataFolder: join(options.folder, "data"),
        port: options.port,
        busPort: options.busPort,
      }),
    );
    const boot = options.firmware
      ? await log.step("installer and boot loaders are built from Debian packages", () =>
          makeBootFiles(options.folder),
        )
      : null;
    scene = {
      options,
      log,
      programs,
      centre,
      boot,
      hollow: { enrolments: [], sites: [], program: null },
      lab: null,
      images: {},
      close,
    };
    return scene;
  } catch (error) {
    await close();
    throw error;
  }
}
