import { createHash } from 'node:crypto';
import { Failure } from '../../../sources/failure.ts';
import type { CutContext, CutInput, Cutter } from '../modality.ts';
import { plainTable, SegmentTableBuilder } from '../segmentTable.ts';
import type { View } from '../view.ts';
import type { PdfSettings } from './options.ts';
import { pageImages, type Rendering } from './pageImages.ts';
import { pageText } from './pageText.ts';
import { type OpenDocument, pageFacts, withDocument } from './pdfDocument.ts';
import { pdfiumName } from './pdfium.ts';

/** What a view adds to the facts of its document: the same in all views of a file, in every run. */
type FileFacts = Pick<View, 'suffix' | 'record' | 'meta'>;

/**
 * A PDF file as its bytes, the text of its pages, or pictures of them (docs/modalities/pdf.md). Nothing is followed:
 * links, attachments, scripts.
 * @throws Failure `DAMAGED_FILE`, `ENCRYPTED`, `EMPTY_DOCUMENT`, `TOO_MANY_PAGES`, `DECODED_TOO_LARGE`
 */
export const cutPdf: Cutter<PdfSettings> = async (input, settings, context) => {
  const { mode, maxPages } = settings;
  const how = { settings, budget: context.budget, maxSegmentBytes: context.maxSegmentBytes };
  const source_id = createHash('sha256').update(input.bytes).digest('hex');
  if (mode === 'raw') return [rawView(input, context, { suffix: '', meta: { source_id } })];
  const facts = (suffix: string, { pageCount }: OpenDocument): FileFacts => ({
    suffix,
    ...(mode === 'multiview' ? { record: '' } : {}),
    meta: { source_id, page_count: pageCount },
  });
  return withDocument(input.bytes, maxPages, (document) => {
    if (mode === 'text') {
      const view = textView(input, document, context, facts('', document));
      if (view === undefined) throw noText(document);
      return [view];
    }
    if (mode === 'image') return [imageView(input, document, how, facts('', document))];
    const text = textView(input, document, context, facts('#text', document));
    return [
      rawView(input, context, facts('', document)),
      ...(text === undefined ? [] : [text]),
      imageView(input, document, how, facts('#images', document)),
    ];
  });
};

const noText = ({ pageCount }: OpenDocument): Failure =>
  new Failure(
    'EMPTY_DOCUMENT',
    `the PDF file has no text on its ${pageCount === 1 ? 'page' : `${pageCount} pages`}`,
    'It may be scanned: pretokenize({ pdf: { mode: "image" } }) takes pictures of its pages.',
  );

function rawView({ bytes, mediaType }: CutInput, { maxSegmentBytes }: CutContext, facts: FileFacts): View {
  const segments = plainTable(bytes.length, 'pdf_raw', maxSegmentBytes, { view: 'raw', source_type: 'raw' });
  return { ...facts, modality: 'pdf', mediaType, segments };
}

/** A segment for each page that has text; undefined where none has. */
function textView(
  input: CutInput,
  document: OpenDocument,
  { budget, maxSegmentBytes }: Pick<CutContext, 'budget' | 'maxSegmentBytes'>,
  facts: FileFacts,
): View | undefined {
  const builder = new SegmentTableBuilder();
  const parts: Buffer[] = [];
  for (const page of document.pages()) {
    const bytes = Buffer.from(pageText(page));
    budget.take(bytes.length, `the text of page ${page.number}`);
    parts.push(bytes);
    for (const length of lengths(bytes, maxSegmentBytes)) {
      builder.add({ length, label: `pdf_page_${page.number}_text`, meta: pageFacts(page) });
    }
  }
  if (builder.count === 0) return undefined;
  return {
    ...facts,
    modality: 'text',
    mediaType: input.mediaType,
    derived: `pdf -> utf-8 (${pdfiumName()})`,
    bytes: Buffer.concat(parts),
    segments: builder.table({ view: 'text', source_type: 'extracted_text', charset: 'utf-8' }),
  };
}

const LINE_FEED = 0x0a;

/** Lengths of the segments that text is cut into: one, or as few as can be, behind a line end or else a character. */
function* lengths(text: Uint8Array, most: number): Generator<number> {
  let start = 0;
  while (text.length - start > most) {
    let end = text.lastIndexOf(LINE_FEED, start + most - 1) + 1;
    if (end <= start) {
      end = start + most;
      // bytes that begin with the bits 10 go on with a character
      while (((text[end] ?? 0) & 0xc0) === 0x80) end--;
    }
    yield end - start;
    start = end;
  }
  yield text.length - start;
}

function imageView(input: CutInput, document: OpenDocument, how: Rendering, facts: FileFacts): View {
  return {
    ...facts,
    modality: 'image',
    mediaType: input.mediaType,
    derived: `pdf -> rgb8 (${pdfiumName()})`,
    ...pageImages(document, how),
  };
}
