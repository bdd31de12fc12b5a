import { lowerBound } from './lowerBound.ts';

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

/**
 * Where a range begins in a sorted block. Keys are spread evenly, so that it is known beforehand but for some thousand entries,
 * which are read at once; where many documents are equal they may not be, and it is looked for.
 *
 * @param read the entries [first, end) of the block
 */
export function rangeStart(entries: number, range: number, read: (first: number, end: number) => Uint32Array): number {
  const guess = Math.floor((entries * range) / 2 ** RANGE_BITS);
  const around = 64 + 2 * Math.ceil(Math.sqrt(entries));
  const first = Math.max(0, guess - around);
  const end = Math.min(entries, guess + around);
  const near = read(first, end);
  const place = first + lowerBound(end - first, range, (entry) => rangeOf(near[3 * entry]));
  const isWithin = (place > first || first === 0) && (place < end || end === entries);
  return isWithin ? place : lowerBound(entries, range, (entry) => rangeOf(read(entry, entry + 1)[0]));
}

const rangeOf = (high = 0): number => high >>> (32 - RANGE_BITS);
