import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NpyArray, npyArray, npyBytes, npyChunks, parseNpy } from '../../src/formats/npy.ts';

const written = (array: NpyArray): Buffer => Buffer.concat([...npyChunks(array)]);

/** Made by `numpy.save` of NumPy 2.4.6: the header without the spaces that fill it up to 127 bytes, and the data. */
const golden: [NpyArray, string, string][] = [
  [
    npyArray(Float32Array.of(1, -2.5, 3, 0, Number.POSITIVE_INFINITY, 7), [2, 3]),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
    '0000803f000020c000004040000000000000807f0000e040',
  ],
  [npyArray(new Int32Array(0)), "{'descr': '<i4', 'fortran_order': False, 'shape': (0,), }", ''],
  [
    npyArray(BigInt64Array.of(2n ** 62n, -1n)),
    "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
    '0000000000000040ffffffffffffffff',
  ],
  [npyArray(Buffer.from('bytes')), "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", '6279746573'],
  [npyArray(Float64Array.of(2.5), []), "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", '0000000000000440'],
  [
    npyArray(new Float32Array(0), [12345678901, 0]),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12345678901, 0), }",
    '',
  ],
];

describe('a .npy file', () => {
  it.each(golden)('is what NumPy writes: %#', (array, header, data) => {
    const expected = Buffer.concat([
      Buffer.from(`\x93NUMPY\x01\x00v\x00${header.padEnd(117)}\n`, 'latin1'),
      Buffer.from(data, 'hex'),
    ]);
    expect(written(array)).toEqual(expected);
    expect(npyBytes(array)).toBe(expected.length);
  });

  it('gives back any array, and begins its data at a multiple of 64', () => {
    const side = fc.nat({ max: 4 });
    fc.assert(
      fc.property(
        fc.array(side, { maxLength: 40 }),
        fc.constantFrom('<f4', '<f8', '<i4', '<i8', '|u1'),
        (shape, type) => {
          const size = shape.reduce((a, b) => a * b, { '<f4': 4, '<f8': 8, '<i4': 4, '<i8': 8, '|u1': 1 }[type]);
          fc.pre(size < 10_000);
          const data = Uint8Array.from({ length: size }, (_, i) => i % 251);
          const file = written({ type, shape, chunks: [data.subarray(0, size >> 1), data.subarray(size >> 1)] });
          expect((file.length - size) % 64).toBe(0);
          const read = parseNpy(file);
          expect({ ...read, data: Buffer.from(read.data) }).toEqual({ type, shape, data: Buffer.from(data) });
        },
      ),
    );
  });

  it('is read in versions 2 and 3, whose headers may be longer', () => {
    const hex =
      `934e554d50590200740000007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c202773` +
      `68617065273a2028312c292c207d${'20'.repeat(58)}0a0000c03f`;
    for (const version of [2, 3]) {
      const file = Buffer.from(hex, 'hex');
      file[6] = version;
      expect(parseNpy(file)).toMatchObject({ type: '<f4', shape: [1], data: Buffer.from('0000c03f', 'hex') });
    }
  });

  const good = written(npyArray(Float32Array.of(1, 2, 3, 4), [2, 2]));
  const edited = (from: string, to: string): Buffer =>
    Buffer.from(good.toString('latin1').replace(from, to.padEnd(from.length)), 'latin1');
  it.each([
    ['nothing', new Uint8Array()],
    ['something else', Buffer.from('PK\x03\x04 and so on')],
    ['an unknown version', Buffer.from(good).fill(9, 6, 7)],
    ['a header beyond the end', good.subarray(0, 100)],
    ['too few values', good.subarray(0, good.length - 1)],
    ['too many values', Buffer.concat([good, Buffer.alloc(4)])],
    ['a type of its own', edited("'<f4'", "'>f4'")],
    ['objects', edited("'<f4'", "'|O'")],
    ['columns first', edited('False', 'True')],
    ['a shape that is none', edited('(2, 2)', '(-1,)')],
    ['a size without end', edited('(2, 2), }', '(99999999999999999999,),}')],
  ])('is refused where it is %s', (_, file) => {
    expect(() => parseNpy(file, 'x.npy')).toThrow(expect.objectContaining({ code: 'BAD_NPY', path: 'x.npy' }));
  });

  it('is not written with other content than its shape needs', () => {
    expect(() => written({ type: '<f4', shape: [3], chunks: [new Uint8Array(8)] })).toThrow(
      expect.objectContaining({ code: 'BAD_NPY' }),
    );
  });
});
