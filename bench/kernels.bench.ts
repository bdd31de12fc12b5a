import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describeVariant, Gpu } from '../src/gpu/index.ts';
import { benchAdapter } from './gpu/benchAdapter.ts';
import { Ceiling } from './gpu/ceilings.ts';
import type { Bench } from './harness.ts';
import { benchKernel, type KernelBench } from './kernelHarness.ts';

const ROWS = path.join(import.meta.dirname, 'kernels');
const MEMORY_BYTES = 4 * 2 ** 30;

/**
 * GPU kernels against chains of elementary kernels that compute the same. The ceiling is the device's own copy, or its own
 * multiply-adds where arithmetic takes longer than memory. `SLUICE_KERNELS=entropy,softmax` takes these only;
 * `SLUICE_ADAPTER=software`, or a part of an adapter's name, takes that adapter. Notes go to stderr.
 */
export default async function kernels(bench: Bench): Promise<void> {
  const gpu = await Gpu.open({ adapter: await benchAdapter(), memoryBytes: MEMORY_BYTES });
  const note = (text: string): void => console.error(text);
  note(`${gpu.info.name}: ${describeVariant(gpu.variant)}`);
  const ceilings = { copy: await Ceiling.copy(gpu), multiplyAdd: await Ceiling.multiplyAdd(gpu) };
  for (const name of await chosen()) {
    const { default: row } = (await import(`./kernels/${name}.ts`)) as { default: KernelBench };
    await benchKernel(bench, gpu, ceilings, row, note);
  }
  for (const [name, { best, unit }] of Object.entries(ceilings)) bench.report({ case: name, value: best / 1e9, unit });
  gpu.close();
}

async function chosen(): Promise<string[]> {
  const known = (await readdir(ROWS)).map((file) => path.basename(file, '.ts')).sort();
  const asked = process.env['SLUICE_KERNELS']?.split(',');
  const unknown = asked?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`No kernel '${unknown.join("', '")}' is measured. Known: ${known.join(', ')}`);
  return asked ?? known;
}
