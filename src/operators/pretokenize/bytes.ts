import type { Document, Meta, Modality, Segment } from '../../records.ts';
import { headOf } from './text.ts';

/** A document that nothing takes apart: its bytes as they are, cut where they are too many. */
export function* byteSegments<M extends Meta>(
  document: Document<M>,
  modality: Modality,
  mediaType: string,
  maxSegmentBytes: number,
): Generator<Segment<M>> {
  const { bytes } = document;
  const head = headOf(document);
  for (let start = 0, index = 0; start < bytes.length; start += maxSegmentBytes, index++) {
    const end = Math.min(bytes.length, start + maxSegmentBytes);
    yield {
      document: head,
      index,
      last: end === bytes.length,
      bytes: bytes.subarray(start, end),
      label: modality,
      modality,
      mediaType,
      origin: { start, end },
      meta: {},
    };
  }
}
