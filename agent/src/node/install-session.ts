// One installation from the network: inventory, claim, verify, write. It never gives up and never hot
// loops; a disk is touched only after everything signed has been verified and exactly one disk matches.
import { describeError } from "@drover/shared/errors";
import type { NodeId, SiteId } from "@drover/shared/ids";
import type { NodeEventName, Report } from "@drover/shared/messages/report";
import type { NodeFacts } from "@drover/shared/node/facts";
import type { InstallerWords } from "../core/install/installer-words.ts";
import type { InstallRun } from "./install-run.ts";
import type { NodeKeyPair } from "./node-key.ts";
import type { NodeSite, StrangerSite } from "./site-ports.ts";

export interface InstallSessionParts {
  readonly words: InstallerWords;
  readonly key: NodeKeyPair;
  readFacts(): NodeFacts;
  readonly stranger: StrangerSite;
  /** Calls of the node that the claim made of this computer. */
  asNode(site: SiteId, node: NodeId): NodeSite;
  /** Verifies and writes; answers what was done, for people and as evidence. */
  readonly run: InstallRun;
  /** One line for whoever watches the console. */
  say(line: string): void;
  wait(ms: number): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
}

const waitFirstMs = 2_000;
const waitMaxMs = 60_000;

/** Doubles from two seconds to a minute, ± 25 %, so that a whole site never asks at once. */
export function backOffMs(failures: number, random: number): number {
  const baseMs = Math.min(waitMaxMs, waitFirstMs * 2 ** Math.min(failures, 10));
  return Math.round(baseMs * (0.75 + random / 2));
}

interface Claimed {
  readonly site: SiteId;
  readonly node: NodeId;
  readonly calls: NodeSite;
}

/** Returns when the disk is ready to boot: what the computer should do next. */
export async function runInstallSession(
  parts: InstallSessionParts,
): Promise<"reboot" | "power-off"> {
  const { say, key, words } = parts;
  say(`step start site ${words.siteUrl} short code ${key.shortCode}`);
  let failures = 0;
  let saidLast = "";
  const pause = async (line: string): Promise<void> => {
    // The same news is said once; a console is read by people.
    if (line !== saidLast) say(line);
    saidLast = line;
    await parts.wait(backOffMs(failures, parts.random()));
    failures += 1;
  };
  for (;;) {
    let claimed: Claimed | undefined;
    try {
      const answer = await claim(parts);
      if ("waiting" in answer) {
        await pause(`waiting: ${answer.waiting}`);
        continue;
      }
      claimed = answer;
      say(`step claim node ${answer.node} of site ${answer.site}`);
      const done = await parts.run(answer, parts.readFacts());
      if (done.kind === "installed") {
        await tellInstalled(parts, answer, done);
        say(`done ${done.because.join("; ")}`);
        return done.reboots ? "reboot" : "power-off";
      }
      if (done.kind === "waiting") {
        await pause(`waiting: ${done.because.join("; ")}`);
        continue;
      }
      await tell(answer, "install-failed", done.because, null);
      await pause(`refused: ${done.because.join("; ")}`);
    } catch (error) {
      const because = describeError(error).slice(0, 500);
      if (claimed) await tellFailure(parts, claimed, because);
      await pause(`failed: ${because}`);
    }
  }
}

async function claim(parts: InstallSessionParts): Promise<Claimed | { waiting: string }> {
  const facts = parts.readFacts();
  const macs = facts.links.map(({ mac }) => mac).slice(0, 16);
  const { node, installSerial, because } = await parts.stranger.inventory({ macs, facts });
  const reasons = because.join("; ");
  if (node === null || installSerial === null) return { waiting: reasons };
  const { key } = parts;
  const claimed = await parts.stranger.claim({
    macs,
    serial: facts.serial,
    publicKey: key.publicHex,
    installSerial,
    shortCode: key.shortCode,
  });
  return { ...claimed, calls: parts.asNode(claimed.site, claimed.node) };
}

function eventOf(
  node: NodeId,
  event: NodeEventName,
  because: readonly string[],
  imageId: Extract<Report, { kind: "node-event" }>["imageId"],
): Report {
  const reasons = because.slice(0, 20).map((reason) => reason.slice(0, 500));
  const none = { rolloutId: null, grantId: null };
  return { kind: "node-event", node, event, imageId, ...none, because: reasons };
}

async function tell(
  { calls, node }: Claimed,
  event: NodeEventName,
  because: readonly string[],
  imageId: Extract<Report, { kind: "node-event" }>["imageId"],
): Promise<void> {
  await calls.sendReports([eventOf(node, event, because, imageId)]);
}

/** The disk is written already: a site agent that just restarts must not cost the evidence. */
async function tellInstalled(
  parts: InstallSessionParts,
  claimed: Claimed,
  done: Extract<Awaited<ReturnType<InstallRun>>, { kind: "installed" }>,
): Promise<void> {
  for (let failures = 0; failures < 8; failures += 1) {
    try {
      await tell(claimed, "installed", done.because, done.imageId);
      return;
    } catch (error) {
      parts.say(`waiting: the site agent takes no report (${describeError(error)})`);
      await parts.wait(backOffMs(failures, parts.random()));
    }
  }
  parts.say("the site agent took no report; the installed system will tell it");
}

async function tellFailure(
  parts: InstallSessionParts,
  claimed: Claimed,
  because: string,
): Promise<void> {
  try {
    await tell(claimed, "install-failed", [because], null);
  } catch (error) {
    parts.say(`the failure could not be reported: ${describeError(error)}`);
  }
}
