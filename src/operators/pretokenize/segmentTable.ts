import type { Meta } from '../../records.ts';
import type { SegmentTable } from './view.ts';

/** One segment as it is added to a table. */
export interface SegmentRow {
  /** Bytes that it has. */
  readonly length: number;
  readonly label: string;
  /** Range that a derived segment stands for. */
  readonly origin?: readonly [start: number, end: number] | undefined;
  readonly meta?: Meta | undefined;
}

/** Collects segments one by one. Those of no bytes are left out. For many thousands alike, fill the columns instead. */
export class SegmentTableBuilder {
  readonly #ends: number[] = [];
  readonly #origins: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #labelOf: number[] = [];
  readonly #metas: (Meta | undefined)[] = [];

  add({ length, label, origin, meta }: SegmentRow): void {
    if (length === 0) return;
    this.#ends.push(this.length + length);
    if (origin !== undefined) this.#origins.push(...origin);
    let number = this.#labels.get(label);
    if (number === undefined) {
      number = this.#labels.size;
      this.#labels.set(label, number);
    }
    this.#labelOf.push(number);
    this.#metas.push(meta);
  }

  /** Bytes of all segments so far. */
  get length(): number {
    return this.#ends.at(-1) ?? 0;
  }

  get count(): number {
    return this.#ends.length;
  }

  /** @param meta what all segments have in common */
  table(meta: Meta = {}): SegmentTable {
    return {
      ends: Float64Array.from(this.#ends),
      ...(this.#origins.length === 2 * this.count && this.count > 0
        ? { origins: Float64Array.from(this.#origins) }
        : {}),
      labels: [...this.#labels.keys()],
      labelOf: Uint16Array.from(this.#labelOf),
      meta,
      metas: this.#metas,
    };
  }
}

/** A table of bytes that are one thing, cut only where they are too many. */
export function plainTable(bytes: number, label: string, maxSegmentBytes: number, meta: Meta = {}): SegmentTable {
  const builder = new SegmentTableBuilder();
  for (let at = 0; at < bytes; at += maxSegmentBytes) {
    builder.add({ length: Math.min(maxSegmentBytes, bytes - at), label });
  }
  return builder.table(meta);
}
