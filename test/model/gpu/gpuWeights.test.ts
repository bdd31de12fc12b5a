import { statSync, truncateSync, utimesSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../../../src/gpu/index.ts';
import type { BlockType } from '../../../src/kernels/blocks/layout.ts';
import { fileStamp } from '../../../src/model/fileStamp.ts';
import { GpuWeights, weightType } from '../../../src/model/gpu/gpuWeights.ts';
import { type ModelFile, readModelFile } from '../../../src/model/modelFile.ts';
import { modelFolder } from '../modelFolder.ts';

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
