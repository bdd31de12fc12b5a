import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CheckedField, RowsCheck, rowsFault } from '../../src/formats/checkQuantized.ts';
import type { To } from '../../src/quantization/chain.ts';
import type { Quantizer } from '../../src/quantization/quantizer.ts';
import { quantizerOf } from '../layouts/quantizedFlow.ts';

const fieldOf = (quantizer: Quantizer): CheckedField => ({
  stored: { field: 'embeddings', tensor: 'embeddings', chain: quantizer.chain, columns: quantizer.columns },
  quantizer,
});

/** What is found in ten rows of a chain once they are damaged. */
function faultOf(to: To, damage: (...parts: Buffer[]) => unknown, columns = 4): string | undefined {
  const quantizer = quantizerOf(to, columns);
  const rows = Float32Array.from({ length: 10 * columns }, (_, i) => 1 + ((i * 7) % 11) / 8);
  const parts = quantizer.encode(rows).map((part) => Buffer.from(part));
  expect(rowsFault(fieldOf(quantizer), 10, parts, 0)).toBeUndefined();
  damage(...parts);
  return rowsFault(fieldOf(quantizer), 10, parts, 0);
}

const atRow = (row: number) => new RegExp(`row ${row} holds something that encoding never gives`);

describe('quantized rows', () => {
  it.each<[string, To, number, (...parts: Buffer[]) => unknown, RegExp]>([
    ['a byte of more than five trits', 'ternary', 4, (codes) => codes.writeUInt8(243, 3), atRow(3)],
    ['trits in the padding', 'ternary', 4, (codes) => codes.writeUInt8(codes.readUInt8(2) + 81, 2), atRow(2)],
    ['bits in the padding of int4', 'int4', 3, (codes) => codes.writeUInt8(codes.readUInt8(9) | 0xf0, 9), atRow(4)],
    ['bits in the padding of binary', 'binary', 4, (codes) => codes.writeUInt8(0xff, 7), atRow(7)],
    ['-128 of symmetric int8', 'int8', 4, (codes) => codes.writeInt8(-128, 4 * 9), atRow(9)],
    [
      'a negative scale',
      'int8',
      4,
      (_, scales) => scales?.writeUInt16LE(0xb800, 10),
      /^has -0.5 among embeddings.scales in row 5$/,
    ],
    [
      'an infinite scale',
      'int4',
      4,
      (_, scales) => scales?.writeUInt16LE(0x7c00, 4),
      /^has Infinity among embeddings.scales in row 2$/,
    ],
    [
      'a value that is no number',
      'pca:2',
      4,
      (values) => values.writeFloatLE(Number.NaN, 8 * 6 + 4),
      /^has NaN among embeddings.values in row 6$/,
    ],
  ])('of %s are found by the number of the row', (_, to, columns, damage, message) => {
    expect(faultOf(to, damage, columns)).toMatch(message);
  });

  it('of a part with too few bytes are found', () => {
    const quantizer = quantizerOf('int8');
    const [codes = Buffer.alloc(0), scales = Buffer.alloc(0)] = quantizer.encode(new Float32Array(8).fill(1));
    expect(rowsFault(fieldOf(quantizer), 2, [codes, scales.subarray(2)], 0)).toBe(
      'has 2 bytes of embeddings.scales for 2 rows',
    );
    expect(rowsFault(fieldOf(quantizer), 2, [codes], 0)).toBe('has 0 bytes of embeddings.scales for 2 rows');
  });

  it('are decoded several at a time, and told of one by one', () => {
    const quantizer = quantizerOf('int8');
    const count = fc.integer({ min: 0, max: 5 });
    const counts = fc.array(count, { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(counts, fc.nat(), (rows, place) => {
        const wrong = place % rows.length;
        const found: [number, string][] = [];
        const check = new RowsCheck(fieldOf(quantizer), (row, what) => found.push([row, what]));
        for (const [row, many] of rows.entries()) {
          const parts = quantizer.encode(new Float32Array(4 * many).fill(1));
          if (row === wrong) parts[1]?.fill(0xff);
          check.add(row, many, parts);
        }
        check.end();
        const damaged = rows[wrong] === 0 ? [] : [[wrong, 'NaN among embeddings.scales in row 0']];
        expect(found).toEqual(damaged);
      }),
    );
  });

  it('that are too long and too short by the same bytes are both found', () => {
    const quantizer = quantizerOf('int8');
    const found: number[] = [];
    const check = new RowsCheck(fieldOf(quantizer), (row) => found.push(row));
    const [codes = Buffer.alloc(0), scales = Buffer.alloc(0)] = quantizer.encode(new Float32Array(8).fill(1));
    check.add(0, 2, [codes.subarray(1), scales]);
    check.add(1, 2, [Buffer.concat([codes, codes.subarray(0, 1)]), scales]);
    check.add(2, 2, ['text', null]);
    check.end();
    expect(found).toEqual([0, 1, 2]);
  });
});
