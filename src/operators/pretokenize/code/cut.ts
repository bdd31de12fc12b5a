import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { CodeSettings } from './options.ts';

export const cutCode: Cutter<CodeSettings> = (input, _settings, { maxSegmentBytes }) => [
  rawView(input, maxSegmentBytes),
];
