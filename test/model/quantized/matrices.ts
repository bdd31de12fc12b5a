import fc from 'fast-check';
import { fromF16 } from '../../../src/kernels/blocks/half.ts';
import { isBlocked } from '../../../src/model/quantized/layout.ts';
import { type QuantizedMatrix, type QuantizedType, scaleCount } from '../../../src/model/quantized/matrix.ts';

const ranges = { int8: [-127, 127], 'int8-channel': [-127, 127], int4: [0, 15], 'int4-64': [0, 15], ternary: [-1, 1] };

/** Finite binary16 numbers of either sign, subnormal ones too. */
const half = fc.tuple(fc.integer({ min: 0, max: 0x7bff }), fc.boolean()).map(([bits, minus]) => {
  return fromF16(minus ? bits | 0x8000 : bits);
});
const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 100), max: 2 ** 100 });

/** Matrices of any codes and scales, with up to 140 inputs. */
export function matrices(type: QuantizedType): fc.Arbitrary<QuantizedMatrix> {
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
