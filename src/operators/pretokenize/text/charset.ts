import chardet from 'chardet';

/** What bytes that are not UTF-8 look like. */
export type CharsetGuess =
  | { readonly kind: 'charset'; readonly charset: string; readonly confidence: number }
  | { readonly kind: 'damaged'; readonly offset: number; readonly guess: string | undefined };

/**
 * chardet's own scale, 0 to 100: noise is given up to 36; short real samples 51 or more in most charsets, in Arabic, Hebrew,
 * Turkish and Polish ones 43 or more.
 */
const CONFIDENT = 40;
/** Bytes that are judged: enough for a language to show, little enough to cost nothing beside the model. */
const SAMPLE = 32 << 10;
const ESC = 0x1b;

interface Utf8Faults {
  /** Offset of the first byte that begins no valid sequence. */
  readonly first: number;
  readonly count: number;
  /** Valid characters of more than one byte. */
  readonly multibyte: number;
  /** The one fault is a character that the end cuts off. */
  readonly cutOff: boolean;
}

/** Length of the valid sequence at `at` (RFC 3629: no overlong forms, no surrogates), or 0. */
function sequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + width > bytes.length) return 0;
  const second = bytes[at + 1] ?? 0;
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let next = at + 2; next < at + width; next++) if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  return width;
}

/** Whether the bytes from `at` to the end are the beginning of one character. */
function isCutOff(bytes: Uint8Array, at: number): boolean {
  const lead = bytes[at] ?? 0;
  const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.length - at >= width) return false;
  return bytes.subarray(at + 1).every((byte) => (byte & 0xc0) === 0x80);
}

export function utf8Faults(bytes: Uint8Array): Utf8Faults | undefined {
  let first = -1;
  let count = 0;
  let multibyte = 0;
  let cutOff = false;
  for (let at = 0; at < bytes.length; ) {
    const width = sequence(bytes, at);
    if (width > 1) multibyte++;
    if (width === 0) {
      if (first === -1) first = at;
      count++;
      if (isCutOff(bytes, at)) {
        cutOff = count === 1;
        break;
      }
    }
    at += width === 0 ? 1 : width;
  }
  return first === -1 ? undefined : { first, count, multibyte, cutOff };
}

const LETTER = /\p{L}|\p{M}/u;
/** Letters that are words by themselves in some language. */
const WORD = /[àèìòùáéíóúåäöőæø]/iu;
/** Marks of ordinal numbers. */
const ORDINAL = /[\u00aa\u00ba]/;
const PUNCTUATION =
  /[\u2018\u2019\u201a\u201c-\u201e\u2013\u2014\u2026\u2022\u2039\u203a\u2122\u00a0\u00a1\u00a3\u00a7\u00a9\u00ab\u00ae\u00b0-\u00b3\u00b7\u00b9-\u00bf\u00d7\u20ac]/u;

/**
 * Whether text in a Latin charset reads as if it were meant: any bytes at all can be decoded as one of these, so what is
 * not ASCII must be letters among letters, words of one letter if there are other such letters, or marks that printers use.
 * A lone 0xFF (y with diaeresis, in one word of a million) is damage.
 */
function reads(text: string): boolean {
  let odd = 0;
  let total = 0;
  let among = 0;
  let alone = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char < '\u0080') continue;
    total++;
    const before = text[at - 1] ?? '';
    if (ORDINAL.test(char) ? /\d/.test(before) : PUNCTUATION.test(char)) continue;
    if (!LETTER.test(char) || char === '\u00ff') odd++;
    else if (LETTER.test(before) || LETTER.test(text[at + 1] ?? '')) among++;
    else if (WORD.test(char)) alone++;
    else odd++;
  }
  return (odd + (alone > 8 * among ? alone : 0)) * 20 <= total;
}

/** The name that the WHATWG Encoding Standard has for a charset, if it can be decoded. */
export function canonicalCharset(name: string): string | undefined {
  if (/^utf-32(le|be)$/i.test(name)) return name.toLowerCase();
  try {
    return new TextDecoder(name).encoding;
  } catch {
    return undefined;
  }
}

/** Text in ISO-2022-JP is ASCII to every other test: its characters hide behind escape sequences. */
export function isIso2022Jp(bytes: Uint8Array): boolean {
  const begin = bytes.subarray(0, SAMPLE).indexOf(ESC);
  if (begin === -1) return false;
  const sample = Buffer.from(bytes.subarray(begin, begin + SAMPLE)).toString('latin1');
  // An escape to a Japanese set, and one back: terminal colours have neither.
  const into = sample.includes('\x1b$B') || sample.includes('\x1b$@');
  return into && (sample.includes('\x1b(B') || sample.includes('\x1b(J'));
}

