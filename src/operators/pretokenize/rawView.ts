import type { CutInput } from './modality.ts';
import { plainTable } from './segmentTable.ts';
import type { View } from './view.ts';

/** Bytes that nothing takes apart, as they are. */
export function rawView({ bytes, modality, mediaType, confidence }: CutInput, maxSegmentBytes: number): View {
  const meta = confidence < 1 ? { confidence } : {};
  return { suffix: '', modality, mediaType, segments: plainTable(bytes.length, modality, maxSegmentBytes, meta) };
}
