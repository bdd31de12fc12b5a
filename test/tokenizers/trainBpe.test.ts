import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pattern, saveTokenizer, trainBpe } from '../../src/tokenizers/index.ts';
import { wordEndOf } from '../../src/tokenizers/words.ts';
import { fixtureFile, goldenCases } from './fixtures.ts';
import { naiveMerges } from './naive.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const awkward = goldenCases('gpt2').map(({ text }) => bytesOf(text.replaceAll('<|endoftext|>', '')));

/** Distinct words, a character for each byte, and how often they occur. */
function counted(texts: readonly Uint8Array[], pattern: Pattern): Map<string, number> {
  const words = new Map<string, number>();
  const end = wordEndOf(pattern);
  for (const bytes of texts) {
    for (let at = 0; at < bytes.length; ) {
      const next = end(bytes, at, bytes.length);
      const word = Buffer.from(bytes.subarray(at, next)).toString('latin1');
      words.set(word, (words.get(word) ?? 0) + 1);
      at = next;
    }
  }
  return words;
}

describe('trainBpe', () => {
  it.each(['gpt2', 'cl100k', 'none'] as const)(
    'learns what Python’s tokenizers learn, divided by %s',
    async (pattern) => {
      const golden = JSON.parse(readFileSync(fixtureFile(`trained-${pattern}.json`), 'utf8'));
      const { tokenizer } = await trainBpe(awkward, { vocabSize: 1000, pattern, specialTokens: ['<|endoftext|>'] });
      const { model } = JSON.parse(saveTokenizer(tokenizer));
      expect(model.merges).toEqual(golden.merges.map((pair: string[]) => pair.join(' ')));
      expect(model.vocab).toEqual(golden.vocab);
      expect(model.merges.length).toBeGreaterThan(50);
    },
  );

  it('learns what the definition says, whatever the texts', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ab', 'aa', 'c', ' ', 'é', '\n'), maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 8 }),
        fc.constantFrom('gpt2', 'none' as const),
        fc.integer({ min: 1, max: 3 }),
        async (texts, pattern, minFrequency) => {
          const bytes = texts.map(bytesOf);
          const { tokenizer } = await trainBpe(bytes, { vocabSize: 300, pattern, minFrequency });
          expect(tokenizer.parts.merges).toEqual(naiveMerges(counted(bytes, pattern), 300, minFrequency));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives the same whatever comes in which pieces of time', async () => {
    async function* later() {
      for (const bytes of awkward) yield await Promise.resolve(bytes);
    }
    const [a, b] = await Promise.all([trainBpe(awkward, { vocabSize: 400 }), trainBpe(later(), { vocabSize: 400 })]);
    expect(saveTokenizer(a.tokenizer)).toBe(saveTokenizer(b.tokenizer));
  });

  it('drops the rarest words where memory does not suffice, and says so', async () => {
    const common = 'common words come again and again ';
    const rare = Array.from({ length: 3000 }, (_, n) => `rare${n * 7919}`).join(' ');
    const texts = Array.from({ length: 20 }, () => bytesOf(common)).concat(bytesOf(rare));
    const small = await trainBpe(texts, { vocabSize: 280, maxMemory: 1 << 20 });
    const large = await trainBpe(texts, { vocabSize: 280 });
    expect(small.droppedWords).toBeGreaterThan(500);
    expect(small.droppedOccurrences).toBeGreaterThanOrEqual(small.droppedWords);
    expect(small.words).toBeLessThan(large.words);
    expect(large.droppedWords).toBe(0);
    const again = (await trainBpe(texts, { vocabSize: 280, maxMemory: 1 << 20 })).tokenizer;
    expect(saveTokenizer(again)).toBe(saveTokenizer(small.tokenizer));
    expect(Buffer.from(small.tokenizer.parts.tokens.at(-1)!).toString()).toMatch(/^ ?[a-z]+$/);
  });

  it('learns nothing of special tokens', async () => {
    const texts = [bytesOf('<|x|>'.repeat(50))];
    const { tokenizer } = await trainBpe(texts, { vocabSize: 300, specialTokens: ['<|x|>', '<|y|>'] });
    expect(tokenizer.parts.merges).toEqual([]);
    expect([...tokenizer.encode(bytesOf('<|y|><|x|>'))]).toEqual([1, 0]);
  });

  it('learns from a million blanks in a time that their number does not square', async () => {
    const start = performance.now();
    await trainBpe([bytesOf(' '.repeat(1_000_000))], { vocabSize: 300, pattern: 'none' });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('refuses texts that are strings', async () => {
    const texts = ['a text'] as unknown as Uint8Array[];
    await expect(trainBpe(texts, { vocabSize: 300 })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  it.each([
    [{ vocabSize: 255 }, 'BAD_OPTION'],
    [{ vocabSize: 256, specialTokens: ['<a>'] }, 'BAD_OPTION'],
    [{ vocabSize: 1e9 }, 'BAD_OPTION'],
    [{ vocabSize: 300, minFrequency: 0 }, 'BAD_OPTION'],
    [{ vocabSize: 300, maxMemory: 5 }, 'BAD_OPTION'],
    [{ vocabSize: 300, pattern: 'gpt3' as 'gpt2' }, 'BAD_OPTION'],
    [{ vocabSize: 300, specialTokens: ['a'] }, 'BAD_OPTION'],
    [{ vocabSize: 300, specialTokens: ['Ġthe'] }, 'BAD_OPTION'],
    [{ vocabSize: 300, specialTokens: ['<a>', '<a>'] }, 'BAD_OPTION'],
    [{ vocabSize: 300, vocabsize: 300 }, 'UNKNOWN_OPTION'],
  ])('refuses %j', async (options, code) => {
    await expect(trainBpe([], options)).rejects.toMatchObject({ code });
  });
});
