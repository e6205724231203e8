// The `rehearse` role: many hollow sites in one process, each a real site agent over in-memory nodes.
// They share one database file and one view of content; everything resumes from the data folder.
import { createHash } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@drover/shared/clock";
import { describeError } from "@drover/shared/errors";
import type { Log } from "@drover/shared/log";
import { seededRandom, seedOf } from "@drover/shared/random";
import type { HollowSettings } from "../config.ts";
import { HollowImageCache } from "../hollow/hollow-cache.ts";
import { HollowContent } from "../hollow/hollow-content.ts";
import { HollowSite } from "../hollow/hollow-site.ts";
import { httpsCentre } from "../site/centre.ts";
import { type Database, openDatabase } from "../site/database.ts";
import { enrol, openNkey, readIdentity } from "../site/identity.ts";
import { SiteRuntime } from "../site/site-runtime.ts";
import { SiteStore } from "../site/site-store.ts";

export interface HollowRoleParts {
  readonly settings: HollowSettings;
  readonly agentVersion: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly databaseWorker: URL;
}

export interface RunningHollow {
  readonly sites: readonly HollowSite[];
  readonly done: Promise<void>;
}

/** Enrolments at the same time; each is a TLS handshake and two requests. */
const startsAtOnce = 8;

/** Starts every site of the settings and of the data folder; runs until the signal aborts. */
export async function startHollow(
  parts: HollowRoleParts,
  signal: AbortSignal,
): Promise<RunningHollow> {
  const { dataFolder } = parts.settings;
  await mkdir(join(dataFolder, "sites"), { recursive: true, mode: 0o700 });
  const database = openDatabase(join(dataFolder, "hollow.sqlite"), parts.databaseWorker);
  const content = new HollowContent();
  const folders = await siteFolders(parts.settings);
  const sites: HollowSite[] = [];
  const running: Promise<void>[] = [];
  const waiting = [...folders];
  const starter = async (): Promise<void> => {
    for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
      try {
        const site = await startOne(parts, next, database, content);
        sites.push(site.hollow);
        running.push(site.run(signal));
      } catch (error) {
        parts.log.error(
          { folder: next.folder, error: describeError(error) },
          "hollow site did not start",
        );
      }
    }
  };
  await Promise.all(Array.from({ length: startsAtOnce }, starter));
  parts.log.info({ sites: sites.length }, "hollow sites started");
  const done = Promise.all(running).then(() => database.close());
  return { sites, done };
}

interface SiteFolder {
  readonly folder: string;
  readonly enrolment: string | undefined;
}

/** One folder per enrolment string, named by its digest, plus those that were enrolled before. */
async function siteFolders({ dataFolder, enrolments }: HollowSettings): Promise<SiteFolder[]> {
  const root = join(dataFolder, "sites");
  const named = new Map<string, string | undefined>();
  for (const name of await readdir(root)) named.set(name, undefined);
  for (const enrolment of enrolments) {
    const name = createHash("sha256").update(enrolment.trim()).digest("hex").slice(0, 16);
    named.set(name, enrolment);
  }
  return [...named].map(([name, enrolment]) => ({ folder: join(root, name), enrolment }));
}

async function startOne(
  parts: HollowRoleParts,
  { folder, enrolment }: SiteFolder,
  database: Database,
  shared: HollowContent,
): Promise<{ hollow: HollowSite; run(signal: AbortSignal): Promise<void> }> {
  const { settings, agentVersion, clock } = parts;
  const known = await readIdentity(folder);
  const identity = known ?? (await enrol(folder, enrolment ?? "", agentVersion));
  const { site, caPem } = identity.connection;
  const log = parts.log.child({ site });
  const centre = httpsCentre({ url: identity.url, caPem });
  const store = new SiteStore(database, site);
  const runtime = await SiteRuntime.open({
    identity,
    nkey: await openNkey(folder),
    centre,
    database,
    clock,
    random: seededRandom(seedOf(site)),
    log,
    reconnect: settings.reconnect,
    agentVersion,
    timeZone: settings.timeZone,
    openCache: (content, addWanBytes) =>
      HollowImageCache.open({ shared, content, store, addWanBytes }),
  });
  const { faults, bootMs, tickMs } = settings;
  const hollow = new HollowSite({ runtime, faults, clock, log, agentVersion, bootMs, tickMs });
  return {
    hollow,
    async run(signal) {
      await Promise.all([runtime.run(signal), hollow.run(signal)]);
      centre.close();
    },
  };
}
