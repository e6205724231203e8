// FastCDC cut search and fingerprint sampling (AssemblyScript; the .as ending keeps it out of the
// TypeScript compiler). gear-wasm.ts holds the compiled bytes, gear.ts the same in TypeScript; a
// test rebuilds this file and compares. Memory: gear table at 1024, results at 4096, data at 1 MiB.

const GEAR: usize = 1024;

@inline
function roll(h: u32, at: usize): u32 {
  return (h << 1) + load<u32>(GEAR + (<usize>load<u8>(at) << 2));
}

function cut(p: usize, len: u32, min: u32, avg: u32, max: u32, maskSmall: u32, maskLarge: u32): u32 {
  if (len <= min) return len;
  let n = len < max ? len : max;
  let c = n < avg ? n : avg;
  let h: u32 = 0;
  let i: usize = p + min, e1: usize = p + c, e2: usize = p + n;
  while (i < e1) {
    h = roll(h, i); i++;
    if (!(h & maskSmall)) return <u32>(i - p);
  }
  while (i < e2) {
    h = roll(h, i); i++;
    if (!(h & maskLarge)) return <u32>(i - p);
  }
  return n;
}

// Lengths of all chunks that are certain; without `last` a tail shorter than `max` stays uncut.
export function cuts(p: usize, len: u32, out: usize, min: u32, avg: u32, max: u32, maskSmall: u32, maskLarge: u32, last: u32): u32 {
  let off: u32 = 0, k: u32 = 0;
  while (off < len) {
    if (!last && len - off < max) break;
    let n = cut(p + off, len - off, min, avg, max, maskSmall, maskLarge);
    off += n;
    store<u32>(out + (<usize>k << 2), n); k++;
  }
  return k;
}

// Murmur3-style 32-bit hash of the 32 bytes that end at `at`.
function windowHash(at: usize): u32 {
  let h: u32 = 0x9747b28c;
  let q = at - 31;
  for (let w = 0; w < 8; w++) {
    let k = load<u32>(q + (<usize>w << 2)) * 0xcc9e2d51;
    k = rotl<u32>(k, 15) * 0x1b873593;
    h = rotl<u32>(h ^ k, 13) * 5 + 0xe6546b64;
  }
  h ^= h >>> 16; h *= 0x85ebca6b; h ^= h >>> 13; h *= 0xc2b2ae35; h ^= h >>> 16;
  return h;
}

// (window hash, end position) wherever the rolled gear has no bit of `mask`; at most `cap` pairs.
export function sample(p: usize, len: u32, mask: u32, out: usize, cap: u32): u32 {
  let h: u32 = 0, k: u32 = 0;
  let e = p + len;
  for (let i = p; i < e; i++) {
    h = roll(h, i);
    if (!(h & mask) && <u32>(i - p) >= 31) {
      if (k >= cap) return k;
      store<u32>(out + (<usize>k << 3), windowHash(i));
      store<u32>(out + (<usize>k << 3) + 4, <u32>(i - p));
      k++;
    }
  }
  return k;
}
