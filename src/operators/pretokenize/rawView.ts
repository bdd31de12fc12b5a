import type { CutInput } from './modality.ts';
import { plainTable } from './segmentTable.ts';
import type { View } from './view.ts';

/** Bytes that nothing takes apart, as they are. */
export function rawView({ bytes, modality, mediaType }: CutInput, maxSegmentBytes: number): View {
  return { suffix: '', modality, mediaType, segments: plainTable(bytes.length, modality, maxSegmentBytes) };
}
