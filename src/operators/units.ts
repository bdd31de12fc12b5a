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
 * Gathers the segments of each document; a document is a unit by itself. A document that breaks off, since something has
 * taken its last segment out, is a unit of what is left. Holds one document: the segments of it are views of its bytes, or
 * as many bytes more where they are derived.
 */
export class UnitGatherer<T extends Document | Segment> {
  #open: T[] = [];

  /** The units that this value completes: its own, one that it shows to have broken off, or both. */
  add(value: T): Unit<T>[] {
    const latest = this.#open.at(-1);
    const broken = latest !== undefined && !follows(latest, value) ? this.flush() : [];
    this.#open.push(value);
    return 'last' in value && !value.last ? broken : [...broken, ...this.flush()];
  }

  /** What has been gathered of a document that does not go on. */
  flush(): Unit<T>[] {
    const values = this.#open;
    const [first] = values;
    if (first === undefined) return [];
    this.#open = [];
    const { id, source } = headOf(first);
    const parts = values.map(({ bytes }) => bytes);
    return [{ id, source, values, parts, bytes: parts.reduce((sum, part) => sum + part.length, 0) }];
  }
}

const headOf = (value: Document | Segment): Pick<Document, 'id' | 'source'> =>
  'document' in value ? value.document : value;

/** Whether a segment is of the same document as the one before it. */
function follows(before: Document | Segment, value: Document | Segment): boolean {
  if (!('index' in before && 'index' in value) || value.index < before.index) return false;
  if (before.document === value.document) return true;
  const [a, b] = [before.document, value.document];
  return a.id === b.id && a.source.uri === b.source.uri && a.source.position.ordinal === b.source.position.ordinal;
}

/** Values into units; see {@link UnitGatherer}. */
export function units<T extends Document | Segment>(): OperatorFunction<T, Unit<T>> {
  return transduce<T, Unit<T>>(() => {
    const gatherer = new UnitGatherer<T>();
    return {
      next: (value) => gatherer.add(value),
      flush: () => gatherer.flush(),
    };
  });
}

/** The bytes of a unit in one piece: without a copy where it has one part. */
export function bytesOf({ parts, bytes }: Unit<unknown>): Uint8Array {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts, bytes);
}
