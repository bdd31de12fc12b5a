import type { FloatMatrix } from '../../../src/model/quantize/floatMatrix.ts';
import { emptyGram, type Gram } from '../../../src/model/quantize/products.ts';
import { dequantizedMatrix, type QuantizedMatrix } from '../../../src/model/quantized/matrix.ts';

/** Seeded numbers with the shape of a bell (twelve uniform ones, added). */
export function bell(seed: number): () => number {
  let state = (seed + 1) >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b, -6);
}

export const matrix = (outputs: number, inputs: number, values: ArrayLike<number>): FloatMatrix => ({
  outputs,
  inputs,
  values: Float32Array.from(values),
});

export function randomMatrix(outputs: number, inputs: number, random: () => number): FloatMatrix {
  return matrix(outputs, inputs, Array.from({ length: outputs * inputs }, random));
}

/** The sums over rows x of f32[T, in], in plain loops. */
export function gramOf(x: Float32Array, inputs: number): Gram {
  const gram = emptyGram(inputs);
  for (let at = 0; at < x.length; at += inputs) {
    for (let i = 0; i < inputs; i++) {
      gram.magnitudes[i]! += Math.abs(x[at + i]!);
      for (let j = 0; j < inputs; j++) gram.products[i * inputs + j]! += x[at + i]! * x[at + j]!;
    }
    gram.tokens++;
  }
  return gram;
}

/** Inputs f32[T, in] that go together: each token is a mix of few numbers, and a little of its own. */
export function correlated(tokens: number, inputs: number, random: () => number): Float32Array {
  const parts = 4;
  const mix = Array.from({ length: parts * inputs }, random);
  const x = new Float32Array(tokens * inputs);
  for (let t = 0; t < tokens; t++) {
    const own = Array.from({ length: parts }, random);
    for (let i = 0; i < inputs; i++) {
      x[t * inputs + i] = own.reduce((sum, value, p) => sum + value * mix[p * inputs + i]!, 0.2 * random());
    }
  }
  return x;
}

/** Squared errors of the outputs over the tokens of x: sum over tokens and rows of `((w - q) x)^2`. */
export function outputError(
  { outputs, inputs, values }: FloatMatrix,
  rounded: QuantizedMatrix,
  x: Float32Array,
): number {
  const after = dequantizedMatrix(rounded);
  let error = 0;
  for (let at = 0; at < x.length; at += inputs) {
    for (let o = 0; o < outputs; o++) {
      let off = 0;
      for (let i = 0; i < inputs; i++) off += (values[o * inputs + i]! - after[o * inputs + i]!) * x[at + i]!;
      error += off * off;
    }
  }
  return error;
}

/** Sum of `importance * (w - q)^2`. */
export function weightError(
  { inputs, values }: FloatMatrix,
  rounded: QuantizedMatrix,
  importance?: Float64Array,
): number {
  const after = dequantizedMatrix(rounded);
  return values.reduce((sum, value, i) => sum + (importance?.[i % inputs] ?? 1) * (value - after[i]!) ** 2, 0);
}
