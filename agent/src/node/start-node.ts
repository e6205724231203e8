// Puts the node agent of an installed system together: disk, loader, trust, site, update driver. The
// running slot is only ever read.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { findGrubenv, grubBootControl } from "@drover/shared/disk/boot-control";
import { FleetError } from "@drover/shared/errors";
import type { ImageId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { defaultSitePolicy } from "@drover/shared/site/policy";
import { bootMarksOf } from "../boot-marks.ts";
import { updatePolicyFor } from "../core/update/policy-for.ts";
import { UpdateState } from "../core/update/state.ts";
import type { BootFacts, UpdatePorts } from "../node-ports.ts";
import { TrustKeeper, TrustMemory } from "../trust-keeper.ts";
import { UpdateDriver } from "../update-driver.ts";
import { openBlockDevice } from "./block-device.ts";
import { bootFactsOf } from "./boot-facts.ts";
import { newsBetween } from "./console-news.ts";
import { nodeSite } from "./http-site.ts";
import { ImageMemory } from "./image-memory.ts";
import { nodeKeyFromSeed } from "./node-key.ts";
import { memoryFiles, NodeIdentity, rememberTrust } from "./node-memory.ts";
import { openOwnDisk } from "./own-disk.ts";
import { readFacts } from "./read-facts.ts";
import { readHealth } from "./read-health.ts";
import { ReportSender } from "./report-sender.ts";
import { restarter } from "./restart-computer.ts";
import { type ProbeAnswer, runProbes } from "./run-probes.ts";
import { measureVerityRoot, readBootId, readLoaderWords } from "./running-system.ts";
import { SiteContact } from "./site-contact.ts";
import { diskSlotWriter } from "./slot-writer.ts";
import { readDocument, writeDurably } from "./state-file.ts";

/** The state partition does not say who this node is. */
export class NodeMemoryError extends FleetError {
  readonly code = "node-memory-missing";
}

export interface NodeAgentParts {
  readonly stateFolder: string;
  readonly agentVersion: string;
  readonly log: Log;
  say(line: string): void;
}

export interface NodeAgent {
  readonly driver: UpdateDriver;
  readonly contact: SiteContact;
}

/** Monotonic milliseconds since this boot. */
const sinceBootMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

const nonces: UpdatePorts["nonces"] = {
  nonce: () => randomBytes(24).toString("base64url"),
};

function stateFile(path: string): UpdatePorts["stateFile"] {
  return {
    async read() {
      try {
        return readFileSync(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
    },
    write: async (text) => writeDurably(path, text),
  };
}

function readMemory(folder: string): { identity: NodeIdentity; keeper: TrustKeeper } {
  const identity = readDocument(join(folder, memoryFiles.identity), NodeIdentity);
  const trust = readDocument(join(folder, memoryFiles.trust), TrustMemory);
  if (!identity || !trust) throw new NodeMemoryError(`${folder} does not say who this node is`);
  return { identity, keeper: new TrustKeeper(identity.site, trust) };
}

/** The running system as loader, kernel and disk state it. */
async function openSystem(images: ImageMemory) {
  const words = readLoaderWords();
  const { device, gpt } = openOwnDisk(words.diskGuid);
  const durable = openBlockDevice(device.path, { durable: true });
  const control = grubBootControl(findGrubenv(durable, gpt), words.slot);
  const root = await measureVerityRoot();
  const boot = bootFactsOf(words, control, root, (imageId) => images.kept(imageId));
  return { device, gpt, control, boot, bootId: readBootId() };
}

/** The image's own probes; `answers` holds what they said last. */
function imageProbes(images: ImageMemory): UpdatePorts["probes"] & { answers: ProbeAnswer[] } {
  const probes = {
    answers: [] as ProbeAnswer[],
    run: async (imageId: ImageId, signal: AbortSignal) => {
      probes.answers = await runProbes((await images.manifest(imageId)).probes, signal);
      const failed = probes.answers.filter(({ healthy }) => !healthy);
      const because = failed.map(({ name, detail }) => `probe ${name}: ${detail}`.slice(0, 500));
      return { healthy: failed.length === 0, because: because.slice(0, 20) };
    },
  };
  return probes;
}

/** Opens everything and tells the update machine what was booted. */
export async function startNode(parts: NodeAgentParts): Promise<NodeAgent> {
  const { stateFolder, log, say } = parts;
  const { identity, keeper } = readMemory(stateFolder);
  const { site, node } = identity;
  const key = nodeKeyFromSeed(identity.seedHex);
  const calls = nodeSite({ baseUrl: identity.siteUrl, site, node, sign: key.sign });
  const images = new ImageMemory(stateFolder, calls, log);
  const { device, gpt, control, boot, bootId } = await openSystem(images);
  const probes = imageProbes(images);
  const reports = new ReportSender({
    node,
    agentVersion: parts.agentVersion,
    bootId,
    facts: readFacts(),
    site: calls,
    state: () => driver.state,
    health: () => readHealth(stateFolder),
    probes: () => probes.answers,
    onEventsSent: (upToSeq) => driver.input({ kind: "events-sent", upToSeq }),
  });
  const contact = new SiteContact({
    node,
    keeper,
    site: calls,
    reports,
    log,
    remember: (trust) => rememberTrust(stateFolder, trust),
    onOrders: (orders) => driver.input({ kind: "orders", orders }),
    now: Date.now,
    monotonicMs: sinceBootMs,
    random: Math.random,
  });
  const ports: UpdatePorts = {
    slots: diskSlotWriter({
      device,
      parts: gpt,
      control,
      images,
      deliverable: () => contact.deliverable(),
      bootedImage: () => driver.state.booted?.imageId ?? null,
      log,
      say,
    }),
    marks: bootMarksOf(control, restarter(log, say)),
    probes,
    stateFile: stateFile(join(stateFolder, memoryFiles.update)),
    clock: { moment: () => ({ bootId, monotonicMs: sinceBootMs(), wallMs: Date.now() }) },
    site: {
      hello: async () => (await calls.hello()).node === node,
      askGrant: (question) => calls.askGrant(question),
    },
    nonces,
  };
  let last = readDocument(join(stateFolder, memoryFiles.update), UpdateState);
  const driver: UpdateDriver = new UpdateDriver({
    ports,
    log,
    policy: () =>
      updatePolicyFor(keeper.desired?.policy ?? defaultSitePolicy, keeper.trustFile.ceilings),
    openGrant: (document) => keeper.openGrant(document),
    onChange(state) {
      for (const line of last ? newsBetween(last, state) : []) say(line);
      last = state;
    },
  });
  await begin(driver, boot, images, say);
  return { driver, contact };
}

/** Tells the machine what was booted, and the console what has become of it. */
async function begin(
  driver: UpdateDriver,
  boot: BootFacts,
  images: ImageMemory,
  say: (line: string) => void,
): Promise<void> {
  const measured = boot.measuredImageId?.slice(0, 8) ?? "unknown";
  say(`booted slot ${boot.slot} image ${measured} why ${boot.why}`);
  await driver.start(boot);
  const { slots, booted, committedImageId } = driver.state;
  images.keepOnly([slots.a.imageId, slots.b.imageId]);
  if (committedImageId !== null && committedImageId === booted?.imageId)
    say(`committed ${committedImageId.slice(0, 8)}`);
}

/** Ticks and talks to the site until the signal aborts. */
export async function runNode({ driver, contact }: NodeAgent, signal: AbortSignal): Promise<void> {
  const talking = (async () => {
    while (!signal.aborted) {
      await contact.round();
      await wait(500, undefined, { signal }).catch(() => undefined);
    }
  })();
  while (!signal.aborted) {
    driver.input({ kind: "tick" });
    await driver.idle();
    await wait(1_000, undefined, { signal }).catch(() => undefined);
  }
  await talking;
  await driver.stop();
}
