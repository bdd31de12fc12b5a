import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { library } from '../../src/operators/pretokenize/text/units/library.ts';

/** Tokenizers and what Python's `tokenizers` 0.23.2 makes with them: tools/fixtures/tokenizerCases.py. */
export const fixtureFile = (name: string): string => path.join(import.meta.dirname, '../fixtures/tokenizers', name);

export const KINDS = [
  'gpt2',
  'cl100k',
  'whole',
  'nfc',
  'qwen2',
  'prefixed',
  'wordpiece',
  'unigram',
  'fallback',
] as const;

export const tokenizerJson = (kind: string): Buffer => gunzipSync(readFileSync(fixtureFile(`${kind}.json.gz`)));

export interface GoldenCase {
  readonly text: string;
  readonly ids: readonly number[];
  /** In code points. */
  readonly offsets: readonly (readonly [number, number])[];
}

export const goldenCases = (kind: string): GoldenCase[] =>
  JSON.parse(readFileSync(fixtureFile(`${kind}.cases.json`), 'utf8'));

/** Ids of the library of Hugging Face in JavaScript. */
export function libraryEncoder(json: string): (text: string) => number[] {
  const tokenizer = new library.Tokenizer(JSON.parse(json), {}) as unknown as {
    encode(text: string, options: object): { ids: number[] };
  };
  return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
}

/** Texts with everything in them that patterns tell apart. */
export const awkwardText = fc.string({
  unit: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(..."abeghilmnorstv '’!?.,-_(){}0123456789 \t\n\r") },
    { weight: 2, arbitrary: fc.constantFrom(' ', '  ', '\n\n', '\r\n', "'s", "'LL", "'Re", ' the', ' and', '...') },
    { weight: 1, arbitrary: fc.constantFrom(...'éÜßſΣςдж漢字한글ᆨ́̂٣½²Ⅷ\u00a0\u0085\u2028\u3000\u200d\ufeff�') },
    { weight: 1, arbitrary: fc.constantFrom('😀', '👨‍👩‍👧', '𝒳', '🇩🇪', '<|endoftext|>', '<|end') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
  ),
  maxLength: 60,
});
