/** Writes the work of every case of `bench/kernels/`, one JSON object a line: peers in other languages measure the same. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { KernelBench } from '../kernelHarness.ts';
import { costOf } from './chain.ts';

/** One line: what the case is called in figures, and the work that they are made of. */
export interface CaseLine {
  readonly case: string;
  readonly bytes: number;
  readonly flops: number;
}

const ROWS = path.join(import.meta.dirname, '../kernels');
const chosen = process.env['SLUICE_KERNELS']?.split(',');

for (const file of (await readdir(ROWS)).sort()) {
  if (chosen !== undefined && !chosen.includes(path.basename(file, '.ts'))) continue;
  const { default: bench } = (await import(`../kernels/${file}`)) as { default: KernelBench };
  for (const { name, fused, cost = costOf(fused) } of bench.cases) {
    const line: CaseLine = { case: `${bench.name} ${name}`, bytes: cost.bytes, flops: cost.flops };
    console.log(JSON.stringify(line));
  }
}
