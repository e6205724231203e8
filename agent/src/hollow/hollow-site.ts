// The nodes of one hollow site under the real site agent: installs nodes from the committed release,
// lets each tick, and passes on what they report. Nothing a node does here needs the WAN.
import type { Clock } from "@drover/shared/clock";
import { describeError } from "@drover/shared/errors";
import type { ImageId, NodeId } from "@drover/shared/ids";
import { imageBytes } from "@drover/shared/image/manifest";
import type { Log } from "@drover/shared/log";
import { defaultSitePolicy } from "@drover/shared/site/policy";
import { ordersFor } from "../core/site/orders-for.ts";
import type { NodeOrders } from "../core/update/orders.ts";
import { updatePolicyFor } from "../core/update/policy-for.ts";
import type { UpdateState } from "../core/update/state.ts";
import { reportsOf } from "../node-reports.ts";
import type { SiteRuntime } from "../site/site-runtime.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { HollowDisk } from "./hollow-disk.ts";
import { hollowFacts } from "./hollow-facts.ts";
import { HollowNode, HollowNodeMemory } from "./hollow-node.ts";

export interface HollowSiteParts {
  readonly runtime: SiteRuntime;
  readonly faults: readonly FaultPlan[];
  readonly clock: Clock;
  readonly log: Log;
  readonly agentVersion: string;
  readonly bootMs: number;
  readonly tickMs: number;
}

interface Resident {
  readonly node: HollowNode;
  orders: NodeOrders | undefined;
  /** Last report that was taken, to tell news from repetition. */
  reported: string;
  isReporting: boolean;
}

const ordersEveryMs = 60_000;

export class HollowSite {
  readonly #parts: HollowSiteParts;
  readonly #residents = new Map<NodeId, Resident>();
  #areOrdersStale = true;
  #ordersAtMs = 0;

  constructor(parts: HollowSiteParts) {
    this.#parts = parts;
    parts.runtime.onChange(() => {
      this.#areOrdersStale = true;
    });
  }

  /** Update states by node, of those that run right now. */
  states(): Map<NodeId, UpdateState> {
    const states = new Map<NodeId, UpdateState>();
    for (const [id, { node }] of this.#residents) if (node.state) states.set(id, node.state);
    return states;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, tickMs, log } = this.#parts;
    while (!signal.aborted) {
      try {
        await this.#tick(signal);
      } catch (error) {
        log.error({ error: describeError(error) }, "hollow site failed to tick");
      }
      try {
        await clock.wait(tickMs, signal);
      } catch {
        // Stopping: the loop looks at the signal itself.
      }
    }
    for (const { node } of this.#residents.values()) await node.stop();
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const now = this.#parts.clock.monotonicMs();
    if (this.#areOrdersStale || now - this.#ordersAtMs >= ordersEveryMs) {
      this.#areOrdersStale = false;
      this.#ordersAtMs = now;
      await this.#renewOrders(signal);
    }
    for (const resident of this.#residents.values()) {
      resident.node.tick(resident.orders);
      void this.#reportNews(resident);
    }
  }

  async #renewOrders(signal: AbortSignal): Promise<void> {
    const { runtime, clock } = this.#parts;
    const { view } = runtime.keeper;
    if (!view) return;
    const at = runtime.keeper.timeAt(clock.now());
    for (const { id, macs } of view.desired.nodes) {
      const orders = ordersFor(id, view, at);
      const resident = this.#residents.get(id);
      if (resident) resident.orders = orders;
      else await this.#settle(id, macs[0] ?? "", orders, signal);
    }
  }

  /** A node known for the first time is inventoried; one with a committed release is installed from it. */
  async #settle(
    id: NodeId,
    mac: string,
    orders: NodeOrders | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { runtime } = this.#parts;
    const kept = await runtime.store.document(`hollow-node:${id}`);
    if (kept !== undefined) {
      this.#start(id, HollowNodeMemory.parse(JSON.parse(kept)), orders, signal);
      return;
    }
    const imageId = orders?.committed?.imageId;
    // Installed from the cache like a real node: no grant, but the image has to be there.
    if (!imageId || !runtime.cache.manifest(imageId)) {
      this.#areOrdersStale = true;
      return;
    }
    await runtime.service.takeReports(id, [
      { kind: "node-facts", node: id, facts: hollowFacts(id, mac) },
      {
        kind: "node-event",
        node: id,
        event: "installed",
        imageId,
        rolloutId: null,
        grantId: null,
        because: ["a hollow node has the committed release from the start"],
      },
    ]);
    const disk = HollowDisk.installed(imageId).memory;
    this.#start(id, { disk, state: null, boot: null }, orders, signal);
  }

  #start(
    id: NodeId,
    memory: HollowNodeMemory,
    orders: NodeOrders | undefined,
    signal: AbortSignal,
  ): void {
    const { runtime, faults, clock, log, bootMs } = this.#parts;
    const { keeper, service, store } = runtime;
    const node = new HollowNode({
      node: id,
      disk: new HollowDisk(memory.disk),
      memory,
      faults,
      clock,
      log,
      bootMs,
      site: {
        hello: async () => true,
        askGrant: (question) => service.askGrant(id, question),
        sendReports: (reports) => service.takeReports(id, reports),
      },
      policy: () =>
        updatePolicyFor(keeper.desired?.policy ?? defaultSitePolicy, keeper.trustFile.ceilings),
      openGrant: (document) => keeper.openGrant(document),
      image: (imageId) => this.#image(imageId),
      keep: (kept) => store.keepDocument(`hollow-node:${id}`, JSON.stringify(kept)),
      onChange: () => undefined,
    });
    this.#residents.set(id, { node, orders, reported: "", isReporting: false });
    node.powerOn(signal).catch((error: unknown) => {
      if (!signal.aborted)
        log.error({ node: id, error: describeError(error) }, "hollow boot failed");
    });
  }

  #image(imageId: ImageId) {
    const manifest = this.#parts.runtime.cache.manifest(imageId);
    return manifest && { verityRoot: manifest.verity.rootHash, totalBytes: imageBytes(manifest) };
  }

  /** Sends what changed since the last report that was taken. */
  async #reportNews(resident: Resident): Promise<void> {
    const { node } = resident;
    const { state, bootId } = node;
    if (!state || !bootId || resident.isReporting) return;
    const { agentVersion, runtime, log } = this.#parts;
    const reports = reportsOf(node.node, state, { bootId, agentVersion });
    const text = JSON.stringify(reports);
    if (text === resident.reported) return;
    resident.isReporting = true;
    try {
      await runtime.service.takeReports(node.node, reports);
      resident.reported = JSON.stringify(reports.slice(state.events.length));
      const last = state.events.at(-1);
      if (last) node.eventsSent(last.seq);
    } catch (error) {
      log.warn({ node: node.node, error: describeError(error) }, "hollow report was not taken");
    } finally {
      resident.isReporting = false;
    }
  }
}
