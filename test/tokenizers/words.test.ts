import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pattern, SOURCES } from '../../src/tokenizers/patterns.ts';
import { wordEndOf } from '../../src/tokenizers/words.ts';
import { awkwardText } from './fixtures.ts';

function words(bytes: Uint8Array, pattern: Pattern): Uint8Array[] {
  const end = wordEndOf(pattern);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += found.at(-1)!.length) {
    found.push(bytes.subarray(at, end(bytes, at, bytes.length)));
  }
  return found;
}

/** The expressions as tokenizers of Hugging Face read them: white space is that of Unicode. */
const expression = (pattern: keyof typeof SOURCES): RegExp =>
  new RegExp(SOURCES[pattern].replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}'), 'gu');

describe.each(['gpt2', 'cl100k', 'qwen2'] as const)('words of %s', (pattern) => {
  it('are those that the expression finds', () => {
    const reference = expression(pattern);
    fc.assert(
      fc.property(awkwardText, (text) => {
        const found = words(new TextEncoder().encode(text), pattern).map((word) => Buffer.from(word).toString());
        expect(found).toEqual(text.match(reference) ?? []);
      }),
      { numRuns: 3000 },
    );
  });

  it('tile whatever bytes there are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = words(bytes, pattern);
        expect(found.every((word) => word.length > 0)).toBe(true);
        expect(Buffer.concat(found)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('take a time that grows with the text and no faster', () => {
    const text = new TextEncoder().encode(`${' '.repeat(500_000)}x${'\n '.repeat(250_000)}y${"'".repeat(500_000)}`);
    const start = performance.now();
    words(text, pattern);
    expect(performance.now() - start).toBeLessThan(3000);
  });
});

it('takes all of a text for one word where there is no pattern', () => {
  expect(words(Buffer.from('two words'), 'none')).toHaveLength(1);
});
