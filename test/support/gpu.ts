import { DeviceError } from '../../src/errors.ts';
import { type AdapterChoice, findAdapter, Gpu, type GpuOptions } from '../../src/gpu/index.ts';
import { hasGpu } from '../../src/model/gpu/gpuProbe.ts';
import { swiftshader, useSwiftshader } from './swiftshader.ts';

let choice: Promise<AdapterChoice> | undefined;

/** What the tests shall run on instead: `software`, or a part of an adapter's name. */
const ASKED = process.env['SLUICE_ADAPTER'];

/** The GPU of this machine if it has one, else a software adapter. */
export function testAdapter(): Promise<AdapterChoice> {
  if (ASKED !== undefined) return Promise.resolve(ASKED === 'software' ? ASKED : { name: ASKED });
  choice ??= findAdapter('hardware').then(
    () => 'hardware' as const,
    async (error) => {
      if (!(error instanceof DeviceError) || error.code !== 'NO_ADAPTER') throw error;
      await useSwiftshader();
      return 'software' as const;
    },
  );
  return choice;
}

export async function testGpu(options: GpuOptions = {}): Promise<Gpu> {
  return Gpu.open({ adapter: await testAdapter(), ...options });
}

/** A device for models, which run it in a process of their own. */
export interface GpuDevice {
  readonly device: 'webgpu' | `webgpu:${string}`;
  remove(): Promise<void>;
}

/** The GPU of this machine if it has one, else a software adapter that processes started from here on find. */
export async function gpuDevice(): Promise<GpuDevice> {
  if (ASKED !== undefined) return { device: `webgpu:${ASKED}`, remove: async () => {} };
  if (hasGpu()) return { device: 'webgpu', remove: async () => {} };
  const { env, remove } = await swiftshader();
  Object.assign(process.env, env);
  return { device: 'webgpu:software', remove };
}
