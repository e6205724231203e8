// What the update driver needs from a node: slots, loader, probes, a durable state file, clocks and the
// way to the site agent. Real nodes and hollow nodes implement the same ports.
import type { ImageId, RolloutId, Sha256 } from "@drover/shared/ids";
import type { Report } from "@drover/shared/messages/report";
import type { Slot } from "@drover/shared/node/slot";
import type { BootReason } from "./core/update/input.ts";
import type { Moment } from "./core/update/moment.ts";
import type { GrantAnswer } from "./node-api/contract.ts";

/** What the loader and the measured root say of the running system. */
export interface BootFacts {
  readonly slot: Slot;
  /** `fall` as long as the loader's block still records it, even after another cold start. */
  readonly why: BootReason;
  readonly measuredVerityRoot: Sha256 | null;
  readonly measuredImageId: ImageId | null;
}

/** Content of the spare slot. Both calls are idempotent and end when the signal aborts. */
export interface SlotWriter {
  /** Resolves when the site can deliver the whole image; the manifest has been verified by then. */
  prefetch(
    imageId: ImageId,
    onProgress: (doneBytes: number, totalBytes: number) => void,
    signal: AbortSignal,
  ): Promise<{ readonly verityRoot: Sha256; readonly totalBytes: number }>;
  /** Writes, reads back, and answers the verity root of what is really there. */
  write(
    order: { readonly slot: Slot; readonly imageId: ImageId },
    signal: AbortSignal,
  ): Promise<Sha256>;
}

/** Marks for the loader; each is durable and read back when it resolves. */
export interface BootMarks {
  arm(order: { slot: Slot; imageId: ImageId; bootsMax: number }): Promise<void>;
  disarm(imageId: ImageId): Promise<void>;
  /** Answers the default slot as read back. */
  markGood(slot: Slot, oldVerifies: boolean): Promise<Slot>;
  /** Asks for a reboot; resolving does not mean that it has happened. */
  reboot(because: string): Promise<void>;
}

export interface Probes {
  run(
    imageId: ImageId,
    signal: AbortSignal,
  ): Promise<{ readonly healthy: boolean; readonly because: readonly string[] }>;
}

/** The one document a node remembers. `write` is atomic and durable: temp, fsync, rename, fsync folder. */
export interface StateFile {
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
}

export interface NodeClock {
  moment(): Moment;
}

export interface GrantQuestion {
  readonly nonce: string;
  readonly imageId: ImageId;
  readonly rolloutId: RolloutId;
  readonly rolloutEpoch: number;
}

/** The site agent as a node sees it, over the LAN. */
export interface SiteUplink {
  /** True when the site agent answered; false on any failure. */
  hello(): Promise<boolean>;
  askGrant(question: GrantQuestion): Promise<GrantAnswer>;
  sendReports(reports: readonly Report[]): Promise<void>;
}

/** Fresh nonces: 16 to 32 random bytes, base64url. */
export interface NonceSource {
  nonce(): string;
}

export interface UpdatePorts {
  readonly slots: SlotWriter;
  readonly marks: BootMarks;
  readonly probes: Probes;
  readonly stateFile: StateFile;
  readonly clock: NodeClock;
  readonly site: Pick<SiteUplink, "hello" | "askGrant">;
  readonly nonces: NonceSource;
}
