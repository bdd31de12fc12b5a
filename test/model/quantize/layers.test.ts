import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/model/config.ts';
import { FixedWeights } from '../../../src/model/cpu/layers/fixedWeights.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { foldedLayer, READERS, readerOf, roundedLayer } from '../../../src/model/quantize/awqLayer.ts';
import { CalibratedLayers } from '../../../src/model/quantize/calibratedLayers.ts';
import { dividedRows, inputImportance, inputScales, scaledColumns } from '../../../src/model/quantize/inputScales.ts';
import { type CalibrationWindow, LayerRunner } from '../../../src/model/quantize/layerRunner.ts';
import { LayerWeights } from '../../../src/model/quantize/layerWeights.ts';
import { emptyGram, Products } from '../../../src/model/quantize/products.ts';
import { roundMatrix } from '../../../src/model/quantize/roundMatrix.ts';
import { dequantizedMatrix, QUANTIZED_TYPES } from '../../../src/model/quantized/matrix.ts';
import { encodeText } from '../../../src/model/tokenizer.ts';
import { layerShapes } from '../../../src/model/weights.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';
import { bell, correlated, gramOf, matrix, outputError, randomMatrix } from './matrices.ts';

let products: Products;
beforeAll(async () => {
  products = await Products.open(1);
});
afterAll(() => products.close());

describe('products', () => {
  it('adds up what was seen, in double precision', async () => {
    const x = correlated(50, 7, bell(1));
    const gram = emptyGram(7);
    await products.add(gram, x.subarray(0, 21));
    await products.add(gram, x.subarray(21));
    const expected = gramOf(x, 7);
    expect(gram.tokens).toBe(50);
    for (const name of ['products', 'magnitudes'] as const) {
      for (const [i, value] of expected[name].entries()) expect(gram[name][i]).toBeCloseTo(value, 10);
    }
  });

  it('gives the squared outputs of rows', async () => {
    // H = [[2, 1], [1, 3]]: (1, 0) gives 2, (1, -1) gives 2 - 2 + 3
    const gram = { ...emptyGram(2), products: Float64Array.of(2, 1, 1, 3) };
    expect([...(await products.quadratic(Float64Array.of(1, 0, 1, -1), gram))]).toEqual([2, 3]);
  });
});

/** Inputs of which a few are some thirty times as large as the others, and not where the weights are large. */
function outliers(tokens: number, inputs: number, seed: number): Float32Array {
  const random = bell(seed);
  return Float32Array.from({ length: tokens * inputs }, (_, i) => random() * ((i % inputs) % 16 === 3 ? 30 : 1));
}

describe('inputScales', () => {
  const round = (type: (typeof QUANTIZED_TYPES)[number]) => (weights: Parameters<typeof roundMatrix>[0]) =>
    dequantizedMatrix(roundMatrix(weights, type, { method: 'mse' }));

  it.each([
    ['int4', 0.6],
    ['int4-64', 0.6],
    ['int8-channel', 0.6],
    ['int8', 0.6],
  ] as const)('saves outputs of weights behind inputs that stand out: %s', async (type, part) => {
    const weights = randomMatrix(12, 64, bell(5));
    const gram = gramOf(outliers(200, 64, 6), 64);
    const found = await inputScales({ readers: [{ matrix: weights, gram }] }, round(type), products);
    expect(found.exponent).toBeGreaterThan(0);
    expect(found.error).toBeLessThan(part * found.plainError);
  });

  it('measures what it says: errors of outputs in parts of their energy', async () => {
    const weights = randomMatrix(4, 32, bell(7));
    const x = outliers(60, 32, 8);
    const found = await inputScales({ readers: [{ matrix: weights, gram: gramOf(x, 32) }] }, round('int4'), products);
    const energy = outputError(
      weights,
      { ...roundMatrix(weights, 'int4', { method: 'mse' }), scales: new Float32Array(4), minima: new Float32Array(4) },
      x,
    );
    const plain = outputError(weights, roundMatrix(weights, 'int4', { method: 'mse' }), x);
    expect(found.plainError).toBeCloseTo(plain / energy, 6);
  });

  it('leaves everything as it is where no scales are better', async () => {
    // weights that codes hold exactly
    const weights = matrix(
      2,
      16,
      Array.from({ length: 32 }, (_, i) => i % 16),
    );
    const found = await inputScales(
      { readers: [{ matrix: weights, gram: gramOf(outliers(20, 16, 1), 16) }] },
      round('int4'),
      products,
    );
    expect(found).toMatchObject({ exponent: 0, error: 0, plainError: 0 });
    expect([...found.scales]).toEqual(new Array(16).fill(1));
  });

  it('is never worse than no scales, on what it saw', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const weights = randomMatrix(6, 48, bell(seed));
      const gram = gramOf(correlated(100, 48, bell(seed + 50)), 48);
      for (const type of QUANTIZED_TYPES) {
        const found = await inputScales({ readers: [{ matrix: weights, gram }] }, round(type), products);
        expect(found.error).toBeLessThanOrEqual(found.plainError);
        // the middle of the scales is 1
        const product = Math.min(...found.scales) * Math.max(...found.scales);
        expect(product).toBeCloseTo(1, 5);
      }
    }
  });

  it('multiplies columns and divides rows, and says what a column counts then', () => {
    const weights = matrix(2, 2, [1, 2, 3, 4]);
    expect([...scaledColumns(weights, Float32Array.of(2, 0.5)).values]).toEqual([2, 1, 6, 2]);
    expect([...scaledColumns(weights, Float32Array.of(2), Int32Array.of(0, 0)).values]).toEqual([2, 4, 6, 8]);
    expect([...dividedRows(weights, Float32Array.of(2, 0.5)).values]).toEqual([0.5, 1, 6, 8]);
    const gram = { ...emptyGram(2), tokens: 2, products: Float64Array.of(8, 0, 0, 6) };
    expect([...inputImportance(gram, Float32Array.of(2, 1))]).toEqual([1, 3]);
  });
});

