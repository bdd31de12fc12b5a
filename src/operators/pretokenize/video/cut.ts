import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { VideoSettings } from './options.ts';

export const cutVideo: Cutter<VideoSettings> = (input, _settings, { maxSegmentBytes }) => [
  rawView(input, maxSegmentBytes),
];
