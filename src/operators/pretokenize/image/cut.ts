import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { ImageSettings } from './options.ts';

export const cutImage: Cutter<ImageSettings> = (input, _settings, { maxSegmentBytes }) => [
  rawView(input, maxSegmentBytes),
];
