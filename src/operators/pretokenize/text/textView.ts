import type { Meta, Modality } from '../../../records.ts';
import { Failure } from '../../../sources/failure.ts';
import { SegmentTableBuilder } from '../segmentTable.ts';
import type { View } from '../view.ts';
import { decoder } from './charset.ts';

/** What detection made of a text. */
export interface TextFacts {
  /** WHATWG name. */
  readonly charset: string;
  /** 0 to 1. */
  readonly confidence: number;
  readonly modality: Modality;
  readonly mediaType: string;
  /** Programming language, where it is code. */
  readonly language?: string | undefined;
}

export interface TextPieces {
  readonly maxSegmentBytes: number;
  /** Re-encode as UTF-8. */
  readonly transcode: boolean;
}

/** Bytes before the limit in which a line end is looked for. */
const WINDOW = 64 << 10;
const LF = 0x0a;

/** Bytes of a code unit that must not be cut, for charsets in which a line end is not one byte. */
function unitOf(charset: string): 1 | 2 | 4 {
  return charset.startsWith('utf-16') ? 2 : charset.startsWith('utf-32') ? 4 : 1;
}

/** Where to end a piece of at most `max` bytes that begins at `start`: behind a line, else between two characters. */
function cutAt(bytes: Uint8Array, start: number, max: number, charset: string): number {
  if (bytes.length - start <= max) return bytes.length;
  const unit = unitOf(charset);
  let end = start + max;
  if (unit !== 1) {
    end -= (end - start) % unit;
    if (unit === 4) return end;
    // The high half of a surrogate pair stays with its low half.
    const high = bytes[charset === 'utf-16le' ? end - 1 : end - 2] ?? 0;
    return high >= 0xd8 && high < 0xdc && end - unit > start ? end - unit : end;
  }
  const line = bytes.subarray(Math.max(start, end - WINDOW), end).lastIndexOf(LF);
  if (line !== -1) return Math.max(start, end - WINDOW) + line + 1;
  let lead = end;
  if (charset === 'utf-8') while (lead > start && end - lead < 3 && ((bytes[lead] ?? 0) & 0xc0) === 0x80) lead--;
  return lead > start ? lead : end;
}

/** Cuts, from 0 to the length of the document: `[0, a, b, ..., length]`. */
function textCuts(bytes: Uint8Array, max: number, charset: string): number[] {
  const cuts = [0];
  for (let at = 0; at < bytes.length; ) {
    at = cutAt(bytes, at, max, charset);
    cuts.push(at);
  }
  return cuts;
}

/**
 * The segments of a text: its own bytes, in ranges that tile it; or, transcoded, UTF-8 that is derived from those ranges
 * (a character that a cut falls into belongs to the later one).
 *
 * @throws Failure `INVALID_UTF8`, `INVALID_TEXT`, `EMPTY_DOCUMENT` where nothing is left
 */
export function textView(bytes: Uint8Array, facts: TextFacts, settings: TextPieces): View {
  const { charset, confidence, modality, language } = facts;
  const cuts = textCuts(bytes, settings.maxSegmentBytes, charset);
  const meta: Meta = {
    charset,
    ...(confidence < 1 ? { confidence } : {}),
    ...(language === undefined ? {} : { language }),
  };
  const view = { suffix: '', modality, mediaType: facts.mediaType };
  if (!settings.transcode || charset === 'utf-8') {
    const table = { ends: Float64Array.from(cuts.slice(1)), labels: [modality], meta };
    return { ...view, segments: table };
  }
  const pieces = transcoded(bytes, cuts, charset);
  const builder = new SegmentTableBuilder();
  for (const [index, piece] of pieces.entries()) {
    builder.add({ length: piece.length, label: modality, origin: [cuts[index] ?? 0, cuts[index + 1] ?? 0] });
  }
  if (builder.count === 0) throw new Failure('EMPTY_DOCUMENT', 'there is no text');
  return { ...view, derived: `${charset} -> utf-8`, bytes: Buffer.concat(pieces), segments: builder.table(meta) };
}

/** The pieces between the cuts as UTF-8. @throws Failure `INVALID_TEXT` where bytes mean nothing in the charset */
function transcoded(bytes: Uint8Array, cuts: readonly number[], charset: string): Uint8Array[] {
  const strict = decoder(charset);
  try {
    return cuts
      .slice(1)
      .map((end, index) =>
        new TextEncoder().encode(strict.decode(bytes.subarray(cuts[index], end), index === cuts.length - 2)),
      );
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Failure(
      'INVALID_TEXT',
      `the text is not valid ${charset}: ${error.message}`,
      "Repair the input, or keep its bytes with pretokenize({ charset: 'keep' }).",
    );
  }
}
