// The lease table. One address has at most one holder and one client at most one address: put()
// enforces both, whatever order changes arrive in.

import type { Pool } from "./boot-site.ts";
import { ipv4FromNumber, ipv4ToNumber } from "./ipv4.ts";

/**
 * `offered` waits for the REQUEST, `bound` is in use, `released` rests before reuse, `declined` is
 * quarantined because somebody else answered on it.
 */
export type LeaseState = "offered" | "bound" | "released" | "declined";

export interface Lease {
  readonly ip: string;
  /** Holder, `<htype>:<chaddr>`; of a declined address the client that declined it. */
  readonly key: string;
  readonly state: LeaseState;
  /** The state ends at this time (epoch ms). */
  readonly until: number;
}

/** What a decision may ask of the table. */
export interface LeaseView {
  byIp(ip: string): Lease | undefined;
  byKey(key: string): Lease | undefined;
}

/** A change a decision wants; the shell applies it before the reply leaves. */
export type LeaseChange =
  | { readonly kind: "put"; readonly lease: Lease }
  | { readonly kind: "drop"; readonly ip: string };

export class LeaseTable implements LeaseView {
  readonly #byIp = new Map<string, Lease>();
  readonly #byKey = new Map<string, Lease>();

  constructor(leases: Iterable<Lease> = []) {
    for (const lease of leases) this.#put(lease);
  }

  byIp(ip: string): Lease | undefined {
    return this.#byIp.get(ip);
  }

  /** The address a client holds or held last; a quarantined address belongs to nobody. */
  byKey(key: string): Lease | undefined {
    return this.#byKey.get(key);
  }

  apply(changes: readonly LeaseChange[]): void {
    for (const change of changes) {
      if (change.kind === "put") this.#put(change.lease);
      else this.#drop(change.ip);
    }
  }

  all(): readonly Lease[] {
    return [...this.#byIp.values()];
  }

  #put(lease: Lease): void {
    this.#drop(lease.ip);
    if (lease.state !== "declined") {
      const earlier = this.#byKey.get(lease.key);
      if (earlier !== undefined) this.#drop(earlier.ip);
      this.#byKey.set(lease.key, lease);
    }
    this.#byIp.set(lease.ip, lease);
  }

  #drop(ip: string): void {
    const lease = this.#byIp.get(ip);
    if (lease === undefined) return;
    this.#byIp.delete(ip);
    if (this.#byKey.get(lease.key)?.ip === ip) this.#byKey.delete(lease.key);
  }
}

/** True when this client may use the address now: nobody else holds it and it is not quarantined. */
export function isFreeFor(key: string, lease: Lease | undefined, now: number): boolean {
  if (lease === undefined || lease.until <= now) return true;
  return lease.state !== "declined" && lease.key === key;
}

/**
 * An address from the pool, starting at a place that depends on the client so that it tends to get
 * the same one again. Addresses never leased come before expired ones. Undefined: the pool is empty.
 */
export function freeAddress(
  pool: Pool,
  key: string,
  isTaken: (ip: string) => boolean,
  view: LeaseView,
  now: number,
): string | undefined {
  const first = ipv4ToNumber(pool.firstIp);
  const size = ipv4ToNumber(pool.lastIp) - first + 1;
  let oldest: Lease | undefined;
  for (let step = 0; step < size; step += 1) {
    const ip = ipv4FromNumber(first + ((startOf(key) + step) % size));
    if (isTaken(ip)) continue;
    const lease = view.byIp(ip);
    if (lease === undefined) return ip;
    if (lease.until <= now && (oldest === undefined || lease.until < oldest.until)) oldest = lease;
  }
  return oldest?.ip;
}

function startOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
