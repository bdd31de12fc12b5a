import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BincodeReader, BincodeWriter } from '../../src/formats/bincode.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('bincode', () => {
  it.each([
    [0, '00'],
    [250, 'fa'],
    [251, 'fbfb00'],
    [1026, 'fb0204'],
    [65535, 'fbffff'],
    [65536, 'fc00000100'],
    [2 ** 32 - 1, 'fcffffffff'],
    [2 ** 32, 'fd0000000001000000'],
    [Number.MAX_SAFE_INTEGER, 'fdffffffffffff1f00'],
  ])('writes the unsigned integer %d as %s', (value, expected) => {
    expect(hex(new BincodeWriter().uint(value).take())).toBe(expected);
  });

  it('writes floats little-endian and strings with their length in bytes', () => {
    expect(hex(new BincodeWriter().f32(1).take())).toBe('0000803f');
    expect(hex(new BincodeWriter().f64(1).take())).toBe('000000000000f03f');
    expect(hex(new BincodeWriter().string('né').take())).toBe('036ec3a9');
  });

  it('reads back whatever it wrote, in any sequence and with blocks of any size', () => {
    const item = fc.oneof(
      fc.record({ kind: fc.constant('uint' as const), value: fc.maxSafeNat() }),
      fc.record({ kind: fc.constant('f64' as const), value: fc.double() }),
      fc.record({ kind: fc.constant('f32' as const), value: fc.float() }),
      fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme', maxLength: 300 }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(item)), fc.integer({ min: 1, max: 600 }), (values, block) => {
        const writer = new BincodeWriter(block);
        const blobs = values.map((items) => {
          for (const { kind, value } of items) writer[kind](value as never);
          return writer.take();
        });
        blobs.forEach((blob, i) => {
          const reader = new BincodeReader(blob);
          for (const { kind, value } of values[i] ?? []) expect(reader[kind]()).toEqual(value);
          reader.end();
        });
      }),
    );
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses %d as an unsigned integer', (value) => {
    expect(() => new BincodeWriter().uint(value)).toThrow(RangeError);
  });

  it.each([
    ['an end inside an integer', 'fb02', (r: BincodeReader) => r.uint()],
    ['an integer of 2^53', 'fd0000000000002000', (r: BincodeReader) => r.uint()],
    ['an integer of 16 bytes', 'fe00', (r: BincodeReader) => r.uint()],
    ['an end inside a string', '0561', (r: BincodeReader) => r.string()],
    ['a string that is not UTF-8', '01ff', (r: BincodeReader) => r.string()],
    ['a boolean of 2', '02', (r: BincodeReader) => r.bool()],
    ['bytes behind the end', '00', (r: BincodeReader) => r.end()],
  ])('refuses %s', (_, bytes, read) => {
    expect(() => read(new BincodeReader(Buffer.from(bytes, 'hex')))).toThrow(
      expect.objectContaining({ code: 'BAD_BINCODE' }),
    );
  });
});
