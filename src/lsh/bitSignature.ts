import { PipelineError } from '../errors.ts';
import type { Banding } from './bands.ts';
import { finish, spread } from './shingle.ts';
import type { StoredSignature } from './shortSignature.ts';

/** Bits of one word. */
export const WORD_BITS = 16;
const MOST_BITS = 16_384;

/** Throws PipelineError `BAD_COMPONENTS`. */
export function requireBits(bits: number): void {
  if (Number.isInteger(bits / WORD_BITS) && bits >= WORD_BITS && bits <= MOST_BITS) return;
  throw new PipelineError(`${bits} bits make no signature`, {
    code: 'BAD_COMPONENTS',
    hint: `a multiple of ${WORD_BITS}, up to ${MOST_BITS}`,
  });
}

/**
 * A signature whose components are single bits, packed into words with the first bit lowest: a row of a band is a bit,
 * and bands may begin and end within words. Stored as it is.
 */
export class BitSignature implements StoredSignature {
  readonly banding: Banding;
  readonly values: Uint16Array;
  readonly hashes: Uint32Array;

  /** `bits` is a multiple of 16. */
  constructor(banding: Banding, bits: number) {
    this.banding = banding;
    this.values = new Uint16Array(bits / WORD_BITS);
    this.hashes = new Uint32Array(banding.bands);
  }

  take(signature: Uint32Array | Uint16Array): void {
    this.values.set(signature);
    this.#hashBands();
  }

  takeStored(values: Uint16Array): void {
    this.take(values);
  }

  agrees(stored: Uint16Array, start: number, band: number): boolean {
    const { values } = this;
    const { rows } = this.banding;
    const first = band * rows;
    for (let word = first >>> 4; word * WORD_BITS < first + rows; word++) {
      const differing = (stored[start + word] ?? 0) ^ (values[word] ?? 0);
      if ((differing & maskOf(word, first, first + rows)) !== 0) return false;
    }
    return true;
  }

  similarity(stored: Uint16Array, start: number): number {
    const { values } = this;
    let differing = 0;
    for (let i = 0; i < values.length; i++) differing += ones((stored[start + i] ?? 0) ^ (values[i] ?? 0));
    return 1 - differing / (values.length * WORD_BITS);
  }

  #hashBands(): void {
    const { values, hashes } = this;
    const { rows } = this.banding;
    for (let band = 0; band < hashes.length; band++) {
      const first = band * rows;
      let hash = band;
      for (let word = first >>> 4; word * WORD_BITS < first + rows; word++) {
        hash = spread(hash ^ ((values[word] ?? 0) & maskOf(word, first, first + rows)));
      }
      hashes[band] = finish(hash);
    }
  }
}

/** The bits of a word that lie in a range of bits. */
function maskOf(word: number, first: number, end: number): number {
  const start = word * WORD_BITS;
  return (0xffff << Math.max(0, first - start)) & (0xffff >>> Math.max(0, start + WORD_BITS - end));
}

/** How many bits of a 16-bit number are set. */
export function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x5555);
  x = (x & 0x3333) + ((x >>> 2) & 0x3333);
  x = (x + (x >>> 4)) & 0x0f0f;
  return (x + (x >>> 8)) & 0x1f;
}
