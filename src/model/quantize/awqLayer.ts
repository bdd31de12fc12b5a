import type { ModelConfig } from '../config.ts';
import { dequantizedMatrix, type QuantizedMatrix, type QuantizedType } from '../quantized/matrix.ts';
import { layerShapes } from '../weights.ts';
import type { FloatMatrix } from './floatMatrix.ts';
import {
  dividedRows,
  type InputScales,
  inputImportance,
  inputScales,
  type Judged,
  type Rounder,
  type ScaledInputs,
  scaledColumns,
} from './inputScales.ts';
import type { LayerTensors } from './layerRunner.ts';
import type { Gram, Products } from './products.ts';
import { roundMatrix } from './roundMatrix.ts';

/** What linear weights of a layer read, by the weight that reads it first. */
export type LayerGrams = ReadonlyMap<string, Gram>;

/** A layer whose weights took scales on: the float model computes what it did before, but for rounding to float32. */
export interface FoldedLayer {
  readonly tensors: LayerTensors;
  /** f32[in] of each linear weight: what its columns were multiplied with, and its inputs are divided by. */
  readonly scales: ReadonlyMap<string, Float32Array>;
  /** f64[in] of each linear weight: the mean squares of its inputs as they are then. */
  readonly importance: ReadonlyMap<string, Float64Array>;
  /** What was found for each group of weights, by its first one. */
  readonly found: ReadonlyMap<string, InputScales>;
}

/**
 * Puts scales between the linear weights of a layer and what gives their inputs, group by group, each with the exponent
 * that costs least ({@link inputScales}); nothing is left to compute when the model runs:
 *
 * | columns of   | the inverse goes to                                                              |
 * | ------------ | -------------------------------------------------------------------------------- |
 * | `w2`         | rows of `w3`: the gate's other factor takes it, since their product is what `w2` reads |
 * | `wo`         | rows of `wv`: heads that share values share scales                               |
 * | `w1`, `w3`   | `ffn_norm`                                                                       |
 * | `wq`-`wv`    | `attention_norm`                                                                 |
 */
export async function foldedLayer(
  config: ModelConfig,
  tensors: LayerTensors,
  grams: LayerGrams,
  type: QuantizedType,
  products: Products,
): Promise<FoldedLayer> {
  const shapes = layerShapes(config);
  const matrices = new Map<string, FloatMatrix>();
  const vectors = new Map<string, Float32Array>();
  for (const [name, [outputs = 0, inputs]] of shapes) {
    const values = needed(tensors, name);
    if (inputs === undefined) vectors.set(name, values);
    else matrices.set(name, { outputs, inputs, values });
  }
  const round: Rounder = (matrix, importance) =>
    dequantizedMatrix(roundMatrix(matrix, type, { method: 'mse', importance }));
  const found = new Map<string, InputScales>();
  const importance = new Map<string, Float64Array>();
  const scales = new Map<string, Float32Array>();
  /** What an error of an output counts, once its row was divided. */
  const outputWeights = new Map<string, Float64Array>();
  const judged = (name: string, gram: Gram): Judged => ({
    matrix: needed(matrices, name),
    gram,
    outputs: outputWeights.get(name),
  });
  const scale = async (
    readers: readonly string[],
    others: Omit<ScaledInputs, 'readers'> = {},
  ): Promise<Float32Array> => {
    const first = readers[0] ?? '';
    const gram = needed(grams, first);
    const best = await inputScales({ readers: readers.map((name) => judged(name, gram)), ...others }, round, products);
    found.set(first, best);
    const { channels } = others;
    for (const name of readers) {
      matrices.set(name, scaledColumns(needed(matrices, name), best.scales, channels));
      importance.set(name, inputImportance(gram, best.scales, channels));
      scales.set(
        name,
        Float32Array.from({ length: gram.inputs }, (_, i) => best.scales[channels?.[i] ?? i] ?? 1),
      );
    }
    return best.scales;
  };
  const divideRows = (name: string, divisors: Float32Array): void => {
    matrices.set(name, dividedRows(needed(matrices, name), divisors));
    outputWeights.set(
      name,
      Float64Array.from(divisors, (one) => one * one),
    );
  };
  // one scale for a whole matrix is the only one that rows of different size spoil
  const writer = (name: string, gram: string) => (type === 'int8' ? { writer: judged(name, needed(grams, gram)) } : {});
  divideRows(W3, await scale([W2], writer(W3, W1)));
  divideRows(WV, await scale([WO], { channels: valueChannels(config), ...writer(WV, WQ) }));
  for (const [norm, readers] of [
    ['ffn_norm.weight', [W1, W3]],
    ['attention_norm.weight', [WQ, WK, WV]],
  ] as const) {
    const divisors = await scale(readers);
    vectors.set(
      norm,
      needed(vectors, norm).map((value, i) => value / (divisors[i] ?? 1)),
    );
  }
  const folded = new Map<string, Float32Array>(vectors);
  for (const [name, { values }] of matrices) folded.set(name, values);
  return { tensors: folded, scales, importance, found };
}

/** The linear weights of a folded layer in fewer bits. */
export function roundedLayer(
  config: ModelConfig,
  { tensors, importance }: FoldedLayer,
  type: QuantizedType,
): Map<string, QuantizedMatrix> {
  const rounded = new Map<string, QuantizedMatrix>();
  for (const [name, [outputs = 0, inputs]] of layerShapes(config)) {
    if (inputs === undefined) continue;
    const matrix = { outputs, inputs, values: needed(tensors, name) };
    rounded.set(name, roundMatrix(matrix, type, { method: 'mse', importance: importance.get(name) }));
  }
  return rounded;
}

const WQ = 'attention.wq.weight';
const WK = 'attention.wk.weight';
const WV = 'attention.wv.weight';
const WO = 'attention.wo.weight';
const W1 = 'feed_forward.w1.weight';
const W3 = 'feed_forward.w3.weight';
const W2 = 'feed_forward.w2.weight';

/** Linear weights that read something of their own: every other one reads what one of these does. */
export const READERS: readonly string[] = [WQ, WO, W1, W2];

/** The one of {@link READERS} that reads what a linear weight reads. */
export function readerOf(name: string): string {
  if (name === WK || name === WV) return WQ;
  return name === W3 ? W1 : name;
}

/** For each input of `wo` the row of `wv` that it is a mean of. */
function valueChannels({ heads, kvHeads, headDim }: ModelConfig): Int32Array {
  const group = heads / kvHeads;
  return Int32Array.from(
    { length: heads * headDim },
    (_, i) => Math.floor(Math.floor(i / headDim) / group) * headDim + (i % headDim),
  );
}

/** What a layer has under a name. */
export function needed<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new RangeError(`The layer has no ${name}.`);
  return value;
}
