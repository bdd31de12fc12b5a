import { ONNX_TYPE, type OnnxBuilder } from './builder.ts';
import { FedWeights } from './fedWeights.ts';

/** Name of the input with the scales of a weight. */
export const scalesOf = (name: string): string => `${name}:scales`;

const ZERO_POINT = 128;
const LEVELS = 127;

/**
 * Integer weights i8[in, out] with a scale for every output. A row of x is quantized with a scale of its own, so what a
 * token becomes depends on nothing but itself; products and sums are integers, exact on every machine.
 */
export class FedInt8Weights extends FedWeights {
  /** Quantized rows that several weights are multiplied with. */
  readonly #quantized = new Map<string, { readonly values: string; readonly scales: string }>();

  override linear(g: OnnxBuilder, x: string, name: string): string {
    const weight = g.input(name, ONNX_TYPE.I8, [`${name}:in`, `${name}:out`]);
    const scales = g.input(scalesOf(name), ONNX_TYPE.F32, [`${name}:out`]);
    const rows = this.#quantized.get(x) ?? quantize(g, x);
    this.#quantized.set(x, rows);
    const product = g.microsoft('MatMulIntegerToFloat', [rows.values, weight, g.float(1), scales, g.byte(ZERO_POINT)]);
    return g.op('Mul', [product, rows.scales]);
  }
}

/** u8[T, n] around 128 with f32[T, 1]: the largest magnitude of a row becomes 127. */
function quantize(g: OnnxBuilder, x: string): { readonly values: string; readonly scales: string } {
  const most = g.op('ReduceMax', [x, g.ints(-1)], { keepdims: 1 });
  const least = g.op('ReduceMin', [x, g.ints(-1)], { keepdims: 1 });
  // a row of zeros shall stay one
  const largest = g.op('Max', [most, g.op('Neg', [least]), g.float(1e-30)]);
  const level = g.op('Mul', [x, g.op('Div', [g.float(LEVELS), largest])]);
  return {
    values: g.op('QuantizeLinear', [level, g.float(1), g.byte(ZERO_POINT)]),
    scales: g.op('Div', [largest, g.float(LEVELS)]),
  };
}
