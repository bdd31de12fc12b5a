import type { Cutter } from '../modality.ts';
import { rawView } from '../rawView.ts';
import type { PdfSettings } from './options.ts';

export const cutPdf: Cutter<PdfSettings> = (input, _settings, { maxSegmentBytes }) => [rawView(input, maxSegmentBytes)];
