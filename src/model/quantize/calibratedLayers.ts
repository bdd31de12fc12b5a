import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { FixedWeights } from '../cpu/layers/fixedWeights.ts';
import { passThreads } from '../cpu/passThreads.ts';
import type { ModelFile } from '../modelFile.ts';
import { isBlocked } from '../quantized/layout.ts';
import { dequantizedMatrix, type QuantizedMatrix, type QuantizedType } from '../quantized/matrix.ts';
import { encodeBytes } from '../tokenizer.ts';
import { layerShapes } from '../weights.ts';
import { foldedLayer, type LayerGrams, needed, READERS, readerOf, roundedLayer } from './awqLayer.ts';
import { gptq } from './gptq.ts';
import { type CalibrationWindow, LayerRunner, type LayerTensors } from './layerRunner.ts';
import type { LayerWeights } from './layerWeights.ts';
import { emptyGram, type Gram, Products } from './products.ts';

/** A layer in fewer bits, and what it was made of. */
export interface CalibratedLayer {
  /** What was rounded: the model's tensors, with scales put in where the method does that. */
  readonly tensors: LayerTensors;
  readonly matrices: ReadonlyMap<string, QuantizedMatrix>;
  /** Squared errors of the outputs of each linear weight over the calibration text, in parts of their energy. */
  readonly outputErrors: ReadonlyMap<string, number>;
}

/**
 * Quantizes layer after layer. Every layer sees what the quantized ones before it give: the windows' residual streams go
 * through it twice, once with its own weights to see what its linear weights read, once with the rounded ones.
 *
 * Memory: the residual streams (f32[tokens, dim]), the weights of one layer as float32, and for each of its four different
 * inputs f64[in, in], with three times as much while the widest of them is worked on.
 */
export class CalibratedLayers {
  readonly #model: ModelFile;
  readonly #weights: LayerWeights;
  readonly #type: QuantizedType;
  readonly #method: 'awq' | 'gptq';
  readonly #windows: readonly CalibrationWindow[];
  readonly #runner: LayerRunner;
  readonly #products: Products;
  readonly #signal: AbortSignal | undefined;
  #done = 0;
  #last: CalibratedLayer | undefined;

  private constructor(
    given: CalibrationPlan,
    windows: readonly CalibrationWindow[],
    runner: LayerRunner,
    products: Products,
  ) {
    this.#model = given.model;
    this.#weights = given.weights;
    this.#type = given.type;
    this.#method = given.method;
    this.#signal = given.signal;
    this.#windows = windows;
    this.#runner = runner;
    this.#products = products;
  }

  static async open(given: CalibrationPlan): Promise<CalibratedLayers> {
    const fixed = new FixedWeights(given.model);
    const windows = given.windows.map((bytes) => {
      const tokens = Int32Array.from(encodeBytes(bytes, { addEos: false }));
      return { tokens, residual: fixed.embed(tokens) };
    });
    const { config } = given.model;
    const threads = Math.min(availableParallelism(), passThreads(config));
    const runner = await LayerRunner.open(config, threads);
    return new CalibratedLayers(given, windows, runner, await Products.open(threads, given.signal));
  }

  /** Layers are asked for in order; the last one may be asked for again. */
  async layer(index: number): Promise<CalibratedLayer> {
    if (this.#last !== undefined && index === this.#done - 1) return this.#last;
    if (index !== this.#done) throw new RangeError(`Layer ${index} is asked for after ${this.#done} layers.`);
    this.#last = undefined;
    this.#last = await this.#next(index);
    this.#done++;
    return this.#last;
  }

  async close(): Promise<void> {
    await Promise.all([this.#runner.close(), this.#products.close()]);
  }

  async #next(index: number): Promise<CalibratedLayer> {
    const original = this.#weights.layer(index);
    const grams = await this.#grams(original);
    const { tensors, matrices, scales } = await this.#rounded(original, grams);
    const outputErrors = new Map<string, number>();
    const given = new Map(tensors);
    for (const [name, matrix] of matrices) {
      const rounded = dequantizedMatrix(matrix);
      given.set(name, rounded);
      const weights = { before: tensors.get(name) ?? rounded, after: rounded, scales: scales?.get(name) };
      outputErrors.set(name, await this.#outputError(weights, needed(grams, readerOf(name))));
    }
    for (const window of this.#windows) {
      await this.#turn();
      window.residual = await this.#runner.residual(window, given);
    }
    return { tensors, matrices, outputErrors };
  }

  async #grams(tensors: LayerTensors): Promise<LayerGrams> {
    const shapes = layerShapes(this.#model.config);
    const grams = READERS.map((name) => emptyGram(needed(shapes, name)[1] ?? 0));
    for (const window of this.#windows) {
      await this.#turn();
      const inputs = await this.#runner.inputs(window, tensors, READERS);
      for (const [i, gram] of grams.entries()) await this.#products.add(gram, inputs[i] ?? new Float32Array(0));
    }
    return new Map(grams.map((gram, i) => [READERS[i] ?? '', gram]));
  }

  async #rounded(tensors: LayerTensors, grams: LayerGrams): Promise<RoundedLayer> {
    const { config } = this.#model;
    const type = this.#type;
    if (this.#method === 'awq') {
      const folded = await foldedLayer(config, tensors, grams, type, this.#products);
      return { tensors: folded.tensors, matrices: roundedLayer(config, folded, type), scales: folded.scales };
    }
    if (!isBlocked(type)) throw new RangeError(`There is no gptq of ${type}.`);
    const matrices = new Map<string, QuantizedMatrix>();
    for (const [name, [outputs = 0, inputs]] of layerShapes(config)) {
      if (inputs === undefined) continue;
      await this.#turn();
      const matrix = { outputs, inputs, values: needed(tensors, name) };
      matrices.set(name, gptq(matrix, type, needed(grams, readerOf(name)).products));
    }
    return { tensors, matrices };
  }

  /** In parts of the outputs' energy. Scales that the weights took on are divided by: the inputs were seen without them. */
  async #outputError({ before, after, scales }: SeenWeights, gram: Gram): Promise<number> {
    const unscaled = (value: number, i: number): number => value / (scales?.[i % gram.inputs] ?? 1);
    const sum = async (values: Float64Array): Promise<number> =>
      (await this.#products.quadratic(values, gram)).reduce((a, b) => a + b, 0);
    const energy = await sum(Float64Array.from(before, unscaled));
    const error = await sum(Float64Array.from(after, (value, i) => unscaled(value - (before[i] ?? 0), i)));
    return energy === 0 ? 0 : error / energy;
  }

  /** Lets signals in. */
  async #turn(): Promise<void> {
    await setImmediate();
    this.#signal?.throwIfAborted();
  }
}

/** With the scales that weights took on, of each linear weight, where they did. */
interface RoundedLayer extends Pick<CalibratedLayer, 'tensors' | 'matrices'> {
  readonly scales?: ReadonlyMap<string, Float32Array>;
}

interface SeenWeights {
  readonly before: Float32Array;
  readonly after: Float32Array;
  readonly scales: Float32Array | undefined;
}

export interface CalibrationPlan {
  readonly model: ModelFile;
  readonly weights: LayerWeights;
  readonly type: QuantizedType;
  readonly method: 'awq' | 'gptq';
  /** Of at most 8,192 bytes each. */
  readonly windows: readonly Uint8Array[];
  readonly signal?: AbortSignal | undefined;
}
