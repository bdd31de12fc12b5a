import { Failure } from '../../../../sources/failure.ts';
import type { Budget } from '../../budget.ts';
import { decoder } from '../charset.ts';

/** Text in UTF-8, and which bytes of another charset each of its characters was. */
export interface CharsetMap {
  readonly utf8: Uint8Array;
  /** Where each character ends in the source, f64. A byte-order mark is one that has no UTF-8. */
  readonly sourceEnds: Float64Array;
  /** Where it ends in UTF-8, f64. */
  readonly utf8Ends: Float64Array;
}

type Width = (bytes: Uint8Array, at: number) => number;

const surrogate = (high: number): number => (high >= 0xd8 && high < 0xdc ? 4 : 2);
const double: Width = (bytes, at) => ((bytes[at] ?? 0) > 0x80 ? 2 : 1);
const fourfold: Width = (bytes, at) => {
  const second = bytes[at + 1] ?? 0;
  return (bytes[at] ?? 0) <= 0x80 ? 1 : second >= 0x30 && second <= 0x39 ? 4 : 2;
};

/** Bytes of a character, by the charsets of the WHATWG Encoding Standard that have more than one. */
const WIDTHS: Readonly<Record<string, Width>> = {
  'utf-16le': (bytes, at) => surrogate(bytes[at + 1] ?? 0),
  'utf-16be': (bytes, at) => surrogate(bytes[at] ?? 0),
  'utf-32le': () => 4,
  'utf-32be': () => 4,
  gbk: fourfold,
  gb18030: fourfold,
  big5: double,
  'euc-kr': double,
  'euc-jp': (bytes, at) => (bytes[at] === 0x8f ? 3 : double(bytes, at)),
  shift_jis: (bytes, at) => {
    const lead = bytes[at] ?? 0;
    return lead <= 0x80 || (lead >= 0xa0 && lead <= 0xdf) ? 1 : 2;
  },
};

const utf8Width = (point: number): number => (point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4);

/**
 * Re-encodes text as UTF-8 and says where each character comes from.
 *
 * @throws Failure `INVALID_TEXT` where bytes mean nothing in the charset, `DECODED_TOO_LARGE`
 */
export function charsetMap(bytes: Uint8Array, charset: string, budget: Budget): CharsetMap {
  budget.take(16 * bytes.length + 3 * bytes.length, 'the text in UTF-8');
  const map = charset === 'iso-2022-jp' ? byFeeding(bytes, charset) : byWidths(bytes, charset);
  budget.take(16 * (map.sourceEnds.length - bytes.length) + map.utf8.length - 3 * bytes.length, 'the text in UTF-8');
  return map;
}

function strictly<T>(charset: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Failure('INVALID_TEXT', `the text is not valid ${charset}: ${error.message}`);
  }
}

function byWidths(bytes: Uint8Array, charset: string): CharsetMap {
  const text = strictly(charset, () => decoder(charset).decode(bytes, true));
  const width = WIDTHS[charset] ?? (() => 1);
  const sourceEnds = new Float64Array(bytes.length);
  const utf8Ends = new Float64Array(bytes.length);
  let count = 0;
  let unit = 0;
  let utf8 = 0;
  for (let at = 0; at < bytes.length; count++) {
    const length = width(bytes, at);
    if (!(at === 0 && isMark(bytes, charset))) {
      const point = text.codePointAt(unit) ?? 0;
      unit += point > 0xffff ? 2 : 1;
      utf8 += utf8Width(point);
    }
    at = Math.min(bytes.length, at + length);
    sourceEnds[count] = at;
    utf8Ends[count] = utf8;
  }
  const encoded = new TextEncoder().encode(text);
  // some codes are two characters, and decoders differ: then one looks where they put something out
  if (encoded.length !== utf8 || unit !== text.length) return byFeeding(bytes, charset);
  return { utf8: encoded, sourceEnds: sourceEnds.slice(0, count), utf8Ends: utf8Ends.slice(0, count) };
}

function isMark(bytes: Uint8Array, charset: string): boolean {
  const [a, b, c, d] = bytes;
  if (charset === 'utf-16le') return a === 0xff && b === 0xfe;
  if (charset === 'utf-16be') return a === 0xfe && b === 0xff;
  if (charset === 'utf-32le') return a === 0xff && b === 0xfe && c === 0 && d === 0;
  return charset === 'utf-32be' && a === 0 && b === 0 && c === 0xfe && d === 0xff;
}

/** Byte by byte: a character ends where the decoder puts something out. What puts out nothing belongs to what follows. */
function byFeeding(bytes: Uint8Array, charset: string): CharsetMap {
  const strict = decoder(charset);
  const sourceEnds: number[] = [];
  const utf8Ends: number[] = [];
  let text = '';
  let utf8 = 0;
  strictly(charset, () => {
    for (let at = 0; at < bytes.length; at++) {
      const out = strict.decode(bytes.subarray(at, at + 1), at === bytes.length - 1);
      if (out === '' && at < bytes.length - 1) continue;
      text += out;
      utf8 += Buffer.byteLength(out);
      sourceEnds.push(at + 1);
      utf8Ends.push(utf8);
    }
  });
  return {
    utf8: new TextEncoder().encode(text),
    sourceEnds: Float64Array.from(sourceEnds),
    utf8Ends: Float64Array.from(utf8Ends),
  };
}
