import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { AudioSettings } from './options.ts';

export const cutAudio: Cutter<AudioSettings> = (input, _settings, { maxSegmentBytes }) => [
  rawView(input, maxSegmentBytes),
];
