import { Failure } from '../../../sources/failure.ts';
import { type Pdfium, withPdfium } from './pdfium.ts';

/** A page that is open. */
export interface OpenPage {
  readonly pdfium: Pdfium;
  readonly page: number;
  /** From 1. */
  readonly number: number;
  /** Points, as it is shown. */
  readonly width: number;
  readonly height: number;
  /** Degrees clockwise by which it is turned to be shown. */
  readonly rotation: 0 | 90 | 180 | 270;
}

/** What is known of a page beside its content; numbers alone. */
export const pageFacts = ({ number, width, height, rotation }: OpenPage): Readonly<Record<string, number>> => ({
  page: number,
  page_width: width,
  page_height: height,
  rotation,
});

/** A document that is open. */
export interface OpenDocument {
  readonly pageCount: number;
  /** The pages, one after the other, each open until the next is asked for. */
  pages(): Generator<OpenPage>;
}

/** `FPDF_ERR_PASSWORD` and `FPDF_ERR_SECURITY`. */
const ENCRYPTED: readonly number[] = [4, 5];
const ROTATIONS = [0, 90, 180, 270] as const;

/**
 * Opens a PDF file and works with it.
 * @throws Failure `DAMAGED_FILE`, `ENCRYPTED`, `TOO_MANY_PAGES`, and what `work` throws
 */
export async function withDocument<R>(
  bytes: Uint8Array,
  maxPages: number,
  work: (document: OpenDocument) => R,
): Promise<R> {
  try {
    return await withPdfium((pdfium) => worked(pdfium, bytes, maxPages, work));
  } catch (error) {
    if (error instanceof Failure) throw error;
    // PDFium has trapped or aborted, or its stack or its memory is full: of what it gets, only the file differs
    throw damaged(`PDFium stops at it (${String(error).split('\n', 1)[0]?.slice(0, 200)})`);
  }
}

const damaged = (why: string): Failure =>
  new Failure('DAMAGED_FILE', `the PDF file cannot be read: ${why}`, 'pretokenize({ pdf: false }) passes its bytes.');

function worked<R>(pdfium: Pdfium, bytes: Uint8Array, maxPages: number, work: (document: OpenDocument) => R): R {
  const { call } = pdfium;
  const copy = call.malloc(bytes.length);
  if (copy === 0) throw damaged('PDFium has no room for it');
  pdfium.memory().set(bytes, copy);
  const document = call.FPDF_LoadMemDocument(copy, bytes.length, 0);
  try {
    if (document === 0) throw whyNot(call.FPDF_GetLastError());
    const pageCount = call.FPDF_GetPageCount(document);
    if (pageCount === 0) throw damaged('it has no pages');
    if (pageCount > maxPages) {
      throw new Failure(
        'TOO_MANY_PAGES',
        `the PDF file has ${pageCount} pages, and ${maxPages} are allowed`,
        'Raise it with pretokenize({ pdf: { maxPages } }), and limits.seconds if need be; or take it as pdf: { mode: "raw" }.',
      );
    }
    return work({ pageCount, pages: () => pagesOf(pdfium, document, pageCount) });
  } finally {
    if (document !== 0) call.FPDF_CloseDocument(document);
    call.free(copy);
  }
}

function whyNot(code: number): Failure {
  if (!ENCRYPTED.includes(code)) return damaged('its structure is damaged');
  return new Failure(
    'ENCRYPTED',
    'the PDF file is encrypted, and opens with a password alone',
    'Decrypt it first, for example with `qpdf --decrypt --password=... in.pdf out.pdf`.',
  );
}

function* pagesOf(pdfium: Pdfium, document: number, pageCount: number): Generator<OpenPage> {
  const { call } = pdfium;
  for (let index = 0; index < pageCount; index++) {
    const page = call.FPDF_LoadPage(document, index);
    if (page === 0) throw damaged(`page ${index + 1} of ${pageCount} cannot be loaded`);
    try {
      yield {
        pdfium,
        page,
        number: index + 1,
        width: call.FPDF_GetPageWidthF(page),
        height: call.FPDF_GetPageHeightF(page),
        rotation: ROTATIONS[call.FPDFPage_GetRotation(page)] ?? 0,
      };
    } finally {
      call.FPDF_ClosePage(page);
    }
  }
}
