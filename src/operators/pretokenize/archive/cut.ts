import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { ArchiveSettings } from './options.ts';

export const cutArchive: Cutter<ArchiveSettings> = (input, _settings, { maxSegmentBytes }) => [
  rawView(input, maxSegmentBytes),
];
