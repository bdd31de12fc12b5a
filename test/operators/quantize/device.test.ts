import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { lastValueFrom, tap, toArray } from 'rxjs';
import type { Patches } from 'sluice';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pull } from '../../../src/flow/index.ts';
import { type QuantizeOptions, quantize } from '../../../src/operators/index.ts';
import { closeSharedCoders, resolveChain, trainQuantizer, writeQuantizers } from '../../../src/quantization/index.ts';
import { patchesOf } from '../../sinks/flow.ts';
import { childProcesses } from '../../support/children.ts';
import { type GpuDevice, gpuDevice } from '../../support/gpu.ts';

const values = patchesOf(
  Array.from({ length: 30 }, (_, i) => ({
    segments: [
      [3, 1, 4, 1 + i],
      [5, 9, 2],
    ],
  })),
  24,
);
const codesOf = (all: readonly Patches[]) => all.map((value) => value.quantized?.map(({ encoded }) => encoded));

async function quantized(options: QuantizeOptions, onValue: (value: Patches) => void = () => {}) {
  const flow = pull(() => values.map((value) => [value])).pipe(quantize(options), tap(onValue), toArray());
  return codesOf(await lastValueFrom(flow));
}

let gpu: GpuDevice;
let folder: string;
beforeAll(async () => {
  gpu = await gpuDevice();
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-quantize-device-'));
});
afterAll(async () => {
  await closeSharedCoders();
  await gpu.remove();
  await rm(folder, { recursive: true });
});

describe('quantize on a device', { timeout: 60_000 }, () => {
  it.each(['int8', 'int4', 'ternary', 'binary', 'variable:5'])('gives the codes of the CPU: %s', async (to) => {
    expect(await quantized({ to, device: gpu.device })).toEqual(await quantized({ to, device: 'cpu' }));
  });

  it('leaves what has no way on a GPU to the CPU', async () => {
    const rows = Float32Array.from(values.flatMap(({ embeddings }) => [...embeddings]));
    const trained = trainQuantizer(resolveChain('pca:3+int8'), { columns: 24, rows, seed: 0 });
    const quantizer = path.join(folder, 'pca.safetensors');
    await writeQuantizers(quantizer, new Map([['embeddings', trained]]));
    const options: QuantizeOptions = { to: 'pca:3+int8', quantizer };
    expect(await quantized({ ...options, device: gpu.device })).toEqual(await quantized({ ...options, device: 'cpu' }));
  });

  it('goes on with the CPU where the device is lost, to the same codes', async () => {
    await closeSharedCoders();
    const before = new Set(await childProcesses());
    let killed = 0;
    const codes = await quantized({ to: 'int8', device: gpu.device }, async () => {
      if (killed > 0) return;
      killed++;
      for (const child of await childProcesses()) if (!before.has(child)) process.kill(child, 'SIGKILL');
    });
    expect(killed).toBe(1);
    expect(codes).toEqual(await quantized({ to: 'int8', device: 'cpu' }));
  });

  it('keeps a few quantizers on the device, and gives the same codes with many', async () => {
    await closeSharedCoders();
    for (let bits = 1; bits <= 16; bits++) {
      const to = `variable:${bits}`;
      expect(await quantized({ to, device: gpu.device })).toEqual(await quantized({ to, device: 'cpu' }));
    }
    const early = await quantized({ to: 'int4', device: gpu.device });
    expect(early).toEqual(await quantized({ to: 'int4', device: 'cpu' }));
    expect(await quantized({ to: 'variable:1', device: gpu.device })).toEqual(
      await quantized({ to: 'variable:1', device: 'cpu' }),
    );
  });

  it('fails where the device that it was asked for is not there', async () => {
    await expect(quantized({ to: 'int8', device: 'webgpu:no such adapter' })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
    });
    expect(() => quantize({ to: 'int8', device: 'gpu' })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});
