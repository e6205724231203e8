// One running site agent, real or hollow: durable trust, outbox, nodes' service, grant desk, uplink and
// the loop that keeps the cache at what desired state needs. Everything resumes from its data folder.

import { randomBytes } from "node:crypto";
import type { Clock } from "@drover/shared/clock";
import { describeError } from "@drover/shared/errors";
import { type ImageId, idTail } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { ownVersions } from "@drover/shared/messages/envelope";
import { OutboxId } from "@drover/shared/messages/report";
import type { Random } from "@drover/shared/random";
import { defaultSitePolicy } from "@drover/shared/site/policy";
import type { Nkey } from "@drover/shared/trust/nkey";
import { z } from "zod";
import { planCache } from "../core/cache/plan.ts";
import { refusalOf } from "../core/site/orders-for.ts";
import { TrustKeeper, TrustMemory } from "../trust-keeper.ts";
import { connectBus, type ReconnectPolicy } from "./bus.ts";
import type { Centre } from "./centre.ts";
import type { ContentSourceParts } from "./content-source.ts";
import type { Database } from "./database.ts";
import { GrantDesk } from "./grant-desk.ts";
import type { SiteIdentity } from "./identity.ts";
import type { ImageCache } from "./image-cache.ts";
import { localTimeAt } from "./local-time.ts";
import { Outbox } from "./outbox.ts";
import { SiteSession } from "./session.ts";
import { SiteService } from "./site-service.ts";
import { SiteStore } from "./site-store.ts";
import { TrustSync } from "./trust-sync.ts";
import { Uplink, UplinkError } from "./uplink.ts";

export interface SiteRuntimeParts {
  readonly identity: SiteIdentity;
  readonly nkey: Nkey;
  readonly centre: Centre;
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly reconnect: ReconnectPolicy;
  readonly agentVersion: string;
  /** IANA name; windows are judged in it. */
  readonly timeZone: string;
  openCache(
    content: ContentSourceParts,
    addWanBytes: (imageId: ImageId, bytes: number) => Promise<void>,
  ): Promise<ImageCache>;
}

const cacheEveryMs = 30_000;
const stateEveryMs = 60_000;
const trustDocument = "trust";
const wantedDocument = "images-wanted";

export class SiteRuntime {
  readonly keeper: TrustKeeper;
  readonly service: SiteService;
  readonly cache: ImageCache;
  readonly store: SiteStore;
  readonly #parts: SiteRuntimeParts;
  readonly #uplink: Uplink;
  readonly #session: SiteSession;
  readonly #trust: TrustSync;
  readonly #startedAt: number;
  readonly #listeners = new Set<() => void>();
  #wakeCache = new AbortController();
  #cacheBecause: string[] = [];
  #rssBytesMax = 0;

