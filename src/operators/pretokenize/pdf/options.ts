import { PipelineError } from '../../../errors.ts';
import { type ImageOptions, type ImageSettings, settledImage } from '../image/options.ts';

/** How pictures of pages are cut: as pictures are, by {@link ImageOptions}. */
type PagePatchOptions = Pick<
  ImageOptions,
  'patchSize' | 'stride' | 'order' | 'edges' | 'unit' | 'merge' | 'localEntropy'
>;

/** How PDF files are taken apart. */
export interface PdfOptions {
  /**
   * `raw`: the bytes of the file. `text`: the text of each page, in layout order. `image`: a picture of each page.
   * `multiview`: all three, as documents of their own that are linked. Default: `text`.
   */
  readonly mode?: 'raw' | 'text' | 'image' | 'multiview' | undefined;
  /** Pixels that a picture of a page is wide, 1 to 16,384; its height follows. Default: 1024. */
  readonly width?: number | undefined;
  /** How pictures of pages are cut into patches; `false` leaves each in one piece, row by row. Default: as pictures are. */
  readonly patches?: PagePatchOptions | false | undefined;
  /** Pages of a file at most, up to 65,535; one with more is rejected as `TOO_MANY_PAGES`. Default: 5000. */
  readonly maxPages?: number | undefined;
}

export const PDF_OPTIONS = {
  mode: true,
  width: true,
  patches: { patchSize: true, stride: true, order: true, edges: true, unit: true, merge: true, localEntropy: true },
  maxPages: true,
} as const;

/** {@link PdfOptions} with nothing left out; plain values, which cross to decoder processes. */
export interface PdfSettings {
  readonly mode: 'raw' | 'text' | 'image' | 'multiview';
  readonly width: number;
  readonly patches: ImageSettings | false;
  readonly maxPages: number;
}

const MODES: readonly string[] = ['raw', 'text', 'image', 'multiview'];
const MAX_WIDTH = 16_384;
/** Each page has labels of its own, which are numbered in 16 bits. */
const MAX_PAGES = 65_535;

/** @throws PipelineError `BAD_OPTION` */
export function settledPdf(options: PdfOptions = {}): PdfSettings {
  const { mode = 'text', width = 1024, patches = {}, maxPages = 5000 } = options;
  if (!MODES.includes(mode)) {
    throw new PipelineError(`pdf.mode is '${mode}'`, { code: 'BAD_OPTION', hint: `One of ${MODES.join(', ')}.` });
  }
  requireWhole('width', width, MAX_WIDTH);
  requireWhole('maxPages', maxPages, MAX_PAGES);
  return { mode, width, patches: patches === false ? false : settledImage(patches), maxPages };
}

function requireWhole(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
  throw new PipelineError(`pdf.${name} is ${value}; it must be a whole number from 1 to ${most}`, {
    code: 'BAD_OPTION',
  });
}
