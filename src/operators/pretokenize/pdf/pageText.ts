import { Failure } from '../../../sources/failure.ts';
import type { OpenPage } from './pdfDocument.ts';
import type { Pdfium } from './pdfium.ts';
import { Piece } from './piece.ts';
import { type Fragment, inReadingOrder } from './readingOrder.ts';

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
/** What PDFium gives in place of a hyphen that a line breaks at, and of the break. */
const BREAKING_HYPHENS: readonly number[] = [0x02, 0xfffe];
const SURROGATES = /[\ud800-\udfff]/;
const BOX_BYTES = 16;

/**
 * The text of a page, in layout order; lines end in `\n`, but for the last.
 * @throws Failure `DAMAGED_FILE`
 */
export function pageText({ pdfium, page, number }: OpenPage): string {
  const { call } = pdfium;
  const text = call.FPDFText_LoadPage(page);
  if (text === 0) {
    throw new Failure('DAMAGED_FILE', `the PDF file cannot be read: PDFium gets no text of page ${number}`);
  }
  const pieces = fragments(pdfium, text, charactersOf(pdfium, text));
  call.FPDFText_ClosePage(text);
  return inReadingOrder(pieces).join('\n').trim();
}

/** The characters of a page by PDFium's numbers, in the order of its content. */
interface Characters {
  readonly count: number;
  readonly text: string;
  /** Where each begins in the text, and the end; absent where that is its number. */
  readonly places?: Uint32Array | undefined;
}

function charactersOf({ call, memory }: Pdfium, text: number): Characters {
  const count = call.FPDFText_CountChars(text);
  if (count <= 0) return { count: 0, text: '' };
  // all at once, with room for a terminator and for characters of two units
  const buffer = call.malloc(4 * (count + 1));
  const units = call.FPDFText_GetText(text, 0, count, buffer) - 1;
  const all = Buffer.from(memory().buffer, buffer, Math.max(0, 2 * units)).toString('utf16le');
  call.free(buffer);
  if (units === count && !SURROGATES.test(all)) return { count, text: all };
  return oneByOne({ call, memory }, text, count);
}

/** The same where numbers and places differ: some characters have two units, or are none that Unicode knows. */
function oneByOne({ call }: Pdfium, text: number, count: number): Characters {
  const places = new Uint32Array(count + 1);
  const parts: string[] = [];
  for (let index = 0; index < count; index++) {
    const char = call.FPDFText_GetUnicode(text, index);
    const part = char === 0 || char > 0x10ffff ? '' : String.fromCodePoint(char);
    parts.push(part);
    places[index + 1] = (places[index] ?? 0) + part.length;
  }
  return { count, text: parts.join(''), places };
}

/**
 * Pieces of lines: they end where PDFium breaks lines, and at wide gaps. Places are those of the first and last characters of
 * words, as PDFium sets a space wherever there is a gap.
 */
function fragments({ call, memory }: Pdfium, handle: number, { count, text, places }: Characters): Fragment[] {
  const found: Fragment[] = [];
  const box = call.malloc(BOX_BYTES);
  let edges = new Float32Array(0);
  const locate = (index: number): Float32Array => {
    call.FPDFText_GetLooseCharBox(handle, index, box);
    // growing memory leaves views of it without length
    if (edges.length === 0) edges = new Float32Array(memory().buffer, box, 4);
    return edges;
  };
  let piece: Piece | undefined;
  const finish = (): void => {
    if (piece !== undefined) found.push(piece.fragment());
    piece = undefined;
  };
  const codeAt = (index: number): number => text.charCodeAt(places === undefined ? index : (places[index] ?? 0));
  for (let index = 0; index < count; ) {
    const code = codeAt(index);
    if (code === CARRIAGE_RETURN || code === LINE_FEED || code === SPACE) {
      if (code === SPACE) piece?.add(' ');
      else finish();
      index++;
      continue;
    }
    const first = index;
    let hyphen = false;
    for (; index < count && !hyphen; index++) {
      const next = codeAt(index);
      if (next === SPACE || next === CARRIAGE_RETURN || next === LINE_FEED) break;
      hyphen = BREAKING_HYPHENS.includes(next);
    }
    const end = hyphen ? index - 1 : index;
    const word = places === undefined ? text.slice(first, end) : text.slice(places[first], places[end]);
    if (word === '' && !hyphen) continue;
    const at = locate(first);
    if (piece?.isApart(at)) finish();
    piece ??= new Piece(call.FPDFText_GetCharAngle(handle, first));
    piece.place(at);
    if (index - 1 > first) piece.place(locate(index - 1));
    piece.add(hyphen ? `${word}-` : word);
  }
  finish();
  call.free(box);
  return found;
}
