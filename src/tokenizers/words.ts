import { ASCII, classAt, LETTER, LINE_END, NUMBER, OTHER, SPACE } from './characterClasses.ts';
import type { Pattern } from './patterns.ts';

/** Where the word that begins at `at` ends; `at` is before `end`. */
export type WordEnd = (bytes: Uint8Array, at: number, end: number) => number;

const BLANK = 0x20;
const QUOTE = 0x27;
const CLASS = 7;

/** End of the run of characters of a class. */
function runEnd(bytes: Uint8Array, from: number, end: number, of: number): number {
  let at = from;
  while (at < end) {
    const quick = ASCII[bytes[at] ?? 0];
    if (quick === of) {
      at++;
      continue;
    }
    // a byte of ASCII that is of another class
    if (quick !== undefined && quick < CLASS) break;
    const found = classAt(bytes, at, end);
    if ((found & CLASS) !== of) break;
    at += found >> 3;
  }
  return at;
}

/** Bytes of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d` at a quote, or 0. `fold` is 0x20 where their case does not matter. */
function contraction(bytes: Uint8Array, at: number, end: number, fold: number): number {
  if (at + 1 >= end) return 0;
  const first = (bytes[at + 1] ?? 0) | fold;
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return 2;
  if (at + 2 >= end) return 0;
  const second = (bytes[at + 2] ?? 0) | fold;
  if (second === 0x65) return first === 0x72 || first === 0x76 ? 3 : 0;
  return first === 0x6c && second === 0x6c ? 3 : 0;
}

/** White space: all of it at the end of the text, else all but the last character, which goes with what follows. */
function spaceEnd(bytes: Uint8Array, at: number, end: number): number {
  let last = at;
  let next = at;
  while (next < end) {
    const found = classAt(bytes, next, end);
    if ((found & CLASS) < SPACE) return last === at ? next : last;
    last = next;
    next += found >> 3;
  }
  return end;
}

const gpt2: WordEnd = (bytes, at, end) => {
  const first = bytes[at] ?? 0;
  if (first === QUOTE) {
    const length = contraction(bytes, at, end, 0);
    if (length !== 0) return at + length;
  }
  const from = first === BLANK && at + 1 < end ? at + 1 : at;
  const found = classAt(bytes, from, end);
  const of = found & CLASS;
  return of < SPACE ? runEnd(bytes, from + (found >> 3), end, of) : spaceEnd(bytes, at, end);
};

/** White space up to its last line end, if it has one. */
function lineEnd(bytes: Uint8Array, at: number, end: number): number {
  let behind = at;
  for (let next = at; next < end; ) {
    const found = classAt(bytes, next, end);
    if ((found & CLASS) < SPACE) break;
    next += found >> 3;
    if ((found & CLASS) === LINE_END) behind = next;
  }
  return behind;
}

const cl100k =
  (digits: number): WordEnd =>
  (bytes, at, end) => {
    const first = bytes[at] ?? 0;
    if (first === QUOTE) {
      const length = contraction(bytes, at, end, 0x20);
      if (length !== 0) return at + length;
    }
    const found = classAt(bytes, at, end);
    const of = found & CLASS;
    const second = at + (found >> 3);
    if (of === LETTER) return runEnd(bytes, second, end, LETTER);
    if (of === NUMBER) {
      let next = second;
      for (let digit = 1; digit < digits && next < end; digit++) {
        const more = classAt(bytes, next, end);
        if ((more & CLASS) !== NUMBER) break;
        next += more >> 3;
      }
      return next;
    }
    const after = second < end ? classAt(bytes, second, end) : CLASS;
    if (of !== LINE_END && (after & CLASS) === LETTER) return runEnd(bytes, second + (after >> 3), end, LETTER);
    if (of === OTHER || (first === BLANK && (after & CLASS) === OTHER)) {
      return runEnd(bytes, runEnd(bytes, second, end, OTHER), end, LINE_END);
    }
    const behind = lineEnd(bytes, at, end);
    return behind > at ? behind : spaceEnd(bytes, at, end);
  };

const WORD_ENDS: Readonly<Record<Pattern, WordEnd>> = {
  gpt2,
  cl100k: cl100k(3),
  qwen2: cl100k(1),
  none: (_bytes, _at, end) => end,
};

/** The scanner of a pattern: over bytes, without making strings, in time linear in the bytes. */
export const wordEndOf = (pattern: Pattern): WordEnd => WORD_ENDS[pattern];
