// One in-memory node: the real update driver over a hollow disk, with boots that take time and the faults
// of a plan. It speaks to its site in memory and reports exactly what a real node would.
import { randomBytes } from "node:crypto";
import type { Clock } from "@drover/shared/clock";
import type { BootControl } from "@drover/shared/disk/boot-control";
import { describeError, FleetError } from "@drover/shared/errors";
import { EpochMs, type ImageId, type NodeId, type Sha256 } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import type { GrantDocument } from "@drover/shared/messages/grant";
import { Slot } from "@drover/shared/node/slot";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import { z } from "zod";
import { bootMarksOf, bootReasonOf } from "../boot-marks.ts";
import type { UpdatePolicy } from "../core/update/input.ts";
import type { NodeOrders } from "../core/update/orders.ts";
import type { UpdateState } from "../core/update/state.ts";
import type { SiteUplink, SlotWriter, UpdatePorts } from "../node-ports.ts";
import { UpdateDriver } from "../update-driver.ts";
import { type FaultPlan, faultOf } from "./fault-plan.ts";
import { type HollowDisk, HollowDiskMemory } from "./hollow-disk.ts";

/** What a hollow node may know of an image without having its bytes. */
export interface HollowImage {
  readonly verityRoot: Sha256;
  readonly totalBytes: number;
}

export interface HollowNodeParts {
  readonly node: NodeId;
  readonly disk: HollowDisk;
  /** What an earlier process kept of this node. */
  readonly memory: HollowNodeMemory;
  readonly faults: readonly FaultPlan[];
  readonly site: SiteUplink;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds from power-on to a running agent; a hang costs ten times that. */
  readonly bootMs: number;
  policy(): UpdatePolicy;
  openGrant(document: DsseEnvelope): GrantDocument;
  /** Undefined while the site cannot deliver the image. */
  image(imageId: ImageId): HollowImage | undefined;
  keep(memory: HollowNodeMemory): Promise<void>;
  /** The node's state has changed: time to report it. */
  onChange(state: UpdateState): void;
}

/** A system that runs; kept, so that a restart of the process is no power cut for its nodes. */
const Boot = z.object({
  bootId: z.string().max(60),
  slot: Slot,
  why: z.enum(["cold", "try", "fall", "late", "resc"]),
  startedAt: EpochMs,
});
type Boot = z.infer<typeof Boot>;

export const HollowNodeMemory = z.object({
  disk: HollowDiskMemory,
  /** The update driver's document. */
  state: z.string().nullable(),
  boot: Boot.nullable(),
});
export type HollowNodeMemory = z.infer<typeof HollowNodeMemory>;

export class HollowNode {
  readonly #parts: HollowNodeParts;
  #driver: UpdateDriver | undefined;
  #bootFacts: Boot | null;
  #stored: string | null;
  #booting: Promise<void> | undefined;
  #isOff = false;

  constructor(parts: HollowNodeParts) {
    this.#parts = parts;
    this.#stored = parts.memory.state;
    this.#bootFacts = parts.memory.boot;
  }

  get node(): NodeId {
    return this.#parts.node;
  }

  /** The update state, or undefined while the node boots or is gone. */
  get state(): UpdateState | undefined {
    return this.#driver?.state;
  }

  get bootId(): string | undefined {
    return this.#bootFacts?.bootId;
  }

