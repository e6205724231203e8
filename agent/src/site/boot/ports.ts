// What the boot services need from the rest of the site agent. Adapters live with whoever owns the
// thing: leases in the agent's database, files in its cache, events in its boot timeline.
import type { Lease, LeaseChange } from "../../core/boot/leases.ts";

/** Leases across restarts. `save` resolves once the changes would survive a power cut. */
export interface LeaseStore {
  load(): Promise<readonly Lease[]>;
  save(changes: readonly LeaseChange[]): Promise<void>;
}

/** One open file; read in pieces, so that a transfer never holds a whole file. */
export interface BootFile {
  readonly sizeBytes: number;
  /** Fills `buffer` from `offset` of the file; answers how many bytes, fewer only at the file's end. */
  readInto(buffer: Uint8Array, offset: number): Promise<number>;
  close(): Promise<void>;
}

/** Files by safe relative name; undefined when there is none. */
export interface BootFileSource {
  open(name: string): Promise<BootFile | undefined>;
}

/** One entry of a node's boot timeline. */
export interface BootEvent {
  /** Epoch ms. */
  readonly at: number;
  readonly service: "dhcp" | "tftp" | "http";
  readonly event: string;
  readonly mac?: string;
  readonly ip?: string;
  readonly nodeId?: string;
  readonly file?: string;
  readonly bytes?: number;
  readonly because: readonly string[];
}

export type OnBootEvent = (event: BootEvent) => void;
