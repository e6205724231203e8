// Verifies what the site gave and writes the disk. Nothing is written before the release, the procedure,
// the manifest, the index and the disk are all settled.
import { randomUUID } from "node:crypto";
import type { ImageId, NodeId, SiteId } from "@drover/shared/ids";
import type { NodeFacts } from "@drover/shared/node/facts";
import { releaseLabel } from "@drover/shared/release/release";
import { chooseDisk } from "../core/install/choose-disk.ts";
import type { InstallerWords } from "../core/install/installer-words.ts";
import { type InstallPlan, planInstall, readSteps } from "../core/install/plan-install.ts";
import type { TrustKeeper } from "../trust-keeper.ts";
import { forgetCachedBlocks, openBlockDevice } from "./block-device.ts";
import { installDisk, layoutFor } from "./install-disk.ts";
import type { LoaderPrograms } from "./loader-files.ts";
import type { NodeKeyPair } from "./node-key.ts";
import { firstMemory, installedState, type NodeIdentity } from "./node-memory.ts";
import { type OpenedImage, openImage } from "./open-image.ts";
import type { NodeSite } from "./site-ports.ts";
import { firstTrust, openProcedure } from "./trust-bundle.ts";
import type { WrittenSlot } from "./write-slot.ts";

export type InstallOutcome =
  | {
      readonly kind: "installed";
      readonly imageId: ImageId;
      /** False: the procedure leaves the computer switched off. */
      readonly reboots: boolean;
      readonly because: readonly string[];
    }
  | { readonly kind: "refused"; readonly because: readonly string[] }
  /** Nothing is wrong; the site is not ready yet. */
  | { readonly kind: "waiting"; readonly because: readonly string[] };

export interface Claim {
  readonly site: SiteId;
  readonly node: NodeId;
  readonly calls: NodeSite;
}

export type InstallRun = (claim: Claim, facts: NodeFacts) => Promise<InstallOutcome>;

export interface InstallRunParts {
  readonly words: InstallerWords;
  readonly key: NodeKeyPair;
  readonly loader: LoaderPrograms;
  say(line: string): void;
  now(): number;
}

/** Everything settled; only writing is left. */
interface Settled {
  readonly plan: InstallPlan;
  readonly keeper: TrustKeeper;
  readonly image: OpenedImage;
  readonly diskPath: string;
  readonly steps: Extract<ReturnType<typeof readSteps>, { kind: "steps" }>;
  readonly because: readonly string[];
}

type Settling = Settled | Extract<InstallOutcome, { kind: "refused" | "waiting" }>;

/** An installation run over this computer's own disks. */
export function installRun(parts: InstallRunParts): InstallRun {
  return async (claim, facts) => {
    const settled = await settle(parts, claim, facts);
    return "kind" in settled ? settled : await write(parts, claim, settled);
  };
}

async function settle(parts: InstallRunParts, claim: Claim, facts: NodeFacts): Promise<Settling> {
  const { say } = parts;
  say("step bundle");
  const bundle = await claim.calls.bundle();
  const keeper = firstTrust(claim.site, bundle);
  const { view } = keeper;
  if (!view) return { kind: "refused", because: ["the site has no desired state yet"] };
  const plan = planInstall(claim.node, view, keeper.timeAt(parts.now()));
  if (plan.kind === "refused") return plan;
  const steps = readSteps(openProcedure(keeper, plan.procedure), plan.class);
  if (steps.kind === "refused") return steps;
  say("step inventory");
  const disk = chooseDisk(facts.disks, steps.partition.disk);
  if (disk.kind === "refused") return disk;
  if (!bundle.images.includes(plan.release.imageId))
    return { kind: "waiting", because: [`the site fetches ${releaseLabel(plan.release)} first`] };
  say(`step image ${plan.release.imageId.slice(0, 8)} ${releaseLabel(plan.release)}`);
  const image = await openImage(claim.calls, plan.release.imageId, new AbortController().signal);
  const unfit = objectionsTo(image, plan, facts);
  if (unfit.length > 0) return { kind: "refused", because: unfit };
  const because = [...plan.because, ...disk.because];
  return { plan, keeper, image, diskPath: `/dev/${disk.disk.name}`, steps, because };
}

function objectionsTo(image: OpenedImage, plan: InstallPlan, facts: NodeFacts): string[] {
  const { manifest } = image;
  const against: string[] = [];
  if (manifest.name !== plan.release.name)
    against.push(`the image is one of ${manifest.name}, the release one of ${plan.release.name}`);
  if (manifest.architecture !== facts.architecture)
    against.push(`the image is for ${manifest.architecture}, the node is ${facts.architecture}`);
  if (!manifest.bootModes.includes(facts.firmware))
    against.push(`the image does not boot by ${facts.firmware}`);
  const { memoryBytesMin } = manifest.requires;
  if (facts.memoryBytes < memoryBytesMin)
    against.push(
      `the image needs ${memoryBytesMin} bytes of memory, the node has ${facts.memoryBytes}`,
    );
  return against;
}

async function write(
  parts: InstallRunParts,
  claim: Claim,
  settled: Settled,
): Promise<InstallOutcome> {
  const { words, key, say } = parts;
  const { plan, keeper, image, steps } = settled;
  const { imageId, name } = plan.release;
  const identity: NodeIdentity = {
    v: 1,
    site: claim.site,
    node: claim.node,
    seedHex: key.seedHex,
    siteUrl: words.siteUrl,
  };
  const update = installedState({ imageId, name, minimum: plan.minimum }, parts.now());
  const device = openBlockDevice(settled.diskPath, { durable: false });
  try {
    const diskGuid = randomUUID();
    // Throws for a disk that is too small, before anything on it changes.
    layoutFor(device, diskGuid, steps.partition.sizes);
    const written = await installDisk({
      device,
      diskGuid,
      sizes: steps.partition.sizes,
      slot: {
        ...image,
        forgetCached: forgetCachedBlocks,
        onProgress: percentSayer(say),
        signal: new AbortController().signal,
      },
      ...parts.loader,
      consoleArguments: words.consoleArguments,
      ...(words.siteIp === undefined ? {} : { siteServer: words.siteIp }),
      siteFiles: new Map(),
      stateFiles: firstMemory(identity, keeper.memory, update, image),
      onStep: (step) => say(`step ${step}`),
    });
    const because = evidence(settled, written, diskGuid);
    return { kind: "installed", imageId, reboots: steps.reboots, because };
  } finally {
    device.close();
  }
}

function evidence(settled: Settled, written: WrittenSlot, diskGuid: string): string[] {
  const { keptBytes, copiedBytes, fetchedBytes } = written.tally;
  return [
    ...settled.because,
    `slot a reads back with verity root ${written.verityRoot}`,
    `${keptBytes} bytes kept, ${copiedBytes} copied, ${fetchedBytes} fetched from the site`,
    `disk ${settled.diskPath} has GUID ${diskGuid}`,
  ];
}

/** Says every tenth part once. */
function percentSayer(say: (line: string) => void): (done: number, total: number) => void {
  let said = 0;
  return (done, total) => {
    const tenth = Math.floor((done * 10) / total);
    if (tenth > said) say(`progress ${tenth * 10} %`);
    said = Math.max(said, tenth);
  };
}
