// Seeded randomness: the same seed gives the same sequence on every platform, so a failing
// simulation or a jittered schedule can be replayed.

/** A source of randomness that is handed to pure code as an argument. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One element of a non-empty list. */
  pick<T>(items: readonly T[]): T;
  /** An independent generator named by `label`; does not advance this one. */
  fork(label: string): Random;
}

/** 32-bit FNV-1a of a string, used to derive seeds from names. Not a cryptographic hash. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/** sfc32 (Chris Doty-Humphrey, PractRand) seeded by one integer. */
export function seededRandom(seed: number): Random {
  let a = seed | 0;
  let b = (seed ^ 0x9e3779b9) | 0;
  let c = 0xdeadbeef | 0;
  let counter = 1;
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i += 1) word();
  const next = (): number => word() / 4_294_967_296;
  return {
    next,
    integer: (below) => Math.floor(next() * below),
    chance: (probability) => next() < probability,
    pick: (items) => {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new RangeError("cannot pick from an empty list");
      return item;
    },
    fork: (label) => seededRandom((seed ^ seedOf(label)) >>> 0),
  };
}

/** `baseMs` moved by up to ± `share` of itself (0.2 = ±20 %), so that many sites never act at once. */
export function jitteredMs(baseMs: number, share: number, random: Random): number {
  return Math.round(baseMs * (1 + share * (2 * random.next() - 1)));
}
