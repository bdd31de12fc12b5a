/** Positions whose rows are kept: the reference's longest row. */
const KEPT_POSITIONS = 8192;

/**
 * Rows of the rotary position table (RoFormer, arXiv:2104.09864), rounded to float32 after every step as the reference
 * does: `freq = f32(1 / f32(theta ^ f32(2k / headDim)))`, `angle = f32(position * freq)`. Angles in double precision would
 * move entropies by more than 1e-3 nats.
 */
export class RopeTable {
  readonly #pairs: number;
  readonly #frequencies: Float32Array;
  readonly #cos: Float32Array;
  readonly #sin: Float32Array;
  #filled = 0;

  constructor(headDim: number, theta: number) {
    this.#pairs = headDim / 2;
    this.#frequencies = Float32Array.from({ length: this.#pairs }, (_, k) => {
      const power = Math.fround(theta ** Math.fround((2 * k) / headDim));
      return 1 / power;
    });
    this.#cos = new Float32Array(KEPT_POSITIONS * this.#pairs);
    this.#sin = new Float32Array(KEPT_POSITIONS * this.#pairs);
  }

  /** cos and sin, each f32[count, headDim / 2], of the positions from `start`. The arrays may be views of a shared table: do not write to them. */
  rows(start: number, count: number): { readonly cos: Float32Array; readonly sin: Float32Array } {
    const end = start + count;
    if (end > KEPT_POSITIONS) {
      const cos = new Float32Array(count * this.#pairs);
      const sin = new Float32Array(count * this.#pairs);
      this.#fill(cos, sin, start, end);
      return { cos, sin };
    }
    if (end > this.#filled) {
      const from = this.#filled * this.#pairs;
      this.#fill(this.#cos.subarray(from), this.#sin.subarray(from), this.#filled, end);
      this.#filled = end;
    }
    const range = [start * this.#pairs, end * this.#pairs] as const;
    return { cos: this.#cos.subarray(...range), sin: this.#sin.subarray(...range) };
  }

  /**
   * Turns rotated keys back by `positions`, in place: each array is f32[any, headDim]. Attention depends on the
   * distance of positions only, so queries counted from the new origin see the same keys.
   */
  turnBack(keys: Iterable<Float32Array>, positions: number): void {
    const { cos, sin } = this.turns(positions);
    for (const rows of keys) {
      for (let at = 0, pair = 0; at < rows.length; at += 2, pair = (pair + 1) % this.#pairs) {
        const even = rows[at] ?? 0;
        const odd = rows[at + 1] ?? 0;
        const c = cos[pair] ?? 1;
        const s = sin[pair] ?? 0;
        rows[at] = even * c + odd * s;
        rows[at + 1] = odd * c - even * s;
      }
    }
  }

  /** cos and sin, each f64[headDim / 2], of turning by `positions`. */
  turns(positions: number): { readonly cos: Float64Array; readonly sin: Float64Array } {
    const turns = Float64Array.from(this.#frequencies, (frequency) => positions * frequency);
    return { cos: turns.map(Math.cos), sin: turns.map(Math.sin) };
  }

  #fill(cos: Float32Array, sin: Float32Array, start: number, end: number): void {
    let at = 0;
    for (let position = start; position < end; position++) {
      for (const frequency of this.#frequencies) {
        const angle = Math.fround(position * frequency);
        cos[at] = Math.cos(angle);
        sin[at++] = Math.sin(angle);
      }
    }
  }
}