const text = 'The quick brown fox jumps over the lazy dog, and then over the fence: nobody saw it. '.repeat(2);

async function windowsOf(folder: string): Promise<CalibrationWindow[]> {
  const fixed = new FixedWeights(await readModelFile(folder));
  return [text, text.toUpperCase()].map((one) => {
    const tokens = Int32Array.from(encodeText(one, { addEos: false }));
    return { tokens, residual: fixed.embed(tokens) };
  });
}

describe('a layer whose weights take scales on', () => {
  it.each([
    ['heads of their own', {}],
    ['heads that share keys and values', { n_kv_heads: 2 }],
    ['one head for all', { n_kv_heads: 1 }],
  ])('computes what it did before: %s', async (_, args) => {
    const all = { ...smallArgs, ...args };
    const folder = modelFolder(all);
    const config = parseConfig({ args: all });
    const weights = new LayerWeights(await readModelFile(folder));
    const tensors = weights.layer(0);
    weights.close();
    const runner = await LayerRunner.open(config, 1);
    const [window] = await windowsOf(folder);
    const inputs = await runner.inputs(window!, tensors, READERS);
    const grams = new Map(READERS.map((name, i) => [name, gramOf(inputs[i]!, layerShapes(config).get(name)![1]!)]));
    for (const type of ['int8', 'int4'] as const) {
      const folded = await foldedLayer(config, tensors, grams, type, products);
      expect([...folded.found.values()].some(({ exponent }) => exponent > 0)).toBe(true);
      const before = await runner.residual(window!, tensors);
      const after = await runner.residual(window!, folded.tensors);
      const largest = before.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [i, value] of before.entries()) expect(Math.abs(after[i]! - value)).toBeLessThan(1e-5 * largest);
      for (const [name, rounded] of roundedLayer(config, folded, type)) {
        expect([rounded.outputs, rounded.inputs]).toEqual(layerShapes(config).get(name));
      }
    }
    await runner.close();
  });

  it('sees what each linear weight reads', async () => {
    const folder = modelFolder();
    const config = parseConfig({ args: smallArgs });
    const weights = new LayerWeights(await readModelFile(folder));
    const tensors = weights.layer(0);
    weights.close();
    const runner = await LayerRunner.open(config, 1);
    const [window] = await windowsOf(folder);
    const [normed] = await runner.inputs(window!, tensors, READERS);
    // the first one is the norm of the residual stream
    const { dim, normEps } = config;
    const row = window!.residual.subarray(5 * dim, 6 * dim);
    const root = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / dim + normEps);
    for (const [i, value] of row.entries()) {
      const expected = (value / root) * tensors.get('attention_norm.weight')![i]!;
      expect(normed![5 * dim + i]).toBeCloseTo(expected, 5);
    }
    await runner.close();
  });
});

describe('calibrated layers', () => {
  const bytes = [Buffer.from(text), Buffer.from(text.toUpperCase())];

  it.each([
    ['int4', 'gptq'],
    ['int4', 'awq'],
    ['int8-channel', 'awq'],
  ] as const)('go one after the other, each on what the quantized ones before it give: %s %s', async (type, method) => {
    const folder = modelFolder();
    const model = await readModelFile(folder);
    const weights = new LayerWeights(model);
    const layers = await CalibratedLayers.open({ model, weights, type, method, windows: bytes });
    await expect(layers.layer(1)).rejects.toThrow(RangeError);
    const first = await layers.layer(0);
    expect(await layers.layer(0)).toBe(first);
    const second = await layers.layer(1);
    // the second layer's errors are of the inputs that the first one, quantized, gives
    const runner = await LayerRunner.open(model.config, 1);
    const given = new Map(first.tensors);
    for (const [name, one] of first.matrices) given.set(name, dequantizedMatrix(one));
    const name = 'feed_forward.w2.weight';
    const [own, rounded] = [second.tensors.get(name)!, second.matrices.get(name)!];
    let off = 0;
    let energy = 0;
    for (const window of await windowsOf(folder)) {
      window.residual = await runner.residual(window, given);
      const [x] = await runner.inputs(window, weights.layer(1), [readerOf(name)]);
      const whole = matrix(rounded.outputs, rounded.inputs, own);
      // scales are put in after the inputs were seen: what the folded layer reads is x divided by them
      const seen = method === 'awq' ? (await runner.inputs(window, second.tensors, [name]))[0]! : x!;
      off += outputError(whole, rounded, seen);
      energy += outputError(whole, { ...rounded, codes: new Int8Array(own.length), minima: undefined }, seen);
    }
    expect(off).toBeGreaterThan(0);
    expect(second.outputErrors.get(name)! / (off / energy)).toBeCloseTo(1, 3);
    await runner.close();
    await layers.close();
    weights.close();
  });

  it('stop when they are told to', async () => {
    const model = await readModelFile(modelFolder());
    const weights = new LayerWeights(model);
    const stop = new AbortController();
    const plan = { model, weights, type: 'int4', method: 'gptq', windows: bytes, signal: stop.signal } as const;
    const layers = await CalibratedLayers.open(plan);
    stop.abort(new Error('enough'));
    await expect(layers.layer(0)).rejects.toThrow('enough');
    await layers.close();
    weights.close();
  });
});
