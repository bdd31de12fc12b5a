import type { OperatorFunction } from 'rxjs';
import { transduce } from '../flow/index.ts';
import type { Document, Segment, SourceRef } from '../records.ts';

/** What is kept, dropped or moved as a whole: a document, or all segments of one. */
export interface Unit<T> {
  readonly id: string;
  readonly source: SourceRef;
  readonly values: readonly T[];
  /** The bytes of its values. */
  readonly parts: readonly Uint8Array[];
  /** How many bytes these are. */
  readonly bytes: number;
}

/**
 * Gathers the segments of each document; a document is a unit by itself. Holds one document: the segments of it are views
 * of its bytes, or as many bytes more where they are derived.
 */
export class UnitGatherer<T extends Document | Segment> {
  #open: T[] = [];

  /** The unit that this value completes. */
  add(value: T): Unit<T> | undefined {
    this.#open.push(value);
    if ('last' in value && !value.last) return undefined;
    const values = this.#open;
    this.#open = [];
    const { id, source } = 'document' in value ? value.document : value;
    const parts = values.map(({ bytes }) => bytes);
    return { id, source, values, parts, bytes: parts.reduce((sum, part) => sum + part.length, 0) };
  }
}

/** Values into units; see {@link UnitGatherer}. */
export function units<T extends Document | Segment>(): OperatorFunction<T, Unit<T>> {
  return transduce<T, Unit<T>>(() => {
    const gatherer = new UnitGatherer<T>();
    return {
      next(value) {
        const unit = gatherer.add(value);
        return unit && [unit];
      },
    };
  });
}

/** The bytes of a unit in one piece: without a copy where it has one part. */
export function bytesOf({ parts, bytes }: Unit<unknown>): Uint8Array {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts, bytes);
}
