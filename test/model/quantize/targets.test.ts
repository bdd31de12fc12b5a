import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { QUANTIZE_TARGETS, type QuantizeTarget } from '../../../src/model/quantize/method.ts';
import { quantizeModel } from '../../../src/model/quantize/quantizeModel.ts';
import { QUANTIZED_TYPES } from '../../../src/model/quantized/matrix.ts';
import { modelFolder } from '../modelFolder.ts';

const tiny = 'models/tiny';
const chapters = [3, 6].map((number) => `samples/novel/chapter-0${number}.txt`);
const calibrate = { files: chapters, tokens: 2048 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-quantized-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Most that entropies may move on average, nats, and the least F1: what tells a working model from a broken one. */
const bounds: Readonly<Record<QuantizeTarget, readonly [nats: number, f1: number]>> = {
  int8: [0.03, 0.97],
  'int8-channel': [0.02, 0.98],
  int4: [0.1, 0.9],
  'int4-64': [0.12, 0.9],
  ternary: [1.2, 0],
  q8_0: [0.02, 0.98],
  q6_k: [0.02, 0.98],
  q4_k: [0.02, 0.98],
  f16: [0.002, 0.99],
  bf16: [0.01, 0.98],
  f32: [0, 1],
};

describe('the embedded model', () => {
  it.each(QUANTIZE_TARGETS)('in a folder, as %s', async (to) => {
    const output = path.join(folder, to);
    // for int8 the searches take longest: a smaller model has them below
    const report = await quantizeModel(tiny, { to, output, calibrate, method: to === 'int8' ? 'minmax' : undefined });
    const [nats, f1] = bounds[to];
    for (const text of [report.calibration!, report.held_back!]) {
      expect(text.bytes).toBe(2046);
      expect(text.mean_nats).toBeLessThanOrEqual(nats);
      expect(text.boundary_f1).toBeGreaterThanOrEqual(f1);
      expect(text.max_nats).toBeGreaterThanOrEqual(text.mean_nats);
    }
    expect(report.bytes_before).toBe((await stat(`${tiny}/model.safetensors`)).size);
    const weights = (await readdir(output)).find((name) => name.startsWith('model.'))!;
    expect(report.bytes).toBe((await stat(path.join(output, weights))).size);
    // what the tensors take is the file, but for its header
    const tensors = report.classes.reduce((sum, one) => sum + one.bytes, 0);
    expect(report.bytes - tensors).toBeGreaterThan(0);
    expect(report.bytes - tensors).toBeLessThan(12_000);
    expect(report.classes.reduce((sum, one) => sum + one.weights, 0)).toBe(870_528);
    expect((await readModelFile(output)).autoThreshold).toBe(report.threshold);
  });
});

describe('every method', () => {
  const methods = ['minmax', 'percentile', 'mse', 'awq', 'gptq'] as const;
  const pairs = QUANTIZED_TYPES.flatMap((to) => methods.map((method) => [to, method] as const)).filter(
    ([to, method]) => method !== 'gptq' || to.startsWith('int4'),
  );

  it.each(pairs)('%s by %s, measured and not written', async (to, method) => {
    const report = await quantizeModel(modelFolder(), { to, method, calibrate });
    expect(report).toMatchObject({ to, method, output: null });
    const [largest] = report.classes.map((one) => one.relative_error).sort((a, b) => b - a);
    expect(largest).toBeLessThan({ int8: 0.02, 'int8-channel': 0.01, int4: 0.15, 'int4-64': 0.15, ternary: 0.7 }[to]);
    const linear = report.classes.filter((one) => one.type === to);
    expect(linear).toHaveLength(7);
    for (const one of linear) {
      if (method === 'awq' || method === 'gptq') expect(one.output_error).toBeGreaterThan(0);
      else expect(one.output_error).toBeNull();
    }
  });
});
