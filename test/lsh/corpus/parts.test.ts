import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CorpusPart,
  partOf,
  ROW_BYTES,
  readRow,
  requireNumbers,
  writeRow,
} from '../../../src/lsh/corpus/parts.ts';

describe('a row of a document', () => {
  it('is read as it was written, wherever it lies, with files beyond 4 GiB', () => {
    const end = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    const row = fc.record({
      hash: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      idEnd: end,
      textEnd: end,
      signed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), fc.nat(9), (rows, offset) => {
        const bytes = new Uint8Array(offset + ROW_BYTES * rows.length);
        const view = new DataView(bytes.buffer, offset);
        for (const [i, one] of rows.entries()) writeRow(view, ROW_BYTES * i, one);
        const read = rows.map((_, i) => readRow(bytes.subarray(offset + ROW_BYTES * i, offset + ROW_BYTES * (i + 1))));
        expect(read).toEqual(rows);
      }),
    );
  });

  it('is little-endian: hash, f64, f64, u32, four bytes of nothing', () => {
    const view = new DataView(new ArrayBuffer(ROW_BYTES));
    const hash = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    writeRow(view, 0, { hash, idEnd: 1, textEnd: 2, signed: true });
    expect(Buffer.from(view.buffer).toString('hex')).toBe(
      `${Buffer.from(hash).toString('hex')}000000000000f03f00000000000000400100000000000000`,
    );
  });
});

describe('partOf', () => {
  it('finds the part of every document, and of no other, whichever are empty', () => {
    const sizes = fc.array(fc.nat(4), { maxLength: 9 });
    fc.assert(
      fc.property(sizes, fc.constantFrom(0, 2 ** 31 - 3, 2 ** 32 - 50), (documents, start) => {
        let first = start;
        const parts = documents.map((count, i): CorpusPart => {
          const part = { file: `${i}`, first, documents: count, blocks: [] };
          first += count;
          return part;
        });
        const names = documents.flatMap((count, i) => new Array<string>(count).fill(`${i}`));
        expect(names.map((_, i) => partOf(parts, start + i).file)).toEqual(names);
        for (const outside of [start - 1, first]) expect(() => partOf(parts, outside)).toThrow('No part');
      }),
    );
  });
});

describe('requireNumbers', () => {
  it('refuses a corpus whose documents have no 32-bit numbers', () => {
    expect(() => requireNumbers(2 ** 32 - 2)).not.toThrow();
    expect(() => requireNumbers(2 ** 32 - 1)).toThrow(expect.objectContaining({ code: 'CORPUS_TOO_LARGE' }));
  });
});
