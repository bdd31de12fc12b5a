import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unpackedWeights } from '../../../src/kernels/weights/cpu.ts';
import { deviceWords } from '../../../src/model/gpu/deviceWords.ts';
import { badCode, type PackedRows, packedCodes } from '../../../src/model/quantized/codes.ts';
import { isBlocked } from '../../../src/model/quantized/layout.ts';
import {
  dequantizedMatrix,
  QUANTIZED_TYPES,
  type QuantizedMatrix,
  type QuantizedType,
  scaleCount,
} from '../../../src/model/quantized/matrix.ts';
import { matrices } from './matrices.ts';

const packed = (matrix: QuantizedMatrix): PackedRows => {
  const { type, inputs, outputs, scales, minima } = matrix;
  return { type, inputs, rows: outputs, bytes: packedCodes(matrix), scales, minima };
};

describe('the bytes of a matrix', () => {
  it('are what the format says, by hand', () => {
    const matrix = (type: QuantizedType, inputs: number, codes: number[]): QuantizedMatrix => {
      const outputs = codes.length / inputs;
      const scales = new Float32Array(scaleCount(type, outputs, inputs));
      return {
        type,
        outputs,
        inputs,
        codes: Int8Array.from(codes),
        scales,
        minima: isBlocked(type) ? scales : undefined,
      };
    };
    expect([...packedCodes(matrix('int8', 3, [1, -127, 0]))]).toEqual([1, 0x81, 0]);
    // two rows of three: each begins on a byte of its own
    expect([...packedCodes(matrix('int4', 3, [1, 2, 3, 15, 0, 8]))]).toEqual([0x21, 0x03, 0x0f, 0x08]);
    // digits 0 1 2 1 0 are 0 + 3 + 18 + 27; then 2 and four digits 1
    expect([...packedCodes(matrix('ternary', 6, [-1, 0, 1, 0, -1, 1]))]).toEqual([48, 122]);
    expect([...packedCodes(matrix('ternary', 5, [1, 1, 1, 1, 1]))]).toEqual([242]);
  });

  it('refuse what no code gives', () => {
    expect(badCode('int8', Uint8Array.of(0, 0x81, 0x80))).toBe(2);
    expect(badCode('int8-channel', Uint8Array.of(0x7f, 0x81))).toBe(-1);
    expect(badCode('ternary', Uint8Array.of(242, 243))).toBe(1);
    expect(badCode('int4', Uint8Array.of(255))).toBe(-1);
  });
});

describe.each(QUANTIZED_TYPES)('a matrix of %s', (type) => {
  it('stands for the same on a GPU', () => {
    fc.assert(
      fc.property(matrices(type), (matrix) => {
        const form = isBlocked(type) ? 'int4' : type === 'ternary' ? 'ternary' : 'int8';
        const found = unpackedWeights(form, deviceWords(packed(matrix)), matrix.inputs);
        // a minus before a zero is nothing that a product shows
        expect(Float32Array.from(found, (value) => value + 0)).toEqual(
          dequantizedMatrix(matrix).map((value) => value + 0),
        );
      }),
      { numRuns: 150 },
    );
  });
});
