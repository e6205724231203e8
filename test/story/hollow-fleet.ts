// The hollow sites of the story: many sites of in-memory nodes, run by the real agent code in one program.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NodeView, SiteView } from "@drover/shared/api/fleet-api";
import type { ImageId, SiteId } from "@drover/shared/ids";
import type { Centre } from "./centre.ts";
import { type Program, type Programs, programs } from "./programs.ts";
import { until } from "./steps.ts";

export interface HollowFleet {
  readonly sites: readonly SiteId[];
  readonly program: Program;
}

const regions = ["emea/de/berlin", "emea/de/hamburg", "emea/fr/paris", "apac/jp/tokyo"];

/** Each is a program of its own, as for a person at a terminal. */
const registrationsAtOnce = 4;

async function registerOne(
  centre: Centre,
  at: number,
  input: { nodeClass: string; provingMs: number },
): Promise<{ site: SiteId; enrolment: string }> {
  const made = await centre.cli<{ site: SiteId; enrolment: string }>(
    ...["site", "create", `shop ${at + 1}`, "--hollow"],
    ...["--region", regions[at % regions.length] ?? "emea/de/berlin"],
    ...["--proving-ms", String(input.provingMs)],
  );
  const tail = [at >> 8, at & 255].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  const mac = `02:00:00:00:${tail}`;
  await centre.cli("node", "register", made.site, "--mac", mac, "--class", input.nodeClass);
  return made;
}

/** Registers sites with one node each; returns their ids and enrolment strings. */
export async function registerHollow(
  centre: Centre,
  input: { count: number; nodeClass: string; provingMs: number; progress: (text: string) => void },
): Promise<{ sites: SiteId[]; enrolments: string[] }> {
  const sites: SiteId[] = [];
  const enrolments: string[] = [];
  const waiting = Array.from({ length: input.count }, (_, at) => at);
  const register = async (): Promise<void> => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
      const made = await registerOne(centre, at, input);
      sites.push(made.site);
      enrolments.push(made.enrolment);
      input.progress(`${sites.length} of ${input.count} sites registered`);
    }
  };
  await Promise.all(Array.from({ length: registrationsAtOnce }, register));
  return { sites, enrolments };
}

export interface FaultOrder {
  readonly seed: number;
  readonly imageId: ImageId;
  readonly kind: "panics-at-boot" | "never-healthy" | "hangs" | "silent-after-grant";
  readonly share: number;
}

/** Starts (or starts again) the program that runs the hollow sites. */
export function startHollowProgram(
  all: Programs,
  folder: string,
  input: { enrolments: readonly string[]; faults: readonly FaultOrder[]; name: string },
): Program {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "hollow.json");
  const settings = {
    dataFolder: join(folder, "data"),
    enrolments: input.enrolments,
    faults: input.faults,
    bootMs: 2_000,
    reconnect: { waitMs: 200, jitterMs: 500 },
  };
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
  return all.start(input.name, programs.agent, ["rehearse", "--config", config]);
}

/** Nodes of the fleet by what they run. */
export async function nodes(centre: Centre): Promise<readonly NodeView[]> {
  return await centre.cli<NodeView[]>("node", "list");
}

/** Waits until every node of `sites` has committed the image. */
export async function untilRunning(
  centre: Centre,
  sites: readonly SiteId[],
  image: ImageId,
  options: { withinMs: number; progress: (text: string) => void },
): Promise<void> {
  const wanted = new Set<string>(sites);
  await until(
    `${sites.length} sites on image ${image.slice(0, 8)}`,
    async (seen) => {
      const own = (await nodes(centre)).filter((node) => wanted.has(node.site));
      const there = own.filter(
        (node) => node.running?.imageId === image && node.update?.phase === "steady",
      );
      seen(`${there.length} of ${sites.length} report it committed`);
      return there.length === sites.length ? true : undefined;
    },
    { ...options, everyMs: 1000 },
  );
}

export async function sites(centre: Centre): Promise<readonly SiteView[]> {
  return await centre.cli<SiteView[]>("site", "list", "--limit", "1000");
}
