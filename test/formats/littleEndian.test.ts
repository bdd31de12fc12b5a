import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { littleEndianBytes, uint32From } from '../../src/formats/littleEndian.ts';

describe('uint32From', () => {
  it('reads what littleEndianBytes wrote, at any offset, into memory of its own', () => {
    const words = fc.array(fc.nat({ max: 2 ** 32 - 1 }), { maxLength: 8 });
    fc.assert(
      fc.property(words, fc.nat(9), (numbers, offset) => {
        const bytes = new Uint8Array(offset + 4 * numbers.length);
        bytes.set(littleEndianBytes(Uint32Array.from(numbers)), offset);
        const read = uint32From(bytes.subarray(offset));
        bytes.fill(0);
        expect([...read]).toEqual(numbers);
      }),
    );
  });

  it('reads the lowest byte first, without a sign', () => {
    expect([...uint32From(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0x80))]).toEqual([1, 2 ** 31]);
  });

  it('refuses bytes that are no whole numbers', () => {
    expect(() => uint32From(new Uint8Array(6))).toThrow(RangeError);
  });
});
