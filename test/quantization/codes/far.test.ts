import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { linearCoder } from '../../../src/quantization/codes/coder.ts';
import { eachSpan, groupsIn, rowBytesOf } from '../../../src/quantization/codes/spec.ts';
import { choices, kinds, specOf } from './specs.ts';

/** Numbers before the rows: a system without 16 GiB may not lend so many pages, written or not, and shows bytes beyond 2^31 alone. */
const FAR = totalmem() > 2 ** 34 ? 2 ** 31 : 2 ** 29;

/** The last rows of an array of so many numbers. Pages that nobody writes take no memory. */
function farRows(near: Float32Array, columns: number): Float32Array {
  const all = new Float32Array(FAR + 8 * columns);
  const rows = all.subarray(all.length - near.length);
  rows.set(near);
  return rows;
}

describe('beyond 2^31', () => {
  it('rows have the codes they have anywhere, and codes the values', () => {
    const columns = 100;
    const near = Float32Array.from({ length: 6 * columns }, (_, i) => Math.sin(i) * 3);
    const far = farRows(near, columns);
    expect(far.byteOffset).toBeGreaterThan(4 * FAR);
    const bytes = new Uint8Array(2 ** 31 + 10_000);
    for (const kind of kinds) {
      const coder = linearCoder(specOf({ ...choices, kind, columns, bits: 11 }));
      const encoded = coder.encode(near);
      expect(coder.encode(far)).toEqual(encoded);
      const [codes = bytes, ...others] = encoded;
      const farCodes = bytes.subarray(bytes.length - codes.length);
      farCodes.set(codes);
      expect(coder.decode([farCodes, ...others])).toEqual(coder.decode(encoded));
    }
  });

  it('rows are cut without a gap, and offsets of bits beyond 2^32 are whole numbers of bytes', () => {
    const columns = 1_000_003;
    const rows = 4300;
    const spec = specOf({ ...choices, kind: 'variable rows', columns, bits: 11 });
    const rowBytes = rowBytesOf(spec.form);
    expect(rowBytes).toBe(1_375_005);
    let at = 0;
    let lastByte = 0;
    eachSpan(spec, rows, (row, some, column, width) => {
      if (row * columns + column !== at || some !== 1) throw new Error(`a gap at ${at}`);
      at += width;
      lastByte = row * rowBytes + rowBytesOf({ ...spec.form, columns: column + width });
    });
    expect(at).toBe(rows * columns);
    expect(at).toBeGreaterThan(2 ** 32);
    expect(lastByte).toBe(rows * 1_375_005);
  });

  it('blocks of a row have their numbers', () => {
    const columns = 4_000_000_128;
    const { form } = specOf({ ...choices, kind: 'int4', columns });
    expect(groupsIn(form, 3, 1, 4_000_000_000, 128)).toEqual([3 * 125_000_004 + 125_000_000, 4]);
    expect(rowBytesOf(form)).toBe(2_000_000_064);
  });
});
