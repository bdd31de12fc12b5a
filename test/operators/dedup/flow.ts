import { lastValueFrom, toArray } from 'rxjs';
import { pull } from '../../../src/flow/index.ts';
import { type DedupOptions, type Duplicate, dedup } from '../../../src/operators/dedup.ts';
import type { Document, Segment } from '../../../src/records.ts';

export function documentOf(content: string | Uint8Array, ordinal: number, id = `d${ordinal}`): Document {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { id, source: { split: '00000', uri: 'texts', position: { ordinal } }, bytes, meta: {} };
}

export const documentsOf = (contents: readonly (string | Uint8Array)[]): Document[] =>
  contents.map((content, i) => documentOf(content, i));

/** What the operator hands on, and what it drops. */
export async function deduplicated<T extends Document | Segment>(
  values: readonly T[],
  options: DedupOptions = {},
): Promise<{ readonly kept: T[]; readonly duplicates: Duplicate[] }> {
  const duplicates: Duplicate[] = [];
  const onDuplicate = (duplicate: Duplicate): void => {
    duplicates.push(duplicate);
  };
  const flow = pull(() => values.map((value) => [value])).pipe(dedup<T>({ ...options, onDuplicate }), toArray());
  return { kept: await lastValueFrom(flow), duplicates };
}