  private constructor(built: {
    parts: SiteRuntimeParts;
    keeper: TrustKeeper;
    store: SiteStore;
    outbox: Outbox;
    session: SiteSession;
    cache: ImageCache;
    service: (runtime: SiteRuntime) => SiteService;
  }) {
    const { parts, keeper, store, outbox, session, cache } = built;
    const { identity, centre, clock, random, log, agentVersion } = parts;
    const { site } = identity.connection;
    this.#parts = parts;
    this.keeper = keeper;
    this.store = store;
    this.cache = cache;
    this.#session = session;
    this.#startedAt = clock.now();
    this.service = built.service(this);
    this.#trust = new TrustSync({
      keeper,
      log,
      send: centre.send(),
      keep: (memory) => store.keepDocument(trustDocument, JSON.stringify(memory)),
      onChange: () => this.#changed(),
    });
    this.#uplink = new Uplink({
      site,
      session,
      centre,
      trust: this.#trust,
      outbox,
      clock,
      random,
      log,
      agentVersion,
      generation: () => keeper.generation,
      beatMs: () => keeper.desired?.policy.beatMs ?? defaultSitePolicy.beatMs,
      onJoined: () => void this.#repeatStates(),
      openBus: (handlers) =>
        connectBus({
          site,
          urls: session.busUrls,
          caPem: identity.connection.caPem,
          seed: parts.nkey.seed,
          jwt: () => session.jwt ?? "",
          reconnect: parts.reconnect,
          handlers,
          log,
        }),
    });
  }

  static async open(parts: SiteRuntimeParts): Promise<SiteRuntime> {
    const { identity, database, nkey, centre, clock, log } = parts;
    const { site } = identity.connection;
    const store = new SiteStore(database, site);
    const keeper = await openKeeper(store, identity);
    const freshId = OutboxId.parse(`o-${idTail(randomBytes(16))}`);
    const outbox = await Outbox.open(store, freshId);
    const session = new SiteSession({ site, nkey, centre, clock });
    const cache = await parts.openCache(
      {
        centre,
        clock,
        urls: () =>
          session.contentUrls.length > 0 ? session.contentUrls : identity.connection.contentUrls,
        bytesPerSecondMax: () => keeper.desired?.policy.wanBytesPerSecondMax ?? 0,
      },
      (imageId, bytes) => store.addWanBytes(imageId, bytes),
    );
    let runtime: SiteRuntime | undefined;
    const desk = new GrantDesk({
      clock,
      log,
      situation: () => runtime?.situation(),
      askCentre: async (request) => {
        if (!runtime) throw new UplinkError("the site agent is still starting");
        return await runtime.#uplink.askGrant(request);
      },
    });
    const service = await SiteService.open(
      { site, keeper, store, outbox, cache, clock, log, wakeUplink: () => runtime?.wakeUplink() },
      () => desk,
    );
    runtime = new SiteRuntime({
      parts,
      keeper,
      store,
      outbox,
      session,
      cache,
      service: () => service,
    });
    return runtime;
  }

  /** Reports wait in the outbox: send them soon. */
  wakeUplink(): void {
    this.#uplink.wake();
  }

  /** Calls back whenever trust or desired state has changed and is durable. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** What the coordinator looks at, or undefined without desired state. */
  situation() {
    const { desired, trustFile } = this.keeper;
    if (!desired) return undefined;
    const now = this.keeper.timeAt(this.#parts.clock.now());
    return {
      desired,
      ceilings: trustFile.ceilings,
      phases: this.service.phases(),
      local: localTimeAt(now, this.#parts.timeZone),
      isCentreInReach: this.#uplink.isOnBus() || this.#session.jwt !== undefined,
    };
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#uplink.run(signal),
      this.#loop(signal, cacheEveryMs, () => this.#keepCache(signal)),
      this.#loop(signal, stateEveryMs, () => this.#reportState()),
    ]);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
    this.#wakeCache.abort();
    this.#wakeCache = new AbortController();
  }

  async #loop(signal: AbortSignal, everyMs: number, once: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      const woken = AbortSignal.any([signal, this.#wakeCache.signal]);
      try {
        await once();
      } catch (error) {
        log.error({ error: describeError(error) }, "site upkeep failed");
      }
      try {
        await clock.wait(everyMs, woken);
      } catch {
        // Woken by a change or stopping; the loop looks at the signal itself.
      }
    }
  }

  async #keepCache(signal: AbortSignal): Promise<void> {
    const { view, desired } = this.keeper;
    if (!view || !desired || desired.status === "decommissioned") return;
    const wantedAt = await this.#wantedTimes();
    const cached = this.cache
      .whole()
      .map((imageId) => ({ imageId, isWhole: true, wantedAt: wantedAt[imageId] ?? 0 }));
    const plan = planCache(desired, cached, (release) => refusalOf(release, view) === undefined);
    const because = [...plan.because];
    for (const release of plan.fetch) {
      try {
        await this.cache.ensure(release, signal);
      } catch (error) {
        if (signal.aborted) return;
        because.push(`fetching ${release.name}@${release.semver} failed: ${describeError(error)}`);
      }
    }
    if (plan.fetch.length === 0) for (const imageId of plan.evict) await this.cache.evict(imageId);
    const isNews = plan.fetch.length > 0 || because.join() !== this.#cacheBecause.join();
    this.#cacheBecause = because;
    if (isNews) await this.#reportState();
  }

  /** When desired state last named each image: decides what is evicted first. */
  async #wantedTimes(): Promise<Record<string, number>> {
    const { desired } = this.keeper;
    const known = JSON.parse((await this.store.document(wantedDocument)) ?? "{}");
    const times = z.record(z.string(), z.number()).parse(known);
    for (const { committed, assigned } of Object.values(desired?.classes ?? {})) {
      for (const release of [committed, assigned?.release])
        if (release) times[release.imageId] = desired?.issuedAt ?? 0;
    }
    const kept = Object.fromEntries(Object.entries(times).slice(-200));
    await this.store.keepDocument(wantedDocument, JSON.stringify(kept));
    return kept;
  }

  async #repeatStates(): Promise<void> {
    try {
      await this.service.repeatStates();
    } catch (error) {
      this.#parts.log.error({ error: describeError(error) }, "states could not be reported again");
    }
  }

  async #reportState(): Promise<void> {
    const { agentVersion } = this.#parts;
    this.#rssBytesMax = Math.max(this.#rssBytesMax, process.memoryUsage.rss());
    const because = [...this.#cacheBecause];
    if (this.#trust.refusedBecause)
      because.push(`desired state refused: ${this.#trust.refusedBecause}`);
    if (this.#trust.metadataBecause)
      because.push(`release metadata refused or not reached: ${this.#trust.metadataBecause}`);
    if (this.#session.refusedBecause)
      because.push(`the centre refuses the site: ${this.#session.refusedBecause}`);
    await this.service.report({
      kind: "site-state",
      agentVersion,
      accepts: ownVersions,
      startedAt: this.#startedAt,
      cacheBytes: this.cache.sizeBytes(),
      wanBytes: (await this.store.wanBytes()) as Record<ImageId, number>,
      rssBytesMax: this.#rssBytesMax,
      because: because.map((each) => each.slice(0, 500)).slice(0, 20),
    });
  }
}

async function openKeeper(store: SiteStore, identity: SiteIdentity): Promise<TrustKeeper> {
  const text = await store.document(trustDocument);
  const { site } = identity.connection;
  if (text === undefined) return TrustKeeper.first(site, identity.root, identity.trustFile);
  return new TrustKeeper(site, TrustMemory.parse(JSON.parse(text)));
}
