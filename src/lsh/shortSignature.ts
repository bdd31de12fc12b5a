import type { Banding } from './bands.ts';
import { finish, spread } from './shingle.ts';

const FACTOR = 0x9e3779b1;

/**
 * A signature cut down to 16 bits a component, which say as much about agreement but for one pair in 65,536, and a 32-bit
 * hash of each of its bands. One object serves one document after the other.
 */
export class ShortSignature {
  readonly banding: Banding;
  readonly values: Uint16Array;
  readonly hashes: Uint32Array;

  constructor(banding: Banding, components: number) {
    this.banding = banding;
    this.values = new Uint16Array(components);
    this.hashes = new Uint32Array(banding.bands);
  }

  /** Cuts a signature down. */
  take(signature: Uint32Array): void {
    const { values } = this;
    for (let i = 0; i < values.length; i++) values[i] = Math.imul(signature[i] ?? 0, FACTOR) >>> 16;
    this.#hashBands();
  }

  /** Takes one that has been cut down. */
  takeShort(values: Uint16Array): void {
    this.values.set(values);
    this.#hashBands();
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
