import { fileURLToPath } from 'node:url';
import type { Observable } from 'rxjs';
import { pull } from '../../src/flow/index.ts';
import type { Segment } from '../../src/records.ts';

/** The model that the repository's reference outputs belong to. */
export const model = fileURLToPath(new URL('../fixtures/blt-golden/models/w24-bf16', import.meta.url));

export function segmentOf(bytes: Uint8Array, id = 'a', part: Partial<Segment> = {}): Segment {
  return {
    document: {
      id,
      source: { split: '00000', uri: `${id}.txt`, position: { ordinal: 3 } },
      byteLength: bytes.length,
      meta: {},
    },
    index: 0,
    last: true,
    bytes,
    label: 'text',
    modality: 'text',
    mediaType: 'text/plain',
    origin: { start: 0, end: bytes.length },
    meta: {},
    ...part,
  };
}

export function flowOf(segments: readonly Segment[]): Observable<Segment> {
  return pull(() => segments.map((segment) => [segment]));
}
