/** Prints what WebGPU finds here as one line of JSON. */
import { SluiceError } from '../../errors.ts';
import { type AdapterChoice, describeVariant, Gpu, listAdapters } from '../../gpu/index.ts';

export interface GpuReport {
  /** Names of all adapters. */
  readonly adapters: readonly string[];
  /** The GPU that `webgpu` means, and what programs can use on it. */
  readonly hardware?: string;
  /** The software adapter that `webgpu:software` means. */
  readonly software?: string;
  /** Why there is none. */
  readonly problem?: string;
}

async function describe(adapter: AdapterChoice): Promise<string> {
  const gpu = await Gpu.open({ adapter });
  return `${gpu.info.name} (${describeVariant(gpu.variant)})`;
}

async function report(): Promise<GpuReport> {
  try {
    const adapters = await listAdapters();
    const [hardware, software] = await Promise.allSettled([describe('hardware'), describe('software')]);
    return {
      adapters,
      ...(hardware.status === 'fulfilled' ? { hardware: hardware.value } : { problem: reasonOf(hardware.reason) }),
      ...(software.status === 'fulfilled' ? { software: software.value } : {}),
    };
  } catch (error) {
    return { adapters: [], problem: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof SluiceError) return [error.message, error.hint].filter(Boolean).join(' ');
  return String(error);
}

process.stdout.write(`${JSON.stringify(await report())}\n`);
process.exit(0);
