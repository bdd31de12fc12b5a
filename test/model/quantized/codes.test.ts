import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromF16 } from '../../../src/kernels/blocks/half.ts';
import { unpackedWeights } from '../../../src/kernels/weights/cpu.ts';
import { deviceWords } from '../../../src/model/gpu/deviceWords.ts';
import { badCode, decodeRows, type PackedRows, packedCodes } from '../../../src/model/quantized/codes.ts';
import { isBlocked, rowBytes } from '../../../src/model/quantized/layout.ts';
import {
  dequantizedMatrix,
  QUANTIZED_TYPES,
  type QuantizedMatrix,
  type QuantizedType,
  scaleCount,
} from '../../../src/model/quantized/matrix.ts';

const ranges = { int8: [-127, 127], 'int8-channel': [-127, 127], int4: [0, 15], 'int4-64': [0, 15], ternary: [-1, 1] };

/** Finite binary16 numbers of either sign, subnormal ones too. */
const half = fc.tuple(fc.integer({ min: 0, max: 0x7bff }), fc.boolean()).map(([bits, minus]) => {
  return fromF16(minus ? bits | 0x8000 : bits);
});
const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 100), max: 2 ** 100 });

function matrices(type: QuantizedType): fc.Arbitrary<QuantizedMatrix> {
  const [min, max] = ranges[type] as [number, number];
  return fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 140 })).chain(([outputs, inputs]) => {
    const exactly = (count: number) => ({ minLength: count, maxLength: count });
    const groups = exactly(scaleCount(type, outputs, inputs));
    return fc
      .tuple(
        fc.array(fc.integer({ min, max }), exactly(outputs * inputs)),
        fc.array(isBlocked(type) ? half : float, groups),
        fc.array(half, groups),
      )
      .map(([codes, scales, minima]) => ({
        type,
        outputs,
        inputs,
        codes: Int8Array.from(codes),
        scales: Float32Array.from(scales),
        minima: isBlocked(type) ? Float32Array.from(minima) : undefined,
      }));
  });
}

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
  it('is decoded to what its codes stand for, bit for bit', () => {
    fc.assert(
      fc.property(matrices(type), (matrix) => {
        const rows = packed(matrix);
        expect(rows.bytes.length).toBe(matrix.outputs * rowBytes(type, matrix.inputs));
        const found = new Float32Array(matrix.codes.length);
        decodeRows(rows, found);
        expect(found).toEqual(dequantizedMatrix(matrix));
      }),
      { numRuns: 150 },
    );
  });

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
