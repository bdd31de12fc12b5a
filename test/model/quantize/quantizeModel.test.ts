import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../../src/model/openModel.ts';
import { drawText } from '../../../src/model/quantize/calibrationText.ts';
import type { QuantizeMethod } from '../../../src/model/quantize/method.ts';
import { quantizeModel } from '../../../src/model/quantize/quantizeModel.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';

const tiny = 'models/tiny';
const chapters = [3, 6].map((number) => `samples/novel/chapter-0${number}.txt`);
const calibrate = { files: chapters, tokens: 2048 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-quantized-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('calibration', () => {
  it('takes 4 bits better with GPTQ than without text, on text that it was not calibrated on', async () => {
    const nats = async (method: QuantizeMethod): Promise<number> =>
      (await quantizeModel(tiny, { to: 'int4', method, calibrate: { files: chapters, tokens: 4096 } })).held_back!
        .mean_nats;
    const [gptq, mse, minmax] = [await nats('gptq'), await nats('mse'), await nats('minmax')];
    expect(gptq).toBeLessThan(0.8 * mse);
    expect(mse).toBeLessThan(minmax);
  });
});

describe('what is told', () => {
  it('is what running both models says: computed once more, by streaming', async () => {
    const output = path.join(folder, 'told');
    const report = await quantizeModel(tiny, { to: 'int4', output, calibrate });
    const { heldBack } = await drawText(chapters, { tokens: 2048 });
    const models = [await openModel(tiny), await openModel(output)];
    const all: Float32Array[] = [];
    for (const model of models) {
      const entropies: number[] = [];
      for (const window of heldBack) {
        for await (const piece of model.encode(window)) entropies.push(...piece.entropies);
      }
      all.push(Float32Array.from(entropies));
      await model.close();
    }
    const [before, after] = all as [Float32Array, Float32Array];
    const off = Array.from(before, (value, i) => Math.abs(value - after[i]!));
    const told = report.held_back!;
    expect(told.bytes).toBe(before.length);
    expect(told.mean_nats).toBeCloseTo(off.reduce((a, b) => a + b) / off.length, 5);
    expect(told.max_nats).toBeCloseTo(Math.max(...off), 4);
    const starts = (entropies: Float32Array): number[] =>
      [...entropies.keys()].filter((i) => i % 1023 !== 0 && entropies[i]! > models[0]!.autoThreshold!);
    const [was, is] = [starts(before), starts(after)];
    const both = was.filter((start) => is.includes(start)).length;
    expect(told.patch_starts).toEqual({ before: was.length, after: is.length });
    expect(told.boundary_f1).toBeCloseTo((2 * both) / (was.length + is.length), 12);
  });

  it('has bits per byte of the bytes that came, and errors of the weights', async () => {
    // a model without layers' help: all weights zero but the norms, so that every token is as likely as another
    const flat = modelFolder(smallArgs, (tensors) => {
      for (const [name, { data }] of Object.entries(tensors)) if (name.startsWith('output')) data.fill(0);
    });
    const report = await quantizeModel(flat, { to: 'int8', calibrate });
    expect(report.calibration).toMatchObject({ mean_nats: 0, max_nats: 0, boundary_f1: 1 });
    expect(report.calibration!.bits_per_byte.before).toBeCloseTo(Math.log2(260), 6);
    expect(report.calibration!.bits_per_byte.after).toBeCloseTo(Math.log2(260), 6);
    expect(report).toMatchObject({ threshold: 1.335442066192627, threshold_of: 'released' });
    const wq = report.classes.find((one) => one.class === 'attention.wq')!;
    expect(wq).toMatchObject({ type: 'int8', tensors: 2, weights: 2048, bytes_before: 8192, bytes: 2 * (1024 + 4) });
    expect(wq.relative_error).toBeGreaterThan(0.001);
    expect(wq.relative_error).toBeLessThan(0.02);
  });

  it('is less without text, or with too little of it', async () => {
    const without = await quantizeModel(modelFolder(), { to: 'int4' });
    expect(without).toMatchObject({ method: 'mse', calibration: null, held_back: null, threshold: null });
    const short = await quantizeModel(modelFolder(), { to: 'int4', calibrate: { files: ['samples/ABOUT.txt'] } });
    expect(short.calibration!.bytes).toBeGreaterThan(0);
    expect(short.held_back).toBeNull();
  });
});

describe('the folder', () => {
  it('says how it was made, so that other text gives a model of another name', async () => {
    const make = async (name: string, seed: number) => {
      const output = path.join(folder, name);
      await quantizeModel(modelFolder(), { to: 'int8-channel', output, calibrate: { ...calibrate, seed } });
      const model = await openModel(output);
      const { quantization } = JSON.parse(await readFile(path.join(output, 'config.json'), 'utf8'));
      return { id: model.id, quantization, weights: await readFile(path.join(output, 'model.safetensors')) };
    };
    const [one, same, other] = [await make('one', 0), await make('same', 0), await make('other', 1)];
    expect(one.quantization).toEqual({
      type: 'int8-channel',
      method: 'awq',
      calibration: (await drawText(chapters, { tokens: 2048 })).record,
    });
    expect(same.id).toBe(one.id);
    expect(same.weights.equals(one.weights)).toBe(true);
    expect(other.id).not.toBe(one.id);
  });

  it('does not name text that no weight depends on', async () => {
    const output = path.join(folder, 'plain');
    await quantizeModel(modelFolder(), { to: 'int8', method: 'percentile', percentile: 99, output, calibrate });
    const { quantization } = JSON.parse(await readFile(path.join(output, 'config.json'), 'utf8'));
    expect(quantization).toEqual({ type: 'int8', method: 'percentile', percentile: 99 });
  });

  it('can be quantized again, and a GGUF file can be made a folder', async () => {
    const file = path.join(folder, 'again.gguf');
    await quantizeModel(modelFolder(), { to: 'q8_0', output: file });
    const output = path.join(folder, 'again');
    const report = await quantizeModel(file, { to: 'int4', output, calibrate });
    expect(report).toMatchObject({ method: 'gptq', bytes_before: (await stat(file)).size });
    expect(await quantizeModel(output, { to: 'ternary' })).toMatchObject({ bytes_before: report.bytes });
  });
});

it('refuses what does not go together, before anything is written', async () => {
  const model = modelFolder();
  const output = path.join(folder, 'never');
  const refused = (options: object, code: string) =>
    expect(quantizeModel(model, { to: 'int4', output, ...options })).rejects.toMatchObject({ code });
  await refused({ method: 'gptq' }, 'BAD_FLAG');
  await refused({ method: 'awq' }, 'BAD_FLAG');
  await refused({ to: 'ternary', method: 'gptq', calibrate }, 'BAD_FLAG');
  await refused({ to: 'int8', method: 'gptq', calibrate }, 'BAD_FLAG');
  await refused({ to: 'q4_k', method: 'mse' }, 'BAD_FLAG');
  await refused({ output: `${output}.gguf` }, 'BAD_FLAG');
  await refused({ embeddings: 'q8_0' }, 'BAD_FLAG');
  await refused({ percentile: 99 }, 'BAD_FLAG');
  await refused({ output: `${model}/../${path.basename(model)}/`, replace: true }, 'BAD_FLAG');
  await refused({ calibrate: { ...calibrate, seed: 0.5 } }, 'BAD_OPTION');
  await refused({ calibrate: { files: [path.join(folder, 'nowhere')] } }, 'NOTHING_TO_READ');
  expect(existsSync(output)).toBe(false);
});

it('names a weight that is no number', async () => {
  const broken = modelFolder(smallArgs, (tensors) => {
    new DataView(tensors['layers.1.attention.wk.weight']!.data.buffer).setFloat32(4 * 7, Number.NaN, true);
  });
  for (const options of [{}, { calibrate }]) {
    await expect(quantizeModel(broken, { to: 'int4', ...options })).rejects.toMatchObject({
      code: 'MODEL_WEIGHT_VALUE',
      message: expect.stringContaining('Value 7 of tensor layers.1.attention.wk.weight'),
    });
  }
});
