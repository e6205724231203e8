// The boot state of a node as kept in the environment block, and every mark the operating system or
// its initrd may make there. Trial boots are counted, nothing else is; the default slot changes only
// by a commit or by a request after a positive failure.

import { otherSlot, type Slot } from "../node/slot.ts";
import { BootStateError, DiskFormatError, DiskInputError } from "./disk-errors.ts";
import { encodeGrubenv, parseGrubenv } from "./grubenv.ts";

/** Why the loader booted what it booted: usual · a trial · a trial gave up · default unusable · no slot. */
export const bootReasons = ["cold", "try", "fall", "late", "resc"] as const;
export type BootReason = (typeof bootReasons)[number];

export const triesMax = 3;

/** Names are those in the block, which people read with GRUB's own tools too. */
export interface BootEnv {
  readonly v: 1;
  /** Number of the last trial armed; a repeated or late order is recognised by it. */
  readonly seq: number;
  readonly def: Slot;
  readonly try: Slot | "-";
  /** Trial boots left, 0 to 3. */
  readonly left: number;
  /** Slots known to hold a whole, verified image. A slot being written is never in it. */
  readonly ok: "ab" | Slot;
  /** Slot of the last boot that the loader recorded. */
  readonly last: Slot;
  readonly why: BootReason;
  /** First 8 hex digits of the image id last rejected, or `-`. */
  readonly rej: string;
}

/** The state of a node freshly installed into `slot`. */
export function initialEnv(slot: Slot): BootEnv {
  return {
    v: 1,
    seq: 0,
    def: slot,
    try: "-",
    left: 0,
    ok: slot,
    last: slot,
    why: "cold",
    rej: "-",
  };
}

/** The 1024 bytes of the block. */
export function encodeBootEnv(env: BootEnv): Uint8Array {
  const rows = Object.entries(env).map(([name, value]): [string, string] => [name, String(value)]);
  return encodeGrubenv(new Map(rows));
}

/** Strict inverse of {@link encodeBootEnv}. Throws {@link DiskFormatError}. */
export function parseBootEnv(block: Uint8Array): BootEnv {
  const rows = parseGrubenv(block);
  const field = (name: string, pattern: RegExp): string => {
    const value = rows.get(name);
    rows.delete(name);
    if (value === undefined || !pattern.test(value)) {
      throw new DiskFormatError(`the boot variable ${name} is ${JSON.stringify(value ?? null)}`);
    }
    return value;
  };
  field("v", /^1$/);
  const env: BootEnv = {
    v: 1,
    seq: Number(field("seq", /^(0|[1-9][0-9]{0,14})$/)),
    def: field("def", /^[ab]$/) as Slot,
    try: field("try", /^[ab-]$/) as Slot | "-",
    left: Number(field("left", /^[0-3]$/)),
    ok: field("ok", /^(ab|a|b)$/) as BootEnv["ok"],
    last: field("last", /^[ab]$/) as Slot,
    why: field("why", /^(cold|try|fall|late|resc)$/) as BootReason,
    rej: field("rej", /^(-|[0-9a-f]{8})$/),
  };
  const [unknown] = rows.keys();
  if (unknown !== undefined) throw new DiskFormatError(`unknown boot variable ${unknown}`);
  if (env.try === env.def) throw new DiskFormatError("the default slot cannot be on trial");
  return env;
}

/**
 * Before the first byte of a slot is written: the loader must not fall to it. Refuses the default
 * slot. A pending trial of the slot ends.
 */
export function withdrawSlot(env: BootEnv, slot: Slot): BootEnv {
  if (slot === env.def)
    throw new BootStateError(`slot ${slot} is the default and must not be written`);
  return { ...env, try: "-", left: 0, ok: env.def };
}

/** After a slot was written or repaired, read back and verified: the loader may fall to it. */
export function trustSlot(env: BootEnv, slot: Slot): BootEnv {
  return { ...env, ok: env.def === slot ? withSlot(env.ok, slot) : "ab" };
}

