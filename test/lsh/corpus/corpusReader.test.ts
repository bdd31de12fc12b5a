import { closeSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CorpusReader } from '../../../src/lsh/corpus/corpusReader.ts';
import { type CorpusSettings, ROW_BYTES, writeRow } from '../../../src/lsh/corpus/parts.ts';
import { jaccard } from '../../../src/lsh/jaccard.ts';
import { relatedTexts } from '../texts.ts';
import { cut, temporaryFolder } from './folder.ts';
import { SETTINGS, shortSignature, type TestDocument, writeCorpus } from './writeCorpus.ts';

function readerOf(
  parts: readonly (readonly TestDocument[])[],
  settings: CorpusSettings = SETTINGS,
  first = 0,
): CorpusReader {
  const reader = new CorpusReader(writeCorpus(parts, settings, temporaryFolder().newFile, first), settings);
  onTestFinished(() => reader.close());
  return reader;
}

function estimateOf(a: Uint8Array, b: Uint8Array, settings: CorpusSettings): number {
  const [first, second] = [shortSignature(a, settings), shortSignature(b, settings)];
  return first.filter((value, i) => value === second[i]).length / settings.components;
}

const withId = (text: Uint8Array, i: number): TestDocument => ({ id: `${i}`, text });

describe('CorpusReader', () => {
  it('finds ids and texts of all parts, empty ones among them', () => {
    const { newFile } = temporaryFolder();
    const settings: CorpusSettings = { ...SETTINGS, verify: 'jaccard' };
    const document = fc.record({ id: fc.string({ unit: 'binary' }), text: fc.uint8Array({ maxLength: 12 }) });
    const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(document, { minLength: 1, maxLength: 12 }),
        fractions,
        fc.constantFrom(0, 2 ** 31, 2 ** 32 - 14),
        (documents, cuts, first) => {
          const reader = new CorpusReader(writeCorpus(cut(documents, cuts), settings, newFile, first), settings);
          // backwards, so that the row before is never the one read last
          for (const [i, { id, text }] of [...documents.entries()].toReversed()) {
            expect(reader.id(first + i)).toBe(id);
            expect(reader.text(first + i)).toEqual(text);
            expect(reader.row(first + i).signed).toBe(text.length >= 3);
          }
          for (const outside of [first - 1, first + documents.length])
            expect(() => reader.id(outside)).toThrow('No part');
          reader.close();
        },
      ),
      { numRuns: 50 },
    );
  });

  it('estimates similarity by signatures', () => {
    const texts = [...relatedTexts(1, 300, 0.1), ...relatedTexts(2, 300, 0.3)];
    const reader = readerOf(cut(texts.map(withId), [0.5]));
    for (const [a, one] of texts.entries()) {
      for (const [b, other] of texts.entries()) {
        expect(reader.similarity(a, b)).toBe(a === b ? 1 : estimateOf(one, other, SETTINGS));
      }
    }
    expect(reader.similarity(0, 1)).toBeGreaterThan(0.4);
    expect(reader.similarity(0, 2)).toBeLessThan(0.3);
  });

  it('compares texts where the settings say so, but not those whose signatures differ too much', () => {
    const settings: CorpusSettings = { ...SETTINGS, verify: 'jaccard', components: 100, threshold: 0.8 };
    const texts = [...relatedTexts(1, 600, 0.05), ...relatedTexts(2, 600, 0.5)];
    const reader = readerOf(cut(texts.map(withId), [0.3]), settings);
    const [first, second, third, fourth] = texts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(reader.similarity(0, 1)).toBe(jaccard(first, second, settings.shingle));
    expect(reader.similarity(1, 0)).toBe(jaccard(first, second, settings.shingle));
    expect(jaccard(first, second, settings.shingle)).not.toBe(estimateOf(first, second, settings));
    expect(reader.similarity(2, 3)).toBe(estimateOf(third, fourth, settings));
    expect(estimateOf(third, fourth, settings)).toBeLessThan(0.5);
  });

  it.each([
    ['as large as is compared', 0, true],
    ['larger by a byte', 1, false],
  ])('compares texts of 1 MiB: %s', (_, more, exact) => {
    const settings: CorpusSettings = { ...SETTINGS, verify: 'jaccard', shingle: { of: 'bytes', length: 8 } };
    const [first, second] = relatedTexts(3, 1 << 10, 0.02);
    // the same text over and over: few shingles, and quick to compare
    const large = Buffer.alloc((1 << 20) + more, first);
    const reader = readerOf([[withId(large, 0), withId(second, 1)]], settings);
    const expected = exact ? jaccard(large, second, settings.shingle) : estimateOf(large, second, settings);
    expect(reader.similarity(0, 1)).toBe(expected);
    expect(reader.similarity(1, 0)).toBe(expected);
    expect(jaccard(large, second, settings.shingle)).not.toBe(estimateOf(large, second, settings));
  });

  it('takes equal signatures for equal documents only where the bytes are equal', () => {
    // the same shingles, another number of times
    const texts = [Buffer.from('abcabcabc'), Buffer.from('abcabcabcabc'), Buffer.from('abcabcabc')];
    const reader = readerOf([texts.map(withId)]);
    expect(reader.similarity(0, 1)).toBe(1);
    expect([reader.sameBytes(0, 1), reader.sameBytes(0, 2)]).toEqual([false, true]);
    const byBytes = readerOf([texts.map(withId)], { ...SETTINGS, near: false });
    expect([byBytes.similarity(0, 1), byBytes.similarity(0, 2)]).toEqual([0, 1]);
  });

  it('reads texts beyond 4 GiB', () => {
    const { newFile } = temporaryFolder();
    const file = newFile();
    const far = 2 ** 33;
    const rows = new DataView(new ArrayBuffer(2 * ROW_BYTES));
    for (const i of [0, 1])
      writeRow(rows, ROW_BYTES * i, { hash: new Uint8Array(16), idEnd: i, textEnd: far + 3 * i, signed: true });
    writeFileSync(`${file}.documents`, new Uint8Array(rows.buffer));
    const texts = openSync(`${file}.texts`, 'w');
    writeSync(texts, Buffer.from('end'), 0, 3, far);
    closeSync(texts);
    const reader = new CorpusReader([{ file, first: 0, documents: 2, blocks: [] }], SETTINGS);
    onTestFinished(() => reader.close());
    expect(Buffer.from(reader.text(1)).toString()).toBe('end');
  });

  it.each(['documents', 'ids', 'signatures', 'texts'])(
    'tells of %s that were cut short, or are missing',
    (extension) => {
      const settings: CorpusSettings = { ...SETTINGS, verify: 'jaccard' };
      const texts = relatedTexts(1, 200, 0);
      const parts = writeCorpus(
        [
          [
            { id: 'first', text: texts[0] },
            { id: 'second', text: Buffer.from([...texts[1], 1]) },
          ],
        ],
        settings,
        temporaryFolder().newFile,
      );
      const file = `${parts[0]?.file}.${extension}`;
      const readAll = (): void => {
        const reader = new CorpusReader(parts, settings);
        onTestFinished(() => reader.close());
        reader.id(1);
        reader.text(1);
        reader.similarity(0, 1);
      };
      expect(readAll).not.toThrow();
      truncateSync(file, 5);
      expect(readAll).toThrow(expect.objectContaining({ code: 'DAMAGED', path: file }));
      rmSync(file);
      expect(readAll).toThrow(expect.objectContaining({ code: 'MISSING_FILE', path: file }));
    },
  );

  it('tells of rows that hold nonsense before it takes memory', () => {
    const { newFile } = temporaryFolder();
    const parts = writeCorpus([[{ id: 'first', text: Buffer.from('text') }]], SETTINGS, newFile);
    const file = parts[0]?.file ?? '';
    for (const idEnd of [-1, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 6, 2.5]) {
      const row = new DataView(new ArrayBuffer(ROW_BYTES));
      writeRow(row, 0, { hash: new Uint8Array(16), idEnd, textEnd: 4, signed: true });
      writeFileSync(`${file}.documents`, new Uint8Array(row.buffer));
      const reader = new CorpusReader(parts, SETTINGS);
      onTestFinished(() => reader.close());
      expect(() => reader.id(0), `${idEnd}`).toThrow(expect.objectContaining({ code: 'DAMAGED', path: `${file}.ids` }));
    }
  });
});
