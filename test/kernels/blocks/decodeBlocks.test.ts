import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBlocks } from '../../../src/kernels/blocks/decodeBlocks.ts';
import { blockBytes, blockLayouts, blockTypes } from '../../../src/kernels/blocks/layout.ts';
import { anyBlock, bits } from './fields.ts';

const ONE = [0x00, 0x3c];
const HALF = [0x00, 0x38];

function decoded(type: (typeof blockTypes)[number], bytes: readonly number[] | Uint8Array): Float32Array {
  const { values, bytes: size } = blockLayouts[type];
  const target = new Float32Array((bytes.length / size) * values);
  decodeBlocks(type, Uint8Array.from(bytes), target);
  return target;
}

describe('decoded blocks', () => {
  it('are plain numbers for F32, F16 and BF16', () => {
    expect([...decoded('F32', [0, 0, 0xc0, 0x3f, 0, 0, 0, 0x80])]).toEqual([1.5, -0]);
    expect([...decoded('F16', [0x00, 0x3e, 0x01, 0x00, 0x00, 0xfc])]).toEqual([
      1.5,
      2 ** -24,
      Number.NEGATIVE_INFINITY,
    ]);
    expect([...decoded('BF16', [0xc0, 0x3f, 0x80, 0xff])]).toEqual([1.5, Number.NEGATIVE_INFINITY]);
  });

  it('are scaled signed bytes for Q8_0', () => {
    const weights = Array.from({ length: 32 }, (_, i) => i * 8 - 128);
    expect([...decoded('Q8_0', [...HALF, ...weights])]).toEqual(weights.map((weight) => weight / 2));
  });

  it('are lines over 32 values for Q4_K: the second four scales and minima are split', () => {
    const block = new Uint8Array(144);
    block.set([...ONE, ...HALF]);
    // sub-block 0: scale 2, minimum 6; sub-block 5: scale 0b100011 = 35, minimum 0b010100 = 20
    block[4] = 2;
    block[8] = 6;
    block[5] = 0b10 << 6;
    block[9] = 0b01 << 6;
    block[13] = 0b0011 | (0b0100 << 4);
    block[16] = 0x0f; // weight 0 is 15, weight 32 is 0
    block[16 + 64 + 7] = 0xe0; // weight 128 + 7 is 0, weight 160 + 7 is 14
    const values = decoded('Q4_K', block);
    expect(values[0]).toBe(15 * 2 - 3);
    expect(values[1]).toBe(-3);
    expect(values[32]).toBe(0);
    expect(values[128 + 7]).toBe(0);
    expect(values[160 + 7]).toBe(14 * 35 - 10);
    expect(values[160 + 8]).toBe(-10);
  });

  it('are scaled 6-bit numbers for Q6_K: four low and two high bits', () => {
    const block = new Uint8Array(210);
    block.set(ONE, 208);
    block.fill(1, 192, 208);
    block[192 + 9] = 0xfe; // sub-block 9 holds values 144 to 159
    block[64 + 16] = 0x0f; // low bits of value 128 + 16 is in sub-block 9 as well as of 208
    block[128 + 32 + 16] = 0b01; // high bits of value 144
    const values = decoded('Q6_K', block);
    expect(values[0]).toBe(-32);
    expect(values[128 + 16]).toBe(-2 * (0b011111 - 32));
    expect(values[128 + 16 + 64]).toBe(-32);
  });

  it.each(blockTypes)('are what the fields say, for any fields: %s', (type) => {
    fc.assert(
      fc.property(fc.array(anyBlock[type], { minLength: 1, maxLength: 3 }), (blocks) => {
        const values = decoded(type, Buffer.concat(blocks.map((block) => block.bytes)));
        expect(bits(values)).toEqual(bits(Float32Array.from(blocks.flatMap((block) => [...block.values]))));
      }),
    );
  });

  it('are refused where the bytes do not fit', () => {
    for (const type of blockTypes) {
      const values = 2 * blockLayouts[type].values;
      const bytes = new Uint8Array(blockBytes(type, values) + 1);
      expect(() => decodeBlocks(type, bytes, new Float32Array(values))).toThrow(RangeError);
    }
    expect(() => decodeBlocks('Q4_K', new Uint8Array(72), new Float32Array(128))).toThrow(RangeError);
  });
});
