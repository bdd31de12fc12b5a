import { PipelineError } from '../errors.ts';
import type { OptionNames } from '../knownOptions.ts';

/** What documents are compared by: all runs of `length` bytes, or of `length` words. */
export interface Shingle {
  /** Words are runs of bytes other than white space (tab, line feed, vertical tab, form feed, carriage return, space). */
  readonly of: 'bytes' | 'words';
  /** 1 to 64. */
  readonly length: number;
}

export const SHINGLE_OPTIONS = { of: true, length: true } as const satisfies OptionNames<Shingle>;

/** Five bytes: for a window of documents. A corpus needs longer ones, or verification: unrelated texts share many of these. */
export const DEFAULT_SHINGLE: Shingle = { of: 'bytes', length: 5 };

const LONGEST = 64;
const FACTOR_1 = 0x9e3779b1;
const FACTOR_2 = 0x21f0aaad;
const FACTOR_3 = 0xd35a2d97;
/**
 * Decides which shingles make up signatures, and so is part of their format. Where some frequent shingle is the least of
 * its bin, unlike documents agree there: this seed has half as many such pairs as are to be expected, and few alike ones
 * escape it, among 48 tried on English text (tools/wasm/vetSeeds.ts).
 */
const SEED = 0x5384540f;

/** Throws PipelineError `BAD_SHINGLE` for what is no shingle. */
export function requireShingle(shingle: Shingle): void {
  const { of, length } = shingle;
  if ((of === 'bytes' || of === 'words') && Number.isInteger(length) && length >= 1 && length <= LONGEST) return;
  throw new PipelineError(`${length} ${of} make no shingle`, {
    code: 'BAD_SHINGLE',
    hint: `a shingle has 1 to ${LONGEST} bytes or words`,
  });
}

/**
 * The 32-bit hash of two 32-bit numbers that signatures are made of: every bit of the result depends on every bit of
 * both, and for a fixed `a` no two `b` have the same.
 */
export function mix(a: number, b: number): number {
  return finish(spread(a) + b + SEED);
}

/** The first step of {@link mix}: lower bits reach upper ones and come back. One to one. */
export function spread(number: number): number {
  const x = Math.imul(number, FACTOR_1);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The other steps of {@link mix}. One to one. */
export function finish(number: number): number {
  let x = Math.imul(number, FACTOR_2);
  x = Math.imul(x ^ (x >>> 15), FACTOR_3);
  return (x ^ (x >>> 15)) >>> 0;
}

/**
 * The hash of every shingle of a document, in order, repeated ones too; empty where the document is shorter than one.
 *
 * Up to eight bytes are hashed as two little-endian 32-bit words, the first four bytes and the others. Longer shingles join hashes of parts: of two halves of 8, of 16, of 32 bytes, and at last of two parts that
 * overlap. Words are hashed by FNV-1a and joined in the same way.
 */
export function shingleHashes(bytes: Uint8Array, shingle: Shingle): Uint32Array {
  requireShingle(shingle);
  const { of, length } = shingle;
  if (of === 'words') return joined(wordHashes(bytes), 1, length);
  const unit = Math.min(length, 8);
  const places = Math.max(0, bytes.length - unit + 1);
  const hashes = Uint32Array.from({ length: places }, (_, at) => unitHash(bytes, at, unit));
  return joined(hashes, unit, length);
}

function unitHash(bytes: Uint8Array, at: number, unit: number): number {
  const middle = at + Math.min(unit, 4);
  return mix(littleEndian(bytes, at, middle), littleEndian(bytes, middle, at + unit));
}

function littleEndian(bytes: Uint8Array, start: number, end: number): number {
  let word = 0;
  for (let at = end - 1; at >= start; at--) word = (word << 8) | (bytes[at] ?? 0);
  return word;
}

/** From hashes of `from` units at every place to hashes of `length` units. */
function joined(hashes: Uint32Array, from: number, length: number): Uint32Array {
  let whole = hashes;
  for (let size = from; size < length; ) {
    const step = Math.min(size, length - size);
    const parts = whole;
    const places = Math.max(0, parts.length - step);
    whole = Uint32Array.from({ length: places }, (_, at) => mix(parts[at] ?? 0, parts[at + step] ?? 0));
    size += step;
  }
  return whole;
}

function wordHashes(bytes: Uint8Array): Uint32Array {
  const hashes: number[] = [];
  for (const { start, end } of words(bytes)) {
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
    hashes.push(mix(hash, hash));
  }
  return Uint32Array.from(hashes);
}

/** Where the words of a document lie. */
export function* words(bytes: Uint8Array): Generator<{ readonly start: number; readonly end: number }> {
  let start = 0;
  for (let at = 0; at <= bytes.length; at++) {
    const byte = bytes[at] ?? 0x20;
    if (byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) continue;
    if (at > start) yield { start, end: at };
    start = at + 1;
  }
}
