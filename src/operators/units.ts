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
export function units<T extends Document | Segment>(): OperatorFunction<T, Unit<T>> {
  return transduce<T, Unit<T>>(() => {
    let open: T[] = [];
    return {
      next(value) {
        open.push(value);
        if ('last' in value && !value.last) return undefined;
        const values = open;
        open = [];
        return [unitOf(value, values)];
      },
    };
  });
}

function unitOf<T extends Document | Segment>(last: T, values: readonly T[]): Unit<T> {
  const { id, source } = 'document' in last ? last.document : last;
  const parts = values.map((value) => value.bytes);
  return { id, source, values, parts, bytes: parts.reduce((sum, part) => sum + part.length, 0) };
}
