import { unspelled } from '../../../../tokenizers/byteAlphabet.ts';
import type { Step } from '../../../../tokenizers/tokenizerJson.ts';

/** How pre-tokenizers write what they find. */
export interface Spelling {
  /** In the characters that stand for bytes. */
  readonly bytes: boolean;
  /** What stands for a blank, where something does. */
  readonly blank: string | undefined;
}

export function spellingOf(steps: readonly Step[]): Spelling {
  const metaspace = steps.find(({ type }) => type === 'Metaspace');
  const blank = metaspace?.['replacement'];
  return {
    bytes: steps.some(({ type }) => type === 'ByteLevel'),
    blank: metaspace === undefined ? undefined : typeof blank === 'string' ? blank : '▁',
  };
}

const BLANK = 0x20;

/**
 * Where a word stands in UTF-8 from `from` on: the offset of each of its UTF-16 units, and its end. A blank that was put in
 * front of it has no bytes. What no word holds, such as white space, is passed over; undefined where it stands nowhere.
 */
export function placeWord(word: string, bytes: Uint8Array, from: number, spelling: Spelling): Int32Array | undefined {
  const wanted = charsOf(word, spelling);
  if (wanted === undefined) return undefined;
  for (let at = from; at <= bytes.length; at++) {
    if (at < bytes.length && ((bytes[at] ?? 0) & 0xc0) === 0x80 && !spelling.bytes) continue;
    const found = placedAt(wanted, bytes, at, word.length);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Char {
  readonly units: number;
  readonly bytes: Uint8Array;
  /** Stands for a blank too, and at the beginning for nothing. */
  readonly blank: boolean;
}

function charsOf(word: string, { bytes, blank }: Spelling): Char[] | undefined {
  if (bytes) {
    const own = unspelled(word);
    return own === undefined
      ? undefined
      : Array.from(own, (byte) => ({ units: 1, bytes: Uint8Array.of(byte), blank: byte === BLANK }));
  }
  const encoder = new TextEncoder();
  return Array.from(word, (char) => ({ units: char.length, bytes: encoder.encode(char), blank: char === blank }));
}

function placedAt(chars: readonly Char[], bytes: Uint8Array, from: number, units: number): Int32Array | undefined {
  const places = new Int32Array(units + 1);
  let at = from;
  let unit = 0;
  for (const [index, char] of chars.entries()) {
    places.fill(at, unit, unit + char.units);
    unit += char.units;
    if (matches(char.bytes, bytes, at)) at += char.bytes.length;
    else if (char.blank && bytes[at] === BLANK) at++;
    else if (!(char.blank && index === 0)) return undefined;
  }
  places[units] = at;
  return places;
}

function matches(wanted: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let byte = 0; byte < wanted.length; byte++) if (bytes[at + byte] !== wanted[byte]) return false;
  return true;
}