  /** Boots by the loader's rules until a system runs or the node is gone. */
  powerOn(signal: AbortSignal): Promise<void> {
    this.#booting ??= this.#boot(signal).finally(() => {
      this.#booting = undefined;
    });
    return this.#booting;
  }

  async #boot(signal: AbortSignal): Promise<void> {
    const { disk, clock, bootMs, faults, node, log } = this.#parts;
    // A process that starts again finds its nodes running.
    if (this.#bootFacts) return await this.#startAgent(signal, this.#bootFacts);
    while (!signal.aborted && !this.#isOff) {
      const power = disk.powerOn();
      if (!power.slot) {
        log.warn({ node }, "hollow node found nothing to boot");
        return;
      }
      const fault = faultOf(faults, node, power.imageId);
      await clock.wait(fault === "hangs" ? bootMs * 10 : bootMs, signal);
      if (fault === "panics-at-boot" || fault === "hangs") continue;
      const control = disk.bootControl(power.slot);
      const boot: Boot = {
        bootId: randomBytes(8).toString("hex"),
        slot: power.slot,
        why: bootReasonOf(control, power.why),
        startedAt: clock.now(),
      };
      this.#bootFacts = boot;
      await this.#keep();
      return await this.#startAgent(signal, boot);
    }
  }

  async #startAgent(signal: AbortSignal, boot: Boot): Promise<void> {
    const { disk, log, policy, openGrant, onChange, node } = this.#parts;
    const imageId = disk.imageOf(boot.slot);
    const image = imageId ? this.#parts.image(imageId) : undefined;
    const driver = new UpdateDriver({
      ports: this.#ports(boot, signal),
      log: log.child({ node }),
      policy,
      openGrant,
      onChange,
    });
    await driver.start({
      slot: boot.slot,
      why: boot.why,
      measuredImageId: imageId,
      measuredVerityRoot: image?.verityRoot ?? null,
    });
    this.#driver = driver;
  }

  async #keep(): Promise<void> {
    const { disk, keep } = this.#parts;
    await keep({ disk: disk.memory, state: this.#stored, boot: this.#bootFacts });
  }

  #ports(boot: Boot, signal: AbortSignal): UpdatePorts {
    const { disk, clock, site, faults, node } = this.#parts;
    const control = disk.bootControl(boot.slot);
    return {
      slots: this.#slotWriter(control),
      marks: bootMarksOf(control, async () => this.#reboot(signal)),
      probes: {
        run: async (imageId) =>
          faultOf(faults, node, imageId) === "never-healthy"
            ? { healthy: false, because: ["the fault plan makes this image unhealthy here"] }
            : { healthy: true, because: [] },
      },
      stateFile: {
        read: async () => this.#stored ?? undefined,
        write: async (text) => {
          this.#stored = text;
          await this.#keep();
        },
      },
      clock: {
        moment: () => ({
          bootId: boot.bootId,
          monotonicMs: Math.max(0, clock.now() - boot.startedAt),
          wallMs: clock.now(),
        }),
      },
      site: { hello: () => site.hello(), askGrant: (question) => site.askGrant(question) },
      nonces: { nonce: () => randomBytes(18).toString("base64url") },
    };
  }

  #slotWriter(control: BootControl): SlotWriter {
    const { disk, clock } = this.#parts;
    return {
      prefetch: async (imageId, onProgress, signal) => {
        let image = this.#parts.image(imageId);
        while (!image) {
          await clock.wait(1_000, signal);
          image = this.#parts.image(imageId);
        }
        onProgress(image.totalBytes, image.totalBytes);
        return image;
      },
      write: async ({ slot, imageId }) => {
        control.withdraw();
        disk.write(slot, null);
        const image = this.#parts.image(imageId);
        if (!image) throw new HollowImageError(`the site lost image ${imageId}`);
        disk.write(slot, imageId);
        return image.verityRoot;
      },
    };
  }

  /** Off at once; what comes up again is decided by the loader. */
  #reboot(signal: AbortSignal): void {
    const { faults, node, log } = this.#parts;
    const old = this.#driver;
    if (!old) return;
    const { progress } = old.state;
    const imageId = progress.phase === "trial" ? progress.target.release.imageId : null;
    const isSilenced = faultOf(faults, node, imageId) === "silent-after-grant";
    this.#driver = undefined;
    this.#bootFacts = null;
    if (isSilenced) this.#isOff = true;
    void old
      .stop()
      .then(() => (isSilenced ? undefined : this.powerOn(signal)))
      .catch((error: unknown) => {
        if (!signal.aborted) log.error({ node, error: describeError(error) }, "hollow boot failed");
      });
  }

  /** New orders and a look at the clocks. */
  tick(orders: NodeOrders | undefined): void {
    const driver = this.#driver;
    if (!driver) return;
    const known = driver.state.orders;
    if (orders && (known?.generation !== orders.generation || !isSame(known, orders)))
      driver.input({ kind: "orders", orders });
    driver.input({ kind: "tick" });
  }

  /** Events were taken by the site. */
  eventsSent(upToSeq: number): void {
    this.#driver?.input({ kind: "events-sent", upToSeq });
  }

  async stop(): Promise<void> {
    await this.#driver?.stop();
    this.#driver = undefined;
  }
}

class HollowImageError extends FleetError {
  readonly code = "hollow-image-missing";
}

function isSame(left: NodeOrders | null, right: NodeOrders): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
