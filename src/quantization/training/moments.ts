import { float64From, littleEndianBytes } from '../../formats/littleEndian.ts';

/** Placeholder of the lead until helper B's version lands: replace at will. */
export class Moments {
  readonly columns: number;
  count = 0;
  mean: Float64Array;
  #sums: Float64Array;

  constructor(columns: number) {
    this.columns = columns;
    this.mean = new Float64Array(columns);
    this.#sums = new Float64Array(columns * columns);
  }

  get covariance(): Float64Array {
    return this.#sums.map((sum) => sum / Math.max(1, this.count));
  }

  add(rows: Float32Array): void {
    const { columns } = this;
    for (let at = 0; at < rows.length; at += columns) {
      this.count++;
      const before = Float64Array.from({ length: columns }, (_, i) => (rows[at + i] ?? 0) - (this.mean[i] ?? 0));
      for (let i = 0; i < columns; i++) this.mean[i] = (this.mean[i] ?? 0) + (before[i] ?? 0) / this.count;
      for (let i = 0; i < columns; i++) {
        const after = (rows[at + i] ?? 0) - (this.mean[i] ?? 0);
        for (let j = 0; j < columns; j++) {
          this.#sums[i * columns + j] = (this.#sums[i * columns + j] ?? 0) + after * (before[j] ?? 0);
        }
      }
    }
  }

  merge(other: Moments): void {
    const total = this.count + other.count;
    if (total === 0) return;
    const { columns } = this;
    const apart = other.mean.map((mean, i) => mean - (this.mean[i] ?? 0));
    const weight = (this.count * other.count) / total;
    const sums = other.#sums;
    for (let i = 0; i < columns * columns; i++) {
      const product = (apart[Math.floor(i / columns)] ?? 0) * (apart[i % columns] ?? 0);
      this.#sums[i] = (this.#sums[i] ?? 0) + (sums[i] ?? 0) + product * weight;
    }
    for (let i = 0; i < columns; i++) this.mean[i] = (this.mean[i] ?? 0) + ((apart[i] ?? 0) * other.count) / total;
    this.count = total;
  }

  get bytes(): Uint8Array {
    return littleEndianBytes(Float64Array.of(this.columns, this.count, ...this.mean, ...this.#sums));
  }

  static from(bytes: Uint8Array): Moments {
    const [columns = 0, count = 0, ...rest] = float64From(bytes);
    const moments = new Moments(columns);
    moments.count = count;
    moments.mean = Float64Array.from(rest.slice(0, columns));
    moments.#sums = Float64Array.from(rest.slice(columns));
    return moments;
  }
}