/** UTF-16 without a mark, by the zero bytes that Latin letters have in it. */
export function utf16WithoutMark(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const head = bytes.subarray(0, Math.min(bytes.length, 4096) & ~1);
  if (head.length < 4 || bytes.length % 2 !== 0) return undefined;
  let even = 0;
  let odd = 0;
  for (let at = 0; at < head.length; at += 2) {
    if (head[at] === 0) even++;
    if (head[at + 1] === 0) odd++;
  }
  const pairs = head.length / 2;
  const charset =
    odd > pairs * 0.5 && even <= pairs * 0.01
      ? 'utf-16le'
      : even > pairs * 0.5 && odd <= pairs * 0.01
        ? 'utf-16be'
        : undefined;
  return charset !== undefined && decodes(head.subarray(0, -2), charset) ? charset : undefined;
}

/** What windows-1252 has from 0x80 to 0x9F (WHATWG Encoding Standard). */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

/** Some versions of Node, 22.18 among them, take windows-1252 for Latin-1: this makes it good, and changes nothing that was right. */
const asWindows1252 = (text: string): string =>
  text.replaceAll(/[\u0080-\u009f]/g, (char) => WINDOWS_1252[char.charCodeAt(0) - 0x80] ?? char);

/** Decodes bytes; `last` is false where more of the same text follows. */
export interface Decoder {
  decode(bytes: Uint8Array, last: boolean): string;
}

function utf32(littleEndian: boolean): Decoder {
  let rest = new Uint8Array(0);
  return {
    decode(bytes, last) {
      const all = new Uint8Array(rest.length + bytes.length);
      all.set(rest);
      all.set(bytes, rest.length);
      const whole = all.length - (all.length % 4);
      rest = all.slice(whole);
      if (last && rest.length > 0) throw new TypeError('the last UTF-32 unit is not whole');
      const view = new DataView(all.buffer, 0, whole);
      let text = '';
      for (let at = 0; at < whole; at += 4) {
        const point = view.getUint32(at, littleEndian);
        if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw new TypeError(`${point} is no character`);
        text += String.fromCodePoint(point);
      }
      return text;
    },
  };
}

/** A strict decoder that takes a mark at the beginning for what it is. Throws TypeError on bytes that mean nothing. */
export function decoder(charset: string): Decoder {
  if (charset === 'utf-32le' || charset === 'utf-32be') {
    const strict = utf32(charset === 'utf-32le');
    let begun = false;
    return {
      decode(bytes, last) {
        const text = strict.decode(bytes, last);
        const unmarked = !begun && text.startsWith('\ufeff') ? text.slice(1) : text;
        begun ||= text !== '';
        return unmarked;
      },
    };
  }
  const strict = new TextDecoder(charset, { fatal: true });
  const repaired = charset === 'windows-1252' ? asWindows1252 : (text: string): string => text;
  return { decode: (bytes, last) => repaired(strict.decode(bytes, { stream: !last })) };
}

export function decodes(bytes: Uint8Array, charset: string): boolean {
  try {
    decoder(charset).decode(bytes, false);
    return true;
  } catch {
    return false;
  }
}

/** Whether bytes mean something in a charset, but for a character that the end cuts off. */
const fits = (sample: Uint8Array, charset: string | undefined): boolean =>
  charset !== undefined && decodes(sample, charset);

/**
 * Decides whether bytes that are not UTF-8 are text in an older charset, or UTF-8 that was damaged: valid characters of
 * several bytes hardly ever come about by chance, so where they outnumber the faults it was UTF-8.
 */
export function guessCharset(bytes: Uint8Array): CharsetGuess {
  const faults = utf8Faults(bytes);
  if (faults === undefined) return { kind: 'charset', charset: 'utf-8', confidence: 100 };
  if (faults.multibyte > faults.count || faults.cutOff) {
    return { kind: 'damaged', offset: faults.first, guess: undefined };
  }
  // Before the first fault there is nothing but ASCII or chance; the sample begins a little earlier, for context.
  const start = Math.max(0, faults.first - (SAMPLE >> 3));
  const sample = bytes.subarray(start, start + SAMPLE);
  const best = chardet
    .analyse(sample)
    .find(({ name }) => !/^(utf|ascii)/i.test(name) && fits(sample, canonicalCharset(name)));
  const charset = best === undefined ? undefined : canonicalCharset(best.name);
  if (best === undefined || charset === undefined || best.confidence < CONFIDENT) {
    return { kind: 'damaged', offset: faults.first, guess: charset };
  }
  const decoded = new TextDecoder(charset).decode(sample);
  const text = charset === 'windows-1252' ? asWindows1252(decoded) : decoded;
  const latin = /^(windows-125[0247]|iso-8859-(1|2|3|4|9|10|13|14|15|16)|macintosh)$/.test(charset);
  return latin && !reads(text)
    ? { kind: 'damaged', offset: faults.first, guess: charset }
    : { kind: 'charset', charset, confidence: best.confidence / 100 };
}
