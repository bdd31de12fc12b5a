import {
  matmul,
  type PackedWeights,
  type WeightType,
  weightLayouts,
  weightsOf,
  weightTypes,
} from '../../src/kernels/index.ts';
import { add, multiplyColumn } from '../elementary/elementwise.ts';
import { addOnlyProduct, dequantise, ternaryCodes } from '../elementary/weights.ts';
import { type Contents, type KernelBench, type KernelCase, normal, normals, scratch, step } from '../kernelHarness.ts';

/** Rows, inputs, outputs: of a short text, of a batch, and of a batch that fills a large device. */
const SHAPES = [
  [16, 768, 768],
  [512, 768, 768],
  [8192, 768, 2048],
] as const;
/** Outputs that the contents of memory repeat after. */
const REPEATED = 64;

/** Sums of 768 products of normal numbers, in another order of roundings. */
const AGREEMENT = { absolute: 1e-3, relative: 1e-5 };

type Shape = (typeof SHAPES)[number];

/** Packed weights, and the float32 ones that they are of where the type is exact. */
function weights(type: WeightType, [, inputs, outputs]: Shape): Record<'weights' | 'scales', Contents> {
  let packed: PackedWeights | undefined;
  const of = () => {
    packed ??= weightsOf(type, normals().subarray(0, REPEATED * inputs), inputs);
    return packed;
  };
  const layout = weightLayouts[type];
  const scales = layout.scales(inputs);
  return {
    weights: { words: outputs * layout.words(inputs), values: () => of().words },
    scales: scales === 0 ? scratch(1) : { words: outputs * scales, values: () => of().scales },
  };
}

/** Against the same product and a sum with what was there before. */
function accumulated(shape: Shape): KernelCase {
  const [rows, inputs, outputs] = shape;
  const sizes = { rows, inputs, outputs };
  const product = { input: 'input', weights: 'weights', scales: 'scales' };
  const count = rows * outputs;
  return {
    name: `f32 added to what is there (${shape.join(', ')})`,
    memory: {
      input: normal(rows * inputs),
      ...weights('f32', shape),
      output: normal(count),
      before: normal(count),
      products: scratch(count),
      result: scratch(count),
    },
    fused: [step(matmul('f32'), { ...sizes, accumulate: 1 }, { ...product, output: 'output' })],
    unfused: [
      step(matmul('f32'), { ...sizes, accumulate: 0 }, { ...product, output: 'products' }),
      step(add, { count }, { a: 'products', b: 'before', y: 'result' }),
    ],
    outputs: { output: { unfused: 'result', ...AGREEMENT } },
  };
}

/** Against weights that are brought into float32 first. */
function dequantised(type: WeightType, shape: Shape): KernelCase {
  const [rows, inputs, outputs] = shape;
  const sizes = { rows, inputs, outputs, accumulate: 0 };
  const packed = { weights: 'weights', scales: 'scales' };
  return {
    name: `${type} (${shape.join(', ')})`,
    memory: {
      input: normal(rows * inputs),
      ...weights(type, shape),
      output: scratch(rows * outputs),
      floats: scratch(outputs * inputs),
      none: scratch(1),
      result: scratch(rows * outputs),
    },
    fused: [step(matmul(type), sizes, { input: 'input', ...packed, output: 'output' })],
    unfused: [
      step(dequantise(type), { inputs, outputs }, { ...packed, values: 'floats' }),
      step(matmul('f32'), sizes, { input: 'input', weights: 'floats', scales: 'none', output: 'result' }),
    ],
    outputs: { output: { unfused: 'result', ...AGREEMENT } },
  };
}

/** Against codes that are brought into float32 first, then added and subtracted, then scaled. */
function addedOnly(shape: Shape): KernelCase {
  const [rows, inputs, outputs] = shape;
  const sizes = { rows, inputs, outputs, accumulate: 0 };
  const packed = { weights: 'weights', scales: 'scales' };
  return {
    name: `ternary (${shape.join(', ')})`,
    memory: {
      input: normal(rows * inputs),
      ...weights('ternary', shape),
      output: scratch(rows * outputs),
      codes: scratch(outputs * inputs),
      none: scratch(1),
      sums: scratch(rows * outputs),
      result: scratch(rows * outputs),
    },
    fused: [step(matmul('ternary'), sizes, { input: 'input', ...packed, output: 'output' })],
    unfused: [
      step(ternaryCodes, { inputs, outputs }, { ...packed, codes: 'codes' }),
      step(addOnlyProduct, sizes, { input: 'input', weights: 'codes', scales: 'none', output: 'sums' }),
      step(multiplyColumn, { rows, columns: outputs }, { x: 'sums', column: 'scales', y: 'result' }),
    ],
    outputs: { output: { unfused: 'result', ...AGREEMENT } },
  };
}

const CASES: Partial<Readonly<Record<WeightType, (shape: Shape) => KernelCase>>> = {
  f32: accumulated,
  ternary: addedOnly,
};

const matmulBench: KernelBench = {
  name: 'matmul',
  cases: weightTypes.flatMap((type) => SHAPES.map((shape) => CASES[type]?.(shape) ?? dequantised(type, shape))),
};

export default matmulBench;