/**
 * Arms `tries` trial boots of `slot` under number `seq`. The whole block is rewritten, so no mark of
 * an earlier trial survives. Repeating the order that is in force refreshes its count.
 */
export function armTrial(env: BootEnv, slot: Slot, tries: number, seq: number): BootEnv {
  if (!Number.isInteger(tries) || tries < 1 || tries > triesMax) {
    throw new DiskInputError(`a trial has 1 to ${triesMax} boots, not ${tries}`);
  }
  if (!Number.isSafeInteger(seq) || seq >= 1e15) throw new DiskInputError(`trial number ${seq}`);
  if (slot === env.def) throw new BootStateError(`slot ${slot} is already the default`);
  const repeated = seq === env.seq && env.try === slot;
  if (seq <= env.seq && !repeated) {
    throw new BootStateError(`trial ${seq} is not newer than trial ${env.seq}`);
  }
  const fresh = { seq, try: slot, left: tries, ok: env.def, why: "cold", rej: "-" } as const;
  return repeated ? { ...env, left: tries } : { ...env, ...fresh };
}

/** A reboot ordered by a person during a trial must not cost a try. */
export function keepTrial(env: BootEnv): BootEnv {
  return env.try === "-" ? env : { ...env, left: Math.min(triesMax, env.left + 1) };
}

/** The trial passed: its slot becomes the default. `oldVerifies` keeps the old slot as a fallback. */
export function commitTrial(env: BootEnv, oldVerifies: boolean): BootEnv {
  const slot = env.try;
  if (slot === "-") throw new BootStateError("no trial is in force, there is nothing to commit");
  const ok = oldVerifies ? "ab" : slot;
  return { ...env, def: slot, try: "-", left: 0, ok, last: slot, why: "cold", rej: "-" };
}

/**
 * The trial failed, by the loader's count or by a decision of the system: its slot is not booted
 * again, and the image is remembered by the first 8 digits of its id.
 */
export function rejectTrial(env: BootEnv, imageId: string): BootEnv {
  const rej = imageId.slice(0, 8);
  if (!/^[0-9a-f]{8}$/.test(rej))
    throw new DiskInputError(`${JSON.stringify(imageId)} is no image id`);
  return { ...env, try: "-", left: 0, ok: env.try === "-" ? env.ok : env.def, rej };
}

/**
 * A boot outside a trial turned out well: marks of earlier trouble are cleared. When the loader had
 * to leave the default because it could not be loaded, the running slot becomes the default.
 */
export function settle(env: BootEnv, running: Slot): BootEnv {
  if (env.def === running) return { ...env, why: "cold" };
  return { ...env, def: running, try: "-", left: 0, ok: running, last: running, why: "cold" };
}

/** What the initrd's request came to. */
export interface OtherRequest {
  readonly env: BootEnv;
  readonly because: readonly string[];
}

/**
 * The initrd of `failing` positively cannot open its verity root. A trial is given up; a default
 * gives way to the other slot when that is known good; else the next boot asks for rescue, once.
 */
export function requestOther(env: BootEnv, failing: Slot): OtherRequest {
  if (env.try === failing) {
    const because = [`slot ${failing} on trial cannot open its root: no tries are left`];
    return { env: { ...env, left: 0 }, because };
  }
  const other = otherSlot(failing);
  // A slot that is not the default runs only because the default could not be loaded.
  if (env.def === failing && env.ok.includes(other)) {
    const next: BootEnv = {
      ...env,
      def: other,
      try: "-",
      left: 0,
      ok: other,
      last: failing,
      why: "late",
    };
    return {
      env: next,
      because: [`slot ${failing} cannot open its root: slot ${other} is now the default`],
    };
  }
  const next: BootEnv = { ...env, try: "-", left: 0, ok: env.def, last: failing, why: "resc" };
  const because = [
    `slot ${failing} cannot open its root and slot ${other} is not known good: rescue`,
  ];
  return { env: next, because };
}

function withSlot(ok: BootEnv["ok"], slot: Slot): BootEnv["ok"] {
  return ok === slot ? ok : "ab";
}
