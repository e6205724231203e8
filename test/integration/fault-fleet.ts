// A fleet for fault proofs: a control plane, a few small images, hollow sites run by the agent program in a
// process of its own that a test may kill, and direct looks at the database and the sites' outboxes.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call } from "@drover/shared/api/client";
import { fleetApi } from "@drover/shared/api/fleet-api";
import { rolloutApi } from "@drover/shared/api/rollout-api";
import { NodeClass, type NodeId, type SiteId } from "@drover/shared/ids";
import type { ReleaseRef } from "@drover/shared/release/release";
import type { RolloutPolicy } from "@drover/shared/rollout/policy";
import postgres from "postgres";
import { type MadeImage, makeImage, noise } from "./agent-images.ts";
import { publishImages } from "./publish-images.ts";
import { type TestControlPlane, withControlPlane } from "./with-control-plane.ts";

const agentProgram = join(import.meta.dirname, "../../agent/src/main.ts");
export const lite = NodeClass.parse("lite");

/** Seed of a fault proof: `DROVER_SEED`, or always the same one. */
export const faultSeed = Number(process.env["DROVER_SEED"] ?? "2026");

export interface HollowMember {
  readonly site: SiteId;
  readonly node: NodeId;
  readonly enrolment: string;
}

export interface FaultFleet {
  readonly centre: TestControlPlane;
  readonly folder: string;
  readonly images: readonly MadeImage[];
  readonly releases: readonly ReleaseRef[];
  release(version: number): ReleaseRef;
  admin(): ReturnType<TestControlPlane["sender"]>;
  close(): Promise<void>;
}

/** A centre with three releases; each image is a small change of the one before. */
export async function openFaultFleet(
  options: Parameters<typeof withControlPlane>[0] & { readonly rootBytes?: number } = {},
): Promise<FaultFleet> {
  const { rootBytes = 400_000, ...centreOptions } = options;
  const folder = mkdtempSync(join(tmpdir(), "drover-faults-"));
  const store = join(folder, "store");
  const images: MadeImage[] = [];
  let root = noise(21, rootBytes);
  for (const version of [1, 2, 3]) {
    images.push(await makeImage(folder, store, root, images.at(-1)));
    root = Buffer.concat([
      root.subarray(0, 100_000),
      noise(30 + version, 3_000),
      root.subarray(103_000),
    ]);
  }
  const centre = await withControlPlane(centreOptions);
  const releases = await publishImages(centre, store, images);
  const admin = () => centre.sender(centre.adminToken);
  const body = { release: "lite@1.0.0", channel: "dev" };
  await call(admin(), fleetApi.putClass, { params: { class: lite }, body });
  return {
    centre,
    folder,
    images,
    releases,
    admin,
    release(version) {
      const found = releases[version - 1];
      if (!found) throw new Error(`there is no release ${version}`);
      return found;
    },
    async close() {
      await centre.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Registers hollow sites of one node each. */
export async function registerMembers(fleet: FaultFleet, count: number): Promise<HollowMember[]> {
  const members: HollowMember[] = [];
  const policy = { provingMs: 2_000, trialDeadlineMs: 120_000, beatMs: 1_000 };
  for (let at = 1; at <= count; at += 1) {
    const site = { name: `Shop ${at}`, region: "emea/de", hollow: true, policy };
    const made = await call(fleet.admin(), fleetApi.createSite, { body: site });
    const macs = [`52:54:00:00:03:${at.toString(16).padStart(2, "0")}`];
    const params = { site: made.site };
    const node = await call(fleet.admin(), fleetApi.registerNode, {
      params,
      body: { macs, class: lite },
    });
    members.push({ site: made.site, node: node.id, enrolment: made.enrolment });
  }
  return members;
}

export interface Rehearsal {
  /** Database of all its sites: outboxes, nodes' disks and states. */
  readonly sqlite: string;
  start(): Promise<void>;
  end(signal: NodeJS.Signals): Promise<void>;
}

/** The agent program with the `rehearse` role; what it knows survives in its folder. */
export function rehearsalOf(fleet: FaultFleet, members: readonly HollowMember[]): Rehearsal {
  const dataFolder = join(fleet.folder, "hollow");
  const config = join(fleet.folder, "hollow.json");
  mkdirSync(dataFolder, { recursive: true });
  const enrolments = members.map(({ enrolment }) => enrolment);
  const reconnect = { waitMs: 200, jitterMs: 300 };
  writeFileSync(
    config,
    JSON.stringify({ dataFolder, enrolments, bootMs: 500, tickMs: 200, reconnect }),
  );
  let child: ChildProcess | undefined;
  return {
    sqlite: join(dataFolder, "hollow.sqlite"),
    async start() {
      const begun = spawn(process.execPath, [agentProgram, "rehearse", "--config", config], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      child = begun;
      await new Promise<void>((settle, reject) => {
        begun.stdout.setEncoding("utf8").on("data", (text: string) => {
          if (process.env["DROVER_TEST_LOG"]) process.stderr.write(text);
          if (text.includes("hollow sites started")) settle();
        });
        begun.once("exit", (code) => reject(new Error(`the agent ended with ${code}`)));
      });
    },
    async end(signal) {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((settle) => child?.once("exit", settle));
      child.kill(signal);
      await ended;
    },
  };
}

/** Drafts and starts a rollout of a release to every hollow site. */
export async function startChange(
  fleet: FaultFleet,
  version: number,
  policy: Pick<RolloutPolicy, "waves" | "soakMs"> & Partial<Pick<RolloutPolicy, "inFlightMax">>,
) {
  const release = fleet.release(version);
  const body = {
    name: `to ${release.semver}`,
    changeSet: { releases: { [lite]: release } },
    selection: { hollow: true },
    policy,
  };
  const { rollout, plan } = await call(fleet.admin(), rolloutApi.createRollout, { body });
  const params = { rollout: rollout.id };
  await call(fleet.admin(), rolloutApi.startRollout, { params, body: { plan: plan.hash } });
  return params;
}

/** The embedded database, read beside the server. Its port may move when it is started again. */
export async function inDatabase<Result>(
  centre: TestControlPlane,
  look: (sql: postgres.Sql) => Promise<Result>,
): Promise<Result> {
  const read = (name: string) => readFileSync(join(centre.data, "postgres", name), "utf8").trim();
  const url = `postgres://drover:${read("password")}@127.0.0.1:${read("port")}/drover`;
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await look(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
