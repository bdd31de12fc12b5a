import type { Banding } from './bands.ts';
import { finish, spread } from './shingle.ts';

const FACTOR = 0x9e3779b1;

/** Cuts components of signatures down to 16 bits: they agree where the whole ones do, and else in one case of 65,536. */
export function shortened(signatures: Uint32Array | Uint16Array, short: Uint16Array): void {
  for (let i = 0; i < short.length; i++) short[i] = Math.imul(signatures[i] ?? 0, FACTOR) >>> 16;
}

/** A signature as an index stores it: 16-bit words. One object serves one document after the other. */
export interface StoredSignature {
  readonly values: Uint16Array;
  /** A 32-bit hash of each band. */
  readonly hashes: Uint32Array;
  /** Takes a signature as it was made. */
  take(signature: Uint32Array | Uint16Array): void;
  /** Takes one that has been stored. */
  takeStored(values: Uint16Array): void;
  /** Whether the one whose words begin at `start` is the same in a band. */
  agrees(stored: Uint16Array, start: number, band: number): boolean;
  /** The share in which the one whose words begin at `start` is the same. */
  similarity(stored: Uint16Array, start: number): number;
}

/**
 * A MinHash signature cut down to 16 bits a component, which say as much about agreement but for one pair in 65,536, and
 * the hashes of its bands.
 */
export class ShortSignature implements StoredSignature {
  readonly banding: Banding;
  readonly values: Uint16Array;
  readonly hashes: Uint32Array;

  constructor(banding: Banding, components: number) {
    this.banding = banding;
    this.values = new Uint16Array(components);
    this.hashes = new Uint32Array(banding.bands);
  }

  take(signature: Uint32Array | Uint16Array): void {
    shortened(signature, this.values);
    this.#hashBands();
  }

  takeStored(values: Uint16Array): void {
    this.values.set(values);
    this.#hashBands();
  }

  agrees(stored: Uint16Array, start: number, band: number): boolean {
    const { values } = this;
    const { rows } = this.banding;
    for (let i = band * rows; i < (band + 1) * rows; i++) if (stored[start + i] !== values[i]) return false;
    return true;
  }

  similarity(stored: Uint16Array, start: number): number {
    const { values } = this;
    let equal = 0;
    for (let i = 0; i < values.length; i++) if (stored[start + i] === values[i]) equal++;
    return equal / values.length;
  }

  #hashBands(): void {
    const { values, hashes } = this;
    const { rows } = this.banding;
    for (let band = 0, row = 0; band < hashes.length; band++) {
      let hash = band;
      for (const last = row + rows; row < last; row++) hash = spread(hash ^ (values[row] ?? 0));
      hashes[band] = finish(hash);
    }
  }
}
