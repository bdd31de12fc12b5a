import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toF16 } from '../../../src/kernels/blocks/half.ts';
import { badCode, packedCodes } from '../../../src/model/quantized/codes.ts';
import { isBlocked, rowBytes } from '../../../src/model/quantized/layout.ts';
import { dequantizedMatrix, QUANTIZED_TYPES, type QuantizedMatrix } from '../../../src/model/quantized/matrix.ts';
import { RowDecoder } from '../../../src/model/quantized/rowDecoder.ts';
import { matrices } from './matrices.ts';

const PAGE = 65_536;
const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
const decoder = new RowDecoder(memory);

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

/** Decodes at these addresses, and checks that nothing around the target is touched. */
function inMemory(matrix: QuantizedMatrix, source: number, target: number): Float32Array {
  const { type, outputs, inputs, scales, minima } = matrix;
  const whole = new Uint8Array(memory.buffer);
  whole.fill(0xa5);
  let address = source;
  const put = (bytes: Uint8Array): number => {
    whole.set(bytes, address);
    address += bytes.length;
    return address - bytes.length;
  };
  const stored = (values: Float32Array): Uint8Array =>
    new Uint8Array(isBlocked(type) ? Uint16Array.from(values, toF16).buffer : values.slice().buffer);
  const rows = {
    type,
    inputs,
    rows: outputs,
    codes: put(packedCodes(matrix)),
    scales: put(stored(scales)),
    minima: minima && put(stored(minima)),
  };
  decoder.decode(rows, target);
  const end = target + 4 * outputs * inputs;
  for (const around of [whole.subarray(target - 64, target), whole.subarray(end, end + 64)]) {
    expect(around.every((byte) => byte === 0xa5)).toBe(true);
  }
  return new Float32Array(whole.slice(target, end).buffer);
}

describe.each(QUANTIZED_TYPES)('rows of %s', (type) => {
  it('are decoded to what their codes stand for, bit for bit, from any address', () => {
    fc.assert(
      fc.property(matrices(type), fc.nat(40), fc.nat(10), (matrix, shift, words) => {
        const found = inMemory(matrix, 1 + shift, PAGE + 4 * words);
        expect(bits(found)).toEqual(bits(dequantizedMatrix(matrix)));
      }),
      { numRuns: 300 },
    );
  });

  it('must lie in the memory, apart from what they become', () => {
    const rows = { type, inputs: 64, rows: 3, codes: 0, scales: 1024, minima: 2048 };
    expect(() => decoder.decode(rows, 4 * PAGE - 4 * 64 * 3 + 4)).toThrow(RangeError);
    expect(() => decoder.decode({ ...rows, codes: 4 * PAGE - rowBytes(type, 64) }, PAGE)).toThrow(RangeError);
    expect(() => decoder.decode({ ...rows, scales: -4 }, PAGE)).toThrow(RangeError);
    expect(() => decoder.decode(rows, 2)).toThrow(RangeError);
    expect(() => decoder.decode({ ...rows, codes: PAGE + 4 }, PAGE)).toThrow('overlap');
    expect(() => decoder.decode({ ...rows, scales: PAGE + 3 * 64 * 4 - 1 }, PAGE)).toThrow('overlap');
    decoder.decode(rows, PAGE);
  });
});

describe('codes', () => {
  it('of every byte are decoded to five digits to base 3, the lowest first', () => {
    const codes = Int8Array.from({ length: 243 * 5 }, (_, i) => (Math.floor(Math.floor(i / 5) / 3 ** (i % 5)) % 3) - 1);
    const matrix = { type: 'ternary', outputs: 1, inputs: codes.length, codes, scales: Float32Array.of(1) } as const;
    expect([...packedCodes(matrix)]).toEqual(Array.from({ length: 243 }, (_, byte) => byte));
    expect(inMemory(matrix, 0, PAGE)).toEqual(Float32Array.from(codes));
  });

  it('are told from what is none, wherever that is', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 70 });
    fc.assert(
      fc.property(fc.constantFrom(...QUANTIZED_TYPES), bytes, fc.nat(20), (type, some, address) => {
        new Uint8Array(memory.buffer).fill(0x80);
        new Uint8Array(memory.buffer).set(some, address);
        expect(decoder.areCodes(type, address, some.length)).toBe(badCode(type, some) === -1);
        const sound = some.map((byte) => (type === 'ternary' ? byte % 243 : byte === 0x80 ? 0 : byte));
        new Uint8Array(memory.buffer).set(sound, address);
        expect(decoder.areCodes(type, address, some.length)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(() => decoder.areCodes('int8', 4 * PAGE - 1, 2)).toThrow(RangeError);
  });
});
