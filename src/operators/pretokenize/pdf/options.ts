import { PipelineError } from '../../../errors.ts';

/** How PDF files are taken apart. */
export interface PdfOptions {
  /**
   * `raw`: the bytes of the file. `text`: the text of each page, in layout order. `image`: a picture of each page.
   * `multiview`: all three, as documents of their own that are linked. Default: `text`.
   */
  readonly mode?: 'raw' | 'text' | 'image' | 'multiview' | undefined;
  /** Pixels that a picture of a page is wide, 1 to 16,384; its height follows. Default: 1024. */
  readonly width?: number | undefined;
  /** Pages of a file at most; one with more is rejected as `TOO_MANY_PAGES`. Default: 5000. */
  readonly maxPages?: number | undefined;
}

export const PDF_OPTIONS = { mode: true, width: true, maxPages: true } as const;

/** {@link PdfOptions} with nothing left out; plain values, which cross to decoder processes. */
export type PdfSettings = { readonly [K in keyof PdfOptions]-?: NonNullable<PdfOptions[K]> };

const MODES: readonly string[] = ['raw', 'text', 'image', 'multiview'];
const MAX_WIDTH = 16_384;

/** @throws PipelineError `BAD_OPTION` */
export function settledPdf(options: PdfOptions = {}): PdfSettings {
  const { mode = 'text', width = 1024, maxPages = 5000 } = options;
  if (!MODES.includes(mode)) {
    throw new PipelineError(`pdf.mode is '${mode}'`, { code: 'BAD_OPTION', hint: `One of ${MODES.join(', ')}.` });
  }
  requireWhole('width', width, MAX_WIDTH);
  requireWhole('maxPages', maxPages, Number.MAX_SAFE_INTEGER);
  return { mode, width, maxPages };
}

function requireWhole(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
  throw new PipelineError(`pdf.${name} is ${value}; it must be a whole number from 1 to ${most}`, {
    code: 'BAD_OPTION',
  });
}
