/** How PDF files are taken apart. */
export type PdfOptions = {};

export const PDF_OPTIONS = {} as const;

/** {@link PdfOptions} with nothing left out; plain values, which cross to decoder processes. */
export type PdfSettings = { readonly [K in keyof PdfOptions]-?: PdfOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledPdf(_options: PdfOptions = {}): PdfSettings {
  return {};
}
