import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { BpeTokenizer, loadTokenizer, trainBpe } from '../../src/tokenizers/index.ts';
import { awkwardText, goldenCases, tokenizerJson } from './fixtures.ts';
import { naiveEncode } from './naive.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const anything = fc.oneof(fc.uint8Array({ maxLength: 300 }), awkwardText.map(bytesOf));

describe.each(['gpt2', 'cl100k', 'whole'])('a tokenizer (%s)', (kind) => {
  const tokenizer = loadTokenizer(tokenizerJson(kind));
  const uncached = loadTokenizer(tokenizerJson(kind), { cacheBytes: 0 });

  it('makes the ids that Python’s tokenizers make', () => {
    for (const { text, ids } of goldenCases(kind)) expect([...tokenizer.encode(bytesOf(text))], text).toEqual(ids);
  });

  it('gives any bytes back', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        expect(Buffer.from(tokenizer.decode(tokenizer.encode(bytes)))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('tells which bytes each token is', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        const ids = tokenizer.encode(bytes);
        let start = 0;
        for (const [at, end] of tokenizer.ends(ids).entries()) {
          expect(Buffer.from(bytes.subarray(start, end))).toEqual(Buffer.from(tokenizer.decode([ids[at]!])));
          start = end;
        }
        expect(start).toBe(bytes.length);
      }),
    );
  });

  it('makes the same with words that it has seen and without', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        expect(tokenizer.encode(bytes)).toEqual(uncached.encode(bytes));
      }),
    );
  });
});

describe('merges', () => {
  let tokenizer: BpeTokenizer;
  beforeAll(async () => {
    const text = bytesOf('aababcabcdabcdeaaaaaaabbbbababab'.repeat(9));
    tokenizer = (await trainBpe([text], { vocabSize: 300, pattern: 'none' })).tokenizer;
  });

  it('apply lowest rank first and left to right, in short words and in long ones', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'ab'), minLength: 1, maxLength: 150 });
    const bytes = tokenizer.parts.tokens.map((token) => Buffer.from(token!).toString('latin1'));
    fc.assert(
      fc.property(word, (text) => {
        const symbols = [...text].map((char) => bytes.indexOf(char));
        expect([...tokenizer.encode(bytesOf(text))]).toEqual(naiveEncode(symbols, tokenizer.parts.merges));
      }),
      { numRuns: 500 },
    );
  });

  it('take no longer for each byte of a word of a million', () => {
    const whole = loadTokenizer(tokenizerJson('whole'));
    const start = performance.now();
    for (const unit of [' ', 'the ', 'ab', '\0']) {
      const text = bytesOf(unit.repeat(1_000_000 / unit.length));
      expect(Buffer.compare(whole.decode(whole.encode(text)), text)).toBe(0);
    }
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('refuse a word that would need too much memory', () => {
    expect(() => tokenizer.encode(new Uint8Array((16 << 20) + 1))).toThrow(
      expect.objectContaining({ code: 'WORD_TOO_LONG' }),
    );
  });

  it('are not asked where a word is a token, if the tokenizer says so', () => {
    const tokens = [...tokenizer.parts.tokens.slice(0, 256), bytesOf('xyz')];
    const make = (wholeWords: boolean) => new BpeTokenizer({ ...tokenizer.parts, tokens, merges: [], wholeWords });
    expect([...make(true).encode(bytesOf('xyz'))]).toEqual([256]);
    expect(make(false).encode(bytesOf('xyz'))).toHaveLength(3);
  });
});

describe('added tokens', () => {
  const tokenizer = loadTokenizer(tokenizerJson('gpt2'));
  const text = bytesOf('a<|endoftext|>b');

  it('are found in text, or are text', () => {
    expect([...tokenizer.encode(text)]).toContain(0);
    const ignored = tokenizer.encode(text, { added: 'ignore' });
    expect([...ignored]).not.toContain(0);
    expect(Buffer.from(tokenizer.decode(ignored))).toEqual(Buffer.from(text));
  });

  it('are found leftmost, and the longest of several', () => {
    const added = ['<a>', '<a><b>', '<b>'].map((content, at) => ({ id: 1000 + at, content, special: true }));
    const tokens = [...tokenizer.parts.tokens, ...added.map(({ content }) => bytesOf(content))];
    const more = new BpeTokenizer({ ...tokenizer.parts, tokens, added });
    expect([...more.encode(bytesOf('<a><b><a><a>'))]).toEqual([1001, 1000, 1000]);
  });
});

it('refuses ids of no token', () => {
  const tokenizer = loadTokenizer(tokenizerJson('gpt2'));
  for (const id of [-1, 1.5, 1e6, Number.NaN]) {
    expect(() => tokenizer.decode([id])).toThrow(expect.objectContaining({ code: 'TOKEN_RANGE' }));
  }
});

it('refuses options that it does not have', () => {
  const json = tokenizerJson('gpt2');
  const tokenizer = loadTokenizer(json);
  const cases: [() => unknown, string][] = [
    [() => loadTokenizer(json, { cachebytes: 5 } as object), 'UNKNOWN_OPTION'],
    [() => loadTokenizer(json, { cacheBytes: -1 }), 'BAD_OPTION'],
    [() => tokenizer.encode(new Uint8Array(1), { add: 'ignore' } as object), 'UNKNOWN_OPTION'],
    [() => tokenizer.encode(new Uint8Array(1), { added: 'ignored' as 'ignore' }), 'BAD_OPTION'],
    [() => tokenizer.encode('text' as unknown as Uint8Array), 'BAD_OPTION'],
  ];
  for (const [call, code] of cases) expect(call).toThrow(expect.objectContaining({ code }));
});
