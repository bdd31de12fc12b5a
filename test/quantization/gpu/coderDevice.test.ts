import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type CoderDevice, openCoderDevice } from '../../../src/quantization/gpu/coderDevice.ts';
import { openQuantizer, resolveChain, type SchemeSpec, trainQuantizer } from '../../../src/quantization/index.ts';
import { normals } from '../../kernels/conformance.ts';
import { childProcesses } from '../../support/children.ts';
import { type GpuDevice, gpuDevice } from '../../support/gpu.ts';

const COLUMNS = 48;
const rows = normals(200 * COLUMNS);
const of = (spec: SchemeSpec) => openQuantizer(resolveChain(spec), COLUMNS);

let gpu: GpuDevice;
beforeAll(async () => {
  gpu = await gpuDevice();
});
afterAll(() => gpu.remove());

async function opened(spec: SchemeSpec, answerMs?: number): Promise<CoderDevice> {
  const coder = await openCoderDevice(gpu.device, of(spec), { patienceMs: 300, answerMs });
  if (coder === undefined) throw new Error('it was not opened');
  return coder;
}

describe('a quantizer on a device with a process of its own', () => {
  it('makes the bytes that it makes without', async () => {
    const coder = await opened('int8');
    const encoded = of('int8').encode(rows);
    expect(await coder.encode(rows)).toEqual(encoded);
    expect(await coder.decode(encoded)).toEqual(of('int8').decode(encoded));
    const bad = rows.slice(0, 3 * COLUMNS);
    bad[COLUMNS + 5] = Number.NaN;
    await expect(coder.encode(bad)).rejects.toMatchObject({
      code: 'QUANTIZE_VALUE',
      message: expect.stringContaining('row 1, column 5'),
    });
    await coder.close();
    expect(childProcesses()).toEqual([]);
  });

  it('shares the process with others, which ends with the last of them', async () => {
    const specs: readonly SchemeSpec[] = ['int8', 'int4', 'ternary', { scheme: 'variable', bits: 5 }];
    const coders = await Promise.all(specs.map((spec) => opened(spec)));
    expect(childProcesses()).toHaveLength(1);
    const encoded = await Promise.all(coders.map((coder) => coder.encode(rows)));
    expect(encoded).toEqual(specs.map((spec) => of(spec).encode(rows)));
    await Promise.all(coders.slice(1).map((coder) => coder.close()));
    expect(await coders[0]!.encode(rows)).toEqual(encoded[0]);
    await coders[0]!.close();
    expect(childProcesses()).toEqual([]);
    await expect(coders[0]!.encode(rows)).rejects.toMatchObject({ name: 'DeviceError', code: 'DEVICE_LOST' });
  });

  it('is undefined where there is nothing to gain', async () => {
    expect(await openCoderDevice('cpu', of('int8'))).toBeUndefined();
    const chain = resolveChain([{ scheme: 'pca', components: 2 }, 'int8']);
    const quantizer = trainQuantizer(chain, { columns: 4, rows: normals(400), seed: 1 });
    expect(await openCoderDevice(gpu.device, quantizer)).toBeUndefined();
    expect(childProcesses()).toEqual([]);
  });

  it('is refused on a GPU that is not there', async () => {
    await expect(openCoderDevice('webgpu:Voodoo', of('int8'))).rejects.toMatchObject({
      name: 'DeviceError',
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringContaining('webgpu:Voodoo cannot be used: No adapter has "Voodoo" in its name'),
    });
    await vi.waitUntil(() => childProcesses().length === 0);
  });
});

describe('a process that is lost', () => {
  it('fails what it was asked for and all after it; a new one can be opened', async () => {
    const coder = await opened('int8');
    const encoding = coder.encode(rows);
    process.kill(childProcesses()[0]!, 'SIGKILL');
    await expect(encoding).rejects.toMatchObject({
      name: 'DeviceError',
      code: 'DEVICE_LOST',
      message: expect.stringContaining('its process ended with SIGKILL'),
    });
    await expect(coder.decode(of('int8').encode(rows))).rejects.toMatchObject({ code: 'DEVICE_LOST' });
    const next = await opened('int8');
    expect(await next.encode(rows)).toEqual(of('int8').encode(rows));
    await Promise.all([coder.close(), next.close()]);
    expect(childProcesses()).toEqual([]);
  });

  it('is lost, and killed, where it hangs', async () => {
    const coder = await opened('int8', 2000);
    process.kill(childProcesses()[0]!, 'SIGSTOP');
    await expect(coder.encode(rows)).rejects.toMatchObject({
      code: 'DEVICE_LOST',
      message: expect.stringContaining('no answer for 2 seconds'),
    });
    await vi.waitUntil(() => childProcesses().length === 0);
    await coder.close();
  });
});

describe('the process that a device works for', () => {
  it('ends by itself, and the device with it', async () => {
    const program = `
      import { openCoderDevice, openQuantizer, resolveChain } from '${import.meta.resolve('../../../src/quantization/index.ts')}';
      const coder = await openCoderDevice('${gpu.device}', openQuantizer(resolveChain('int8'), 4));
      const [codes] = await coder.encode(Float32Array.of(1, -2, 3, 4));
      console.log(codes.join());`;
    const args = ['--conditions=sluice-source', '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
    expect(stdout.trim()).toBe('32,192,95,127');
  });
});
