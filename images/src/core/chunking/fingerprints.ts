// Remembers a sample of an image's 32-byte windows, to find which old chunks resemble new bytes. A
// wrong answer costs compression only: nothing that is sent depends on it being right.

import { type GearEngine, samplesMax } from "./gear.ts";

/** One window in 2^6 is sampled. */
const sparseBits = 6;
const slotsMax = 2 ** 24;
const slotsMin = 2 ** 12;

/** Votes of sampled windows, by base chunk number. */
export type Votes = Map<number, number>;

/** A table of fixed size: two words per slot, at most 128 MiB. */
export class Fingerprints {
  readonly #engine: GearEngine;
  readonly #hashes: Uint32Array;
  readonly #numbers: Uint32Array;
  readonly #mask: number;

  /** `baseBytes` is the size of all content that will be added; it sizes the table. */
  constructor(engine: GearEngine, baseBytes: number) {
    const wanted = (baseBytes / 2 ** sparseBits) * 2;
    const slots = 2 ** Math.ceil(Math.log2(Math.min(Math.max(wanted, slotsMin), slotsMax)));
    this.#engine = engine;
    this.#hashes = new Uint32Array(slots);
    this.#numbers = new Uint32Array(slots);
    this.#mask = slots - 1;
  }

  /** Samples base chunk `number`. The first chunk to take a slot keeps it. */
  add(number: number, chunk: Uint8Array): void {
    for (const hash of this.#sample(chunk)) {
      const slot = hash & this.#mask;
      if (this.#hashes[slot] !== 0) continue;
      this.#hashes[slot] = hash;
      this.#numbers[slot] = number;
    }
  }

  /** Adds to `votes` the base chunks that share sampled windows with `chunk`. */
  vote(chunk: Uint8Array, votes: Votes): void {
    for (const hash of this.#sample(chunk)) {
      const slot = hash & this.#mask;
      if (this.#hashes[slot] !== hash) continue;
      const number = this.#numbers[slot] ?? 0;
      votes.set(number, (votes.get(number) ?? 0) + 1);
    }
  }

  *#sample(chunk: Uint8Array): Generator<number> {
    this.#engine.data.set(chunk);
    const pairs = this.#engine.sample(chunk.length, sparseBits);
    // Uniform content, for example zeros, samples everywhere and says nothing.
    if (pairs.length === samplesMax * 2) return;
    for (let at = 0; at < pairs.length; at += 2) {
      // Zero marks an empty slot.
      yield pairs[at] || 1;
    }
  }
}
