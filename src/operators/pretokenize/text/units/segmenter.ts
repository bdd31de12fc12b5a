import type { Budget } from '../../budget.ts';
import { widthAt } from './characters.ts';
import type { Divide, Units } from './divide.ts';

const LF = 0x0a;
const CR = 0x0d;
/** Bytes that become one string: both rules of UAX #29 always divide behind a line end. */
const WINDOW = 1 << 16;

/** Bytes of UTF-8 that a part of a string has. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // half of a pair has half of its four bytes
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

/** Ends of windows: behind a line end where one is near, before a fault, behind a fault. */
function windowEnd(
  bytes: Uint8Array,
  at: number,
): { readonly end: number; readonly ascii: boolean; readonly fault: boolean } {
  let end = at;
  let line = at;
  let ascii = true;
  while (end < bytes.length) {
    const byte = bytes[end] ?? 0;
    if (byte < 0x80) {
      end++;
      if (byte === LF) {
        line = end;
        if (end - at >= WINDOW) return { end, ascii, fault: false };
      }
      continue;
    }
    const width = widthAt(bytes, end);
    if (width === 1) return end === at ? { end: end + 1, ascii: false, fault: true } : { end, ascii, fault: false };
    if (ascii && line - at >= WINDOW / 16) return { end: line, ascii, fault: false };
    ascii = false;
    end += width;
  }
  return { end, ascii, fault: false };
}

/** Tells of every unit how many bytes it has, and whether it is a word. */
function find(
  bytes: Uint8Array,
  granularity: 'grapheme' | 'word',
  found: (bytes: number, word: boolean) => void,
): void {
  const segmenter = new Intl.Segmenter('und', { granularity });
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let at = 0; at < bytes.length; ) {
    const { end, ascii, fault } = windowEnd(bytes, at);
    if (fault) found(end - at, false);
    else if (ascii && granularity === 'grapheme') {
      for (let next = at; next < end; ) {
        const length = bytes[next] === CR && next + 1 < end && bytes[next + 1] === LF ? 2 : 1;
        found(length, false);
        next += length;
      }
    } else {
      for (const { segment, isWordLike } of segmenter.segment(decoder.decode(bytes.subarray(at, end)))) {
        found(ascii ? segment.length : utf8Length(segment), isWordLike === true);
      }
    }
    at = end;
  }
}

/** Room for units as they are found; charged before there is more of it. */
class Growing {
  ends = new Float64Array(0);
  gaps = new Uint16Array(0);
  count = 0;
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add(end: number, word: boolean): void {
    if (this.count === this.ends.length) this.#grow();
    this.ends[this.count] = end;
    this.gaps[this.count++] = word ? 0 : 1;
  }

  #grow(): void {
    const more = Math.max(1024, this.count);
    this.#budget.take(10 * more, 'the list of its units');
    const ends = new Float64Array(this.count + more);
    ends.set(this.ends);
    this.ends = ends;
    const gaps = new Uint16Array(this.count + more);
    gaps.set(this.gaps);
    this.gaps = gaps;
  }
}

/**
 * Grapheme clusters, or words and what stands between them (UAX #29), as the ICU of this Node knows them. Units longer than
 * `most` bytes are cut between characters.
 */
export const divideBySegmenter =
  (kind: 'graphemes' | 'words', most: number): Divide =>
  (bytes, budget): Units => {
    const units = new Growing(budget);
    let at = 0;
    const add = (end: number, word: boolean): void => {
      units.add(end, word);
      at = end;
    };
    find(bytes, kind === 'graphemes' ? 'grapheme' : 'word', (length, word) => {
      const end = at + length;
      while (end - at > most) {
        let cut = at + most;
        while (cut > at + 1 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
        add(cut, word);
      }
      add(end, word);
    });
    const ends = units.ends.slice(0, units.count);
    return kind === 'graphemes'
      ? { ends, labels: ['grapheme'] }
      : { ends, labels: ['word', 'text_gap'], labelOf: units.gaps.slice(0, units.count) };
  };
