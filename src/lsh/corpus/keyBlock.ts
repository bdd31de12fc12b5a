/** Keys that are sorted at once: 12 MiB of entries. */
export const BLOCK_ENTRIES = 1 << 20;

/** Keys are put in the order of this many upper bits, and ranges of them are made of whole such steps. */
export const RANGE_BITS = 16;

/**
 * Puts entries (high word, low word, document) in the order of the upper 16 bits of their keys; entries that agree in
 * these stay in their order. Two passes of counting.
 */
export function sortedByRange(entries: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const first = countingPass(entries, new Uint32Array(entries.length), 16);
  return countingPass(first, entries, 24);
}

function countingPass(
  from: Uint32Array<ArrayBuffer>,
  to: Uint32Array<ArrayBuffer>,
  shift: number,
): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(257);
  for (let i = 0; i < from.length; i += 3) {
    const place = (((from[i] ?? 0) >>> shift) & 255) + 1;
    next[place] = (next[place] ?? 0) + 3;
  }
  for (let i = 1; i <= 256; i++) next[i] = (next[i] ?? 0) + (next[i - 1] ?? 0);
  for (let i = 0; i < from.length; i += 3) {
    const digit = ((from[i] ?? 0) >>> shift) & 255;
    const at = next[digit] ?? 0;
    next[digit] = at + 3;
    to[at] = from[i] ?? 0;
    to[at + 1] = from[i + 1] ?? 0;
    to[at + 2] = from[i + 2] ?? 0;
  }
  return to;
}

/** The first entry in a sorted block whose upper bits are at least `range`; `highAt` reads the high word of an entry. */
export function lowerBound(entries: number, range: number, highAt: (entry: number) => number): number {
  let low = 0;
  let high = entries;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (highAt(middle) >>> (32 - RANGE_BITS) < range) low = middle + 1;
    else high = middle;
  }
  return low;
}
