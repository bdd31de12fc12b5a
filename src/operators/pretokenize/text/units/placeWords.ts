import { byteOf } from '../../../../tokenizers/byteAlphabet.ts';
import type { Step } from '../../../../tokenizers/tokenizerJson.ts';

/** How pre-tokenizers write what they find. */
export interface Spelling {
  /** In the characters that stand for bytes. */
  readonly bytes: boolean;
  /** Code point of what stands for a blank, where something does; -1. */
  readonly blank: number;
}

export function spellingOf(steps: readonly Step[]): Spelling {
  const metaspace = steps.find(({ type }) => type === 'Metaspace');
  const blank = metaspace?.['replacement'] ?? '▁';
  return {
    bytes: steps.some(({ type }) => type === 'ByteLevel'),
    blank: metaspace === undefined ? -1 : (String(blank).codePointAt(0) ?? -1),
  };
}

const BLANK = 0x20;

/** Finds words of pre-tokenizers in the text that they come from. */
export class WordPlaces {
  readonly #spelling: Spelling;
  #places = new Int32Array(256);

  constructor(spelling: Spelling) {
    this.#spelling = spelling;
  }

  /**
   * Where a word stands in UTF-8 from `from` on: the offset of each of its UTF-16 units, and behind them its end; they hold
   * until the next call. A blank that was put in front of it has no bytes. What no word holds, such as white space, is
   * passed over; undefined where it stands nowhere.
   */
  find(word: string, bytes: Uint8Array, from: number): Int32Array | undefined {
    if (this.#places.length <= word.length) this.#places = new Int32Array(2 * word.length);
    for (let at = from; at <= bytes.length; at++) {
      if (this.#spelling.bytes ? this.#bytesAt(word, bytes, at) : this.#charsAt(word, bytes, at)) return this.#places;
    }
    return undefined;
  }

  #bytesAt(word: string, bytes: Uint8Array, from: number): boolean {
    let at = from;
    for (let unit = 0; unit < word.length; unit++) {
      const byte = byteOf(word.charCodeAt(unit));
      this.#places[unit] = at;
      if (bytes[at] === byte) at++;
      else if (!(unit === 0 && byte === BLANK)) return false;
    }
    this.#places[word.length] = at;
    return true;
  }

  #charsAt(word: string, bytes: Uint8Array, from: number): boolean {
    const { blank } = this.#spelling;
    let at = from;
    for (let unit = 0; unit < word.length; ) {
      const point = word.codePointAt(unit) ?? 0;
      const width = widthOf(point, bytes, at);
      const place = at;
      if (width > 0) at += width;
      else if (point !== blank) return false;
      else if (bytes[at] === BLANK) at++;
      else if (unit > 0) return false;
      this.#places[unit++] = place;
      if (point > 0xffff) this.#places[unit++] = place;
    }
    this.#places[word.length] = at;
    return true;
  }
}

/** Bytes of a character of UTF-8 where it stands at `at`; 0 where it does not. */
function widthOf(point: number, bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (point < 0x80) return first === point ? 1 : 0;
  const last = 0x80 | (point & 0x3f);
  if (point < 0x800) return first === (0xc0 | (point >> 6)) && bytes[at + 1] === last ? 2 : 0;
  const third = 0x80 | ((point >> 6) & 0x3f);
  if (point < 0x10000) {
    return first === (0xe0 | (point >> 12)) && bytes[at + 1] === third && bytes[at + 2] === last ? 3 : 0;
  }
  const second = 0x80 | ((point >> 12) & 0x3f);
  const lead = 0xf0 | (point >> 18);
  return first === lead && bytes[at + 1] === second && bytes[at + 2] === third && bytes[at + 3] === last ? 4 : 0;
}
