// Puts the HTTP application together from its ports and their adapters.
import { readdir } from "node:fs/promises";
import { BuildId, NodeId, RolloutId, SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { trustFirstRoot } from "@drover/shared/trust/release-metadata";
import type { PeopleDesk } from "../auth/people-desk.ts";
import { rateLimit } from "../auth/rate-limit.ts";
import { hashSecret, newId, newSecret } from "../auth/secrets.ts";
import { siteSessions } from "../auth/site-sessions.ts";
import { siteJwt } from "../bus/bus-keys.ts";
import type { Config } from "../config.ts";
import { readByteRange } from "../content/byte-range.ts";
import { type ContentStore, isPointerPath } from "../content/content-store.ts";
import { wanBytes } from "../content/wan-bill.ts";
import { reachability } from "../core/fleet/reachability.ts";
import type { TlsAuthority } from "../embedded/tls-authority.ts";
import type { AppOptions } from "../http/app.ts";
import { httpMetrics } from "../http/metrics.ts";
import { RequestError } from "../http/problem.ts";
import { rolloutPlanner } from "../http/rollout-planner.ts";
import type { RequestContext } from "../http/serve.ts";
import type { FleetKeys } from "../keys/init-keys.ts";
import type { FleetSealer } from "../keys/sealer.ts";
import type { EventHub } from "../live/event-hub.ts";
import type { LoopStore } from "../loops/ports.ts";
import { rollBack, sayWord, supersedeOlder } from "../loops/rollout-word.ts";
import { buildRows } from "../store/build-rows.ts";
import { nodeRows } from "../store/node-rows.ts";
import { releaseRows } from "../store/release-rows.ts";
import { rolloutViews } from "../store/rollout-views.ts";
import { siteIdentities } from "../store/site-identities.ts";
import { siteRows } from "../store/site-rows.ts";
import { timelineRows } from "../store/timeline.ts";
import type { RunningBus } from "./bus.ts";
import type { RunningLoops } from "./loops.ts";
import { type Services, siteJwtValidMs } from "./services.ts";
import { httpUplink } from "./uplink.ts";

export interface AppParts {
  readonly config: Config;
  readonly services: Services;
  readonly store: LoopStore;
  readonly bus: RunningBus;
  readonly loops: Pick<RunningLoops, "wakeRollouts" | "wakeDesired">;
  readonly wakeBuilder: () => void;
  readonly keys: FleetKeys;
  readonly sealer: FleetSealer;
  readonly tls: TlsAuthority;
  readonly people: PeopleDesk;
  readonly sessionSecret: Uint8Array;
  readonly content: ContentStore;
  readonly contentFolder: string;
  readonly hub: EventHub;
  readonly log: Log;
  readonly now: () => number;
}

export function appOptions(parts: AppParts): AppOptions {
  const { services, now, config, people, hub } = parts;
  const rows: Rows = {
    sites: siteRows(services.sql),
    nodes: nodeRows(services.sql),
    releases: releaseRows(services.sql),
    rollouts: rolloutViews(services.sql),
    identities: siteIdentities(services.sql),
  };
  const sessions = siteSessions(parts.sessionSecret);
  const limitTries = triesLimit(now);
  return {
    callers: { people, sites: { byBearer: bearerReader(sessions, rows.identities, now) } },
    agents: agentParts(parts, { ...rows, sessions, limitTries }),
    sessions: { desk: people, limitTries, now },
    sites: siteParts(parts, rows.sites),
    nodes: {
      desk: rows.nodes,
      siteExists: async (site) => (await rows.sites.get(site)) !== undefined,
      findRelease: rows.releases.findRelease,
      sealProcedure: parts.sealer.procedure,
      newNodeId: () => newId(NodeId, "n"),
      wakeDesired: parts.loops.wakeDesired,
      now,
    },
    releases: releaseParts(parts, rows.releases),
    builds: {
      desk: buildRows(services.sql),
      recipes: () => recipesIn(config.recipes),
      newBuildId: () => newId(BuildId, "b"),
      wakeBuilder: parts.wakeBuilder,
      now,
    },
    rollouts: rolloutParts(parts, rows),
    why: {
      timeline: timelineRows(services.sql),
      site: (site) => siteForWhy(rows.sites, site, now()),
      node: rows.nodes.get,
      rollout: rows.rollouts.get,
    },
    content: { desk: parts.content, readRange: readByteRange, isPointerPath },
    live: hub,
    metrics: httpMetrics({ live_listeners: hub.listeners }),
    notReady: () => missingParts(parts),
    consoleFolder: config.console,
    version: "0.1.0",
    log: parts.log,
    now,
  };
}

interface Rows {
  readonly sites: ReturnType<typeof siteRows>;
  readonly nodes: ReturnType<typeof nodeRows>;
  readonly releases: ReturnType<typeof releaseRows>;
  readonly rollouts: ReturnType<typeof rolloutViews>;
  readonly identities: ReturnType<typeof siteIdentities>;
}

async function siteForWhy(sites: Rows["sites"], site: SiteId, now: number) {
  const row = await sites.get(site);
  return row && { ...row, coordinates: null, reachability: reachability(row, now) };
}

/** A bearer is good while the site is active and has the identity it was made for. */
function bearerReader(
  sessions: ReturnType<typeof siteSessions>,
  identities: Rows["identities"],
  now: () => number,
): (bearer: string) => Promise<SiteId | undefined> {
  return async (bearer) => {
    const said = sessions.readBearer(bearer, now());
    if (!said) return undefined;
    const identity = await identities.identity(said.site);
    if (identity?.status !== "active" || identity.nkey === null) return undefined;
    return sessions.nkeyHash(identity.nkey) === said.nkeyHash ? said.site : undefined;
  };
}

export function releaseParts(
  parts: Pick<AppParts, "content" | "contentFolder" | "keys" | "loops" | "now">,
  desk: Rows["releases"],
): AppOptions["releases"] {
  return {
    desk,
    shelf: shelfOf(parts.content),
    root: trustFirstRoot(parts.keys.rootText),
    wanBill: (from, to) => wanBytes(parts.contentFolder, from, to),
    wakeDesired: parts.loops.wakeDesired,
    now: parts.now,
  };
}

function rolloutParts(parts: AppParts, { rollouts, releases }: Rows): AppOptions["rollouts"] {
  const { now, loops } = parts;
  return {
    desk: rollouts,
    words: rolloutWords(parts),
    planner: rolloutPlanner({
      desk: rollouts,
      findRelease: releases.findRelease,
      newRolloutId: () => newId(RolloutId, "r"),
      now,
      async wanBytes(from, to) {
        const manifest = await releases.manifest(to);
        const base = from === null ? undefined : await releases.manifest(from);
        if (!manifest) return undefined;
        return (await wanBytes(parts.contentFolder, base, { id: to, manifest }))?.bytes;
      },
    }),
    wakeLoops() {
      loops.wakeRollouts();
      loops.wakeDesired();
    },
  };
}

function siteParts(parts: AppParts, desk: ReturnType<typeof siteRows>): AppOptions["sites"] {
  return {
    desk,
    reachability,
    newSiteId: () => newId(SiteId, "s"),
    newSecret,
    hashSecret,
    publicUrl: (context) => parts.config.publicUrl ?? new URL(context.req.url).origin,
    caFingerprint: parts.tls.fingerprint,
    async statusChanged() {
      // The database has it; a bus that can't be reached is told when it is back.
      if (parts.bus.revocations.isReady()) await parts.bus.revocations.publish();
    },
    setFrozen: parts.store.setFrozen,
    wakeDesired: parts.loops.wakeDesired,
    now: parts.now,
  };
}

function agentParts(
  parts: AppParts,
  made: Pick<Rows, "identities" | "releases"> & {
    sessions: ReturnType<typeof siteSessions>;
    limitTries: (context: RequestContext) => void;
  },
): AppOptions["agents"] {
  const { services, now, keys, tls } = parts;
  const { releases } = made;
  const uplink = httpUplink({
    store: parts.store,
    bus: parts.bus,
    log: parts.log,
    now,
    wakeRollouts: parts.loops.wakeRollouts,
  });
  return {
    identities: made.identities,
    sessions: made.sessions,
    metadata: {
      root: releases.root,
      releases: async (channel) => (await releases.channel(channel))?.metadata,
    },
    issueJwt(site, nkey) {
      const expiresAt = now() + siteJwtValidMs;
      return {
        jwt: siteJwt(services.busKeys, { site, nkey, issuedAt: now(), expiresAt }),
        expiresAt,
      };
    },
    ...uplink,
    rootText: keys.rootText,
    trustFile: keys.trustFile,
    busUrls: (context) =>
      services.busPort === null
        ? services.busServers
        : [`tls://${new URL(context.req.url).hostname}:${services.busPort}`],
    caPem: tls.authorityPem,
    contentUrls: (context) => [parts.config.publicUrl ?? new URL(context.req.url).origin],
    hashSecret,
    limitTries: made.limitTries,
    now,
  };
}

function rolloutWords({ store, now }: AppParts): AppOptions["rollouts"]["words"] {
  return {
    say({ id, word, by, reason }) {
      const said =
        word === "start"
          ? ({ kind: "start", startsAt: null, needsApproval: false } as const)
          : { kind: word, by, reason };
      return sayWord(store, { id, word: said, by, now: now() });
    },
    async supersedeOlder(id) {
      await supersedeOlder(store, { id, now: now() });
    },
    rollBack: (said) =>
      rollBack(store, { ...said, now: now(), newId: () => newId(RolloutId, "r") }),
    activeRollouts: store.activeRollouts,
    frozen: store.frozen,
  };
}

/** Thirty tries a minute and address for what needs no login. */
function triesLimit(now: () => number): (context: RequestContext) => void {
  const limit = rateLimit({ triesMax: 30, windowMs: 60_000 });
  return (context) => {
    const { incoming } = (context.env ?? {}) as {
      incoming?: { socket?: { remoteAddress?: string } };
    };
    const address = incoming?.socket?.remoteAddress ?? "unknown";
    if (!limit.allow(address, now()))
      throw new RequestError(
        429,
        "too-many-tries",
        "too many tries from this address: wait a minute",
      );
  };
}

function shelfOf(content: ContentStore): AppOptions["releases"]["shelf"] {
  const named = (kind: string, digest: string) =>
    ({ kind, digest }) as Parameters<ContentStore["has"]>[0];
  return {
    has: (kind, digest) => content.has(named(kind, digest)),
    async read(kind, digest, bytesMax) {
      const object = await content.get(named(kind, digest));
      if (!object || object.sizeBytes > bytesMax) return undefined;
      return new Response(object.read()).text();
    },
  };
}

async function recipesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function missingParts({ services, bus }: AppParts): Promise<readonly string[]> {
  const database = await services.sql`select 1`.then(() => true).catch(() => false);
  return [...(database ? [] : ["database"]), ...(bus.connection.isReady() ? [] : ["bus"])];
}
