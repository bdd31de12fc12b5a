import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandKeys } from '../../src/lsh/bands.ts';
import { packDocuments } from '../../src/lsh/documentBatch.ts';
import type { Shingle } from '../../src/lsh/shingle.ts';
import { signatureOf } from '../../src/lsh/signature.ts';
import { keysAt, Signer, type SignerOptions, signatureAt } from '../../src/lsh/signer.ts';
import { randomBytes } from './texts.ts';

const shingle = fc.record({
  of: fc.constantFrom('bytes' as const, 'words' as const),
  length: fc.integer({ min: 1, max: 64 }),
});
/** Few letters make few shingles: such documents have many rounds. */
const document = fc
  .tuple(fc.constantFrom('a', 'ab ', 'abc d\n', 'the quick brown fox \t\0'), fc.nat(2 ** 31), fc.nat(600))
  .map(([letters, seed, length]) => randomBytes(seed, length).map((byte) => letters.charCodeAt(byte % letters.length)));

/** Signs documents both ways and compares all of it. */
function expectEqualForms(documents: readonly Uint8Array[], options: SignerOptions): void {
  const signed = new Signer(options).sign(packDocuments(documents));
  for (const [i, bytes] of documents.entries()) {
    const plain = signatureOf(bytes, options);
    expect(signatureAt(signed, i)).toEqual(plain);
    const keys = plain === undefined || options.banding === undefined ? plain : bandKeys(plain, options.banding);
    if (options.banding !== undefined) expect(keysAt(signed, i)).toEqual(keys);
  }
}

