import { Failure } from '../../../../sources/failure.ts';
import type { CutContext, CutInput } from '../../modality.ts';
import { SegmentTableBuilder } from '../../segmentTable.ts';
import { withVersion } from '../../text/markup/versions.ts';
import { type Cut, isRefused, type View } from '../../view.ts';
import { asViewOfOne, memberCuts } from '../memberCuts.ts';
import type { ArchiveSettings } from '../options.ts';
import type { DocumentPart, NewText } from './documentPart.ts';
import { bookText } from './epub.ts';
import type { DocumentKind } from './kinds.ts';
import { sheetText, slideText, wordText } from './office.ts';
import { openDocumentText } from './openDocument.ts';
import { Parts } from './parts.ts';
import { TextOut } from './textOut.ts';

/**
 * A document as text; with its parts beside it where both are asked for.
 * @throws Failure `DAMAGED_FILE`, `ENCRYPTED`, `EXPANSION_LIMIT`, `DECODED_TOO_LARGE`, `EMPTY_DOCUMENT`
 */
export async function documentCuts(
  input: CutInput,
  kind: DocumentKind,
  settings: ArchiveSettings,
  context: CutContext,
): Promise<readonly Cut[]> {
  if (settings.documents === 'text') return [await textOf(input, kind, settings, context)];
  const text = await textOf(input, kind, settings, context).catch((error: unknown): Cut => {
    if (!(error instanceof Failure)) throw error;
    const { code, message, hint } = error;
    return { suffix: '', code, message, hint };
  });
  const members = await memberCuts(input, settings, context);
  // Nothing to read is no fault of a document of which the parts are there.
  return [...(isRefused(text) && text.code === 'EMPTY_DOCUMENT' ? [] : [text]), ...members.map(asViewOfOne)];
}

async function textOf(
  input: CutInput,
  kind: DocumentKind,
  { maxExpansion, documents }: ArchiveSettings,
  context: CutContext,
): Promise<View> {
  // what a process is sent lies in memory of its own
  const parts = await Parts.open(input.bytes as Uint8Array<ArrayBuffer>, maxExpansion, context);
  const builder = new SegmentTableBuilder();
  const pieces: Uint8Array[] = [];
  let before: DocumentPart | undefined;
  const add = ({ label, meta, bytes }: DocumentPart, end: string): void => {
    for (const piece of cutText(Buffer.concat([bytes, Buffer.from(end)]), context.maxSegmentBytes)) {
      builder.add({ length: piece.length, label, meta });
      pieces.push(piece);
    }
  };
  for await (const part of documentText(kind, parts, () => new TextOut(context.budget))) {
    if (part.bytes.length === 0) continue;
    if (before !== undefined) add(before, '\n\n');
    before = part;
  }
  if (before !== undefined) add(before, '\n');
  if (builder.count === 0) throw new Failure('EMPTY_DOCUMENT', 'there is no text in the document');
  const reader = withVersion(kind === 'epub' ? 'parse5' : 'saxes');
  return {
    suffix: '',
    ...(documents === 'multiview' ? { record: '' } : {}),
    modality: 'text',
    mediaType: kind === 'xlsx' || kind === 'ods' ? 'text/tab-separated-values' : 'text/plain',
    derived: `${kind} -> text (${reader})`,
    bytes: Buffer.concat(pieces),
    segments: builder.table({ charset: 'utf-8' }),
  };
}

async function* documentText(kind: DocumentKind, parts: Parts, newText: NewText): AsyncGenerator<DocumentPart> {
  if (kind === 'docx') yield* wordText(parts, newText);
  else if (kind === 'pptx') yield* slideText(parts, newText);
  else if (kind === 'xlsx') yield* sheetText(parts, newText);
  else if (kind === 'epub') yield* bookText(parts, newText);
  else yield* await openDocumentText(kind, parts, newText);
}

/** Pieces of UTF-8 of at most so many bytes, cut between characters. */
function* cutText(bytes: Uint8Array, most: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    let end = Math.min(bytes.length, at + most);
    while (end < bytes.length && end > at + 1 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    yield bytes.subarray(at, end);
    at = end;
  }
}
