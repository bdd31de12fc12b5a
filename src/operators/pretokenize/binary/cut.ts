import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { BinarySettings } from './options.ts';

export const cutBinary: Cutter<BinarySettings> = (input, _settings, { maxSegmentBytes }) => [
  rawView(input, maxSegmentBytes),
];
