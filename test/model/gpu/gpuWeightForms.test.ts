import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeGgufModel } from '../../../src/model/ggufWriter.ts';
import { type DeviceModel, type OpenOptions, openModel } from '../../../src/model/index.ts';
import { type GpuDevice, gpuDevice } from '../../support/gpu.ts';
import { largestDifference, prose } from '../golden.ts';
import { TOLERANCE } from '../goldenChecks.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';
import { encodeAll } from '../reference.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sluice-gpu-weights-'));
let gpu: GpuDevice;

const open = (path: string, options: OpenOptions = {}) =>
  openModel(path, { device: gpu.device, ...options }) as Promise<DeviceModel>;

beforeAll(async () => {
  gpu = await gpuDevice();
}, 60_000);
afterAll(async () => {
  await gpu.remove();
  rmSync(scratch, { recursive: true });
});

describe('weights on a GPU', () => {
  const wide = modelFolder({ ...smallArgs, dim: 256, n_layers: 1, n_heads: 4, sliding_window: 40, multiple_of: 256 });

  it.each(['F16', 'BF16', 'Q4_K', 'Q8_0', 'Q6_K'] as const)('are those of a GGUF file in %s', async (type) => {
    const path = join(scratch, `${type}.gguf`);
    await writeGgufModel(wide, path, type);
    const [device, cpu] = [await open(path), await openModel(path, { threads: 1 })];
    const [found, expected] = [await encodeAll(device, prose(60)), await encodeAll(cpu, prose(60))];
    expect(largestDifference(found.entropies, expected.entropies)).toBeLessThan(TOLERANCE.entropy);
    await Promise.all([device.close(), cpu.close()]);
  });

  it('of fewer bits are the nearer to float32 the more bits they have', async () => {
    const exact = await open(wide);
    const { entropies } = await encodeAll(exact, prose(80));
    const errors: number[] = [];
    for (const weights of ['int8', 'int4', 'ternary'] as const) {
      const model = await open(wide, { weights });
      const found = await encodeAll(model, prose(80));
      errors.push(found.entropies.reduce((sum, nats, i) => sum + Math.abs(nats - entropies[i]!), 0) / 80);
      expect(model.id).not.toBe(exact.id);
      await model.close();
    }
    expect(errors[0]).toBeGreaterThan(0);
    expect(errors[0]).toBeLessThan(0.02);
    expect(errors).toEqual([...errors].sort((a, b) => a - b));
    await exact.close();
  });
});