describe('the WebAssembly signer gives bit for bit what the plain form gives', () => {
  it('for any documents, shingles, components and bands', () => {
    fc.assert(
      fc.property(
        fc.array(document, { maxLength: 6 }),
        shingle,
        fc.integer({ min: 1, max: 130 }),
        fc.integer({ min: 1, max: 9 }),
        (documents, shingle, components, rows) => {
          const bands = Math.floor(components / rows);
          const banding = bands === 0 ? undefined : { bands, rows };
          expectEqualForms(documents, { shingle, components, banding });
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64])(
    'for shingles of %i bytes',
    (length) => {
      const around = [-1, 0, 1, 2, 3, 4, 2046, 2047, 2048, 2049, 4096, 5000].map((extra) => length + extra);
      const documents = around.map((size, i) => randomBytes(i, Math.max(0, size)));
      expectEqualForms(documents, { shingle: { of: 'bytes', length }, banding: { bands: 20, rows: 5 } });
    },
  );

  it.each([1, 2, 3, 5, 8, 64])('for shingles of %i words', (length) => {
    const words = (count: number, seed: number): Uint8Array =>
      Buffer.from([...randomBytes(seed, count)].map((byte) => 'x'.repeat(1 + (byte % 3)) + byte).join(' \n'));
    const counts = [length - 1, length, length + 1, 2047, 2048, 2049, 4500];
    const documents = [...counts.map(words), Buffer.from(' \t leading and trailing  '), Buffer.from(' \n\v\f\r\t ')];
    expectEqualForms(documents, { shingle: { of: 'words', length }, banding: { bands: 33, rows: 3 } });
  });

  const piece = 1 << 18;
  const long: readonly [string, Uint8Array, SignerOptions][] = [
    ['random bytes', randomBytes(1, 2 * piece + 12_345), {}],
    ['as long as a piece', randomBytes(2, piece), {}],
    ['longer than a piece by one byte', randomBytes(3, piece + 1), { shingle: { of: 'bytes', length: 24 } }],
    ['a piece and one overlap', randomBytes(4, 2 * piece - 4), {}],
    ['one letter', new Uint8Array(piece + 99).fill(122), { components: 20 }],
    ['few letters', randomBytes(5, piece + 99).map((byte) => 97 + (byte & 1)), { components: 30 }],
    ['more bins than shingles fill', randomBytes(6, 2 * piece).map((byte) => byte % 5), { components: 1000 }],
    ['more bins than a part of the shingles fills', randomBytes(7, 5000), { components: 1000 }],
    ['one word', new Uint8Array(piece + 99).fill(122), { shingle: { of: 'words', length: 1 } }],
    [
      'one word twice',
      new Uint8Array(piece + 99).fill(122).fill(32, 70_000, 70_001),
      { shingle: { of: 'words', length: 2 } },
    ],
    [
      'too few words',
      new Uint8Array(piece + 99).fill(122).fill(32, 70_000, 70_001),
      { shingle: { of: 'words', length: 3 } },
    ],
    [
      'few words',
      randomBytes(8, 2 * piece).map((byte) => (byte < 100 ? 32 : 97 + (byte & 1))),
      { shingle: { of: 'words', length: 3 } },
    ],
  ];
  it.each(long)('for a document longer than the room for text: %s', (_, bytes, options) => {
    expectEqualForms([Buffer.from('before'), bytes, Buffer.from('behind')], options);
  });

  it('for more documents than are signed at once', () => {
    const documents = Array.from({ length: 2500 }, (_, i) => randomBytes(i, i % 40));
    expectEqualForms(documents, { components: 10, banding: { bands: 3, rows: 3 } });
    const longer = Array.from({ length: 70 }, (_, i) => randomBytes(i, 3000));
    expectEqualForms(longer, { components: 4096, banding: { bands: 4096, rows: 1 } });
    expectEqualForms([randomBytes(1, 250_000)], { components: 16_384, banding: { bands: 1, rows: 16_384 } });
  });
});

describe('a signature', () => {
  const sha = (numbers: Uint32Array | undefined): string | undefined =>
    numbers && createHash('sha256').update(new Uint8Array(numbers.buffer)).digest('hex').slice(0, 16);
  const text = Buffer.from('It was the best of times, it was the worst of times. '.repeat(3));

  // from a restatement in another language
  it.each<[Shingle, number, string]>([
    [{ of: 'bytes', length: 5 }, 100, 'd58c00712db23161'],
    [{ of: 'bytes', length: 24 }, 100, 'b9a4b4667e6147f3'],
    [{ of: 'bytes', length: 3 }, 64, '58c7e90f08e9d3da'],
    [{ of: 'words', length: 5 }, 112, '2e556d9294c91273'],
  ])('is part of a file format: %j, %i components', (shingle, components, digest) => {
    expect(sha(signatureOf(text, { shingle, components }))).toBe(digest);
  });

  it('has band keys that are part of it too', () => {
    expect(sha(bandKeys(signatureOf(text) ?? new Uint32Array(), { bands: 20, rows: 5 }))).toBe('d0e3bae82980415e');
  });

  it('is missing for a document shorter than a shingle, and there for one as long', () => {
    expect(signatureOf(Buffer.from('abcd'))).toBeUndefined();
    expect(signatureOf(Buffer.from('abcde'))).toHaveLength(100);
    expect(signatureOf(Buffer.from('a b c'), { shingle: { of: 'words', length: 4 } })).toBeUndefined();
  });

  it('is refused for shingles, components and bands that there are not', () => {
    for (const length of [0, 65, 2.5, Number.NaN]) {
      expect(() => new Signer({ shingle: { of: 'bytes', length } })).toThrow(/1 to 64|no shingle/);
    }
    for (const components of [0, 16_385, 1.5]) expect(() => new Signer({ components })).toThrow(/signature/);
    expect(() => new Signer({ banding: { bands: 21, rows: 5 } })).toThrow(/no 21 bands of 5 rows/);
  });

  it('depends on the set of shingles alone', () => {
    expect(signatureOf(Buffer.from('zzzzz'))).toEqual(signatureOf(Buffer.alloc(400, 'z')));
    expect(signatureOf(Buffer.from('abcabcab'))).toEqual(signatureOf(Buffer.from('cabcabcabcabc')));
  });
});

describe('a batch', () => {
  it('is refused where offsets leave the buffer or go back', () => {
    const bytes = new Uint8Array(10);
    for (const offsets of [[0, 11], [5, 4], [0, 8, 4, 10], []]) {
      expect(() => new Signer().sign({ bytes, offsets: Uint32Array.from(offsets) })).toThrow(RangeError);
    }
  });

  it('may be empty', () => {
    expect(new Signer().sign(packDocuments([])).signatures).toHaveLength(0);
  });
});
