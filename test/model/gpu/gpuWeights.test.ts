import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Gpu } from '../../../src/gpu/index.ts';
import type { BlockType } from '../../../src/kernels/blocks/layout.ts';
import { fileStamp } from '../../../src/model/fileStamp.ts';
import { GpuWeights, weightType } from '../../../src/model/gpu/gpuWeights.ts';
import { type ModelFile, readModelFile } from '../../../src/model/modelFile.ts';
import { modelFolder } from '../modelFolder.ts';
import { quantizedFolder } from '../quantized/quantizedFolder.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.open({ adapter: 'null' });
});
afterAll(() => gpu.close());

describe('weights that are copied to a GPU', () => {
  const matrix = (dtype: BlockType, inputs: number) => ({ dtype, shape: [3, inputs], offset: 0, length: 0 });

  it.each([
    [['F32'], 30, 'f32'],
    [['BF16', 'BF16'], 32, 'bf16'],
    [['BF16'], 30, 'f32'],
    [['F16', 'F16'], 4, 'f16'],
    [['F16', 'BF16'], 32, 'f32'],
    [['F32', 'BF16'], 32, 'f32'],
    [['Q4_K'], 512, 'q4_k'],
    [['Q4_K', 'Q6_K'], 256, 'f32'],
    [['Q8_0'], 256, 'f32'],
  ] as const)('of %j with %i inputs are %s there', (dtypes, inputs, type) => {
    const parts = dtypes.map((dtype) => matrix(dtype, inputs));
    expect(weightType(parts, 'f32')).toBe(type);
    expect(weightType(parts, 'int8')).toBe('int8');
  });

  it.each([
    [['int8', 'int8'], 'int8'],
    [['int8-channel'], 'int8'],
    [['int4'], 'int4'],
    [['int4-64', 'int4-64'], 'int4'],
    [['ternary'], 'ternary'],
    [['int4', 'F32'], 'f32'],
  ] as const)('that are kept as %j are %s there, whatever their inputs', (dtypes, type) => {
    const span = { offset: 0, length: 0 };
    const parts = dtypes.map((dtype) =>
      dtype === 'F32' ? matrix(dtype, 78) : { dtype, shape: [3, 78], ...span, scales: span, minima: undefined },
    );
    expect(weightType(parts, 'f32')).toBe(type);
    expect(weightType(parts, 'ternary')).toBe('ternary');
  });

  it('must be codes where they are kept as such', async () => {
    const { dir } = await quantizedFolder(join(mkdtempSync(join(tmpdir(), 'sluice-codes-')), 'model'), 'ternary');
    onTestFinished(() => rmSync(dirname(dir), { recursive: true }));
    const { path, tensors } = (await readModelFile(dir)).weights;
    const bytes = readFileSync(path);
    const { offset: place } = tensors.get('layers.0.feed_forward.w2.weight')!;
    bytes[place] = 250;
    writeFileSync(path, bytes);
    await expect(GpuWeights.load(gpu, await readModelFile(dir), 'f32')).rejects.toMatchObject({
      code: 'MODEL_WEIGHT_VALUE',
      path,
      position: { byte: place },
    });
  });

  it('must all be in the file', async () => {
    const file = await readModelFile(modelFolder());
    const { path } = file.weights;
    const bytes = statSync(path).size - 100;
    truncateSync(path, bytes);
    const cut: ModelFile = { ...file, weights: { ...file.weights, stamp: fileStamp(path) } };
    for (const form of ['f32', 'int8'] as const) {
      await expect(GpuWeights.load(gpu, cut, form)).rejects.toMatchObject({
        name: 'ModelError',
        code: 'MODEL_FILE',
        path,
        position: { byte: bytes },
      });
    }
  });

  it('must be those that were checked, from the first to the last', async () => {
    const file = await readModelFile(modelFolder());
    const { path } = file.weights;
    const loading = GpuWeights.load(gpu, file, 'f32');
    utimesSync(path, 1, 1);
    await expect(loading).rejects.toMatchObject({ code: 'MODEL_CHANGED', path });
    await expect(GpuWeights.load(gpu, file, 'f32')).rejects.toMatchObject({ code: 'MODEL_CHANGED', path });
  });
});
