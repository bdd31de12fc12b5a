import type { Document, DocumentHead, Meta, Modality, Segment } from '../../records.ts';
import { decoder } from './charset.ts';
import { languageOf, textTypeOf } from './languages.ts';

/** What detection made of a text document. */
export interface TextPlan {
  readonly charset: string;
  readonly confidence: number;
  readonly modality: Modality | undefined;
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

export function headOf<M extends Meta>(document: Document<M>): DocumentHead<M> {
  const { id, record, source, bytes, meta } = document;
  return { id, ...(record === undefined ? {} : { record }), source, byteLength: bytes.length, meta };
}

/**
 * The segments of a text document: its own bytes, in ranges that tile it; or, transcoded, UTF-8 that is derived from
 * those ranges (a character that a cut falls into belongs to the later one).
 *
 * Throws TypeError, before it gives any segment, where transcoding meets bytes that mean nothing in the charset.
 */
export function textSegments<M extends Meta>(document: Document<M>, plan: TextPlan): Iterable<Segment<M>> {
  const { bytes, source } = document;
  const { charset, confidence } = plan;
  const cuts = textCuts(bytes, plan.maxSegmentBytes, charset);
  const language = languageOf(source.uri);
  const modality = plan.modality ?? document.modality ?? (language === undefined ? 'text' : 'code');
  const shared = {
    document: headOf(document),
    label: modality,
    modality,
    mediaType: textTypeOf(source.uri),
    meta: {
      charset,
      ...(confidence < 1 ? { confidence } : {}),
      ...(language === undefined || modality !== 'code' ? {} : { language }),
    },
  };
  const count = cuts.length - 1;
  const segment = (index: number, derived: Uint8Array | undefined): Segment<M> => {
    const start = cuts[index] ?? 0;
    const end = cuts[index + 1] ?? start;
    return {
      ...shared,
      index,
      last: index === count - 1,
      bytes: derived ?? bytes.subarray(start, end),
      origin: derived === undefined ? { start, end } : { start, end, derived: `${charset} -> utf-8` },
    };
  };
  if (plan.transcode) {
    const strict = decoder(charset);
    return cuts.slice(1).map((end, index) => {
      const text = strict.decode(bytes.subarray(cuts[index], end), index === count - 1);
      return segment(index, new TextEncoder().encode(text));
    });
  }
  return (function* () {
    for (let index = 0; index < count; index++) yield segment(index, undefined);
  })();
}
