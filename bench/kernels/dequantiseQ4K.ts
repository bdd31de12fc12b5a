import { dequantiseQ4K, weightsOf } from '../../src/kernels/index.ts';
import { multiplyRow, subtractRow } from '../elementary/elementwise.ts';
import { q4KCodes, q4KLines } from '../elementary/weights.ts';
import { type KernelBench, normals, scratch, step } from '../kernelHarness.ts';

const BLOCK = 256;
/** Values with one scale and minimum. */
const LINE = 32;
/** Blocks that the contents of memory repeat after. */
const REPEATED = 256;

const dequantiseQ4KBench: KernelBench = {
  name: 'dequantiseQ4K',
  cases: [16, 1024, 65_536].map((blocks) => {
    const count = blocks * BLOCK;
    const lines = { rows: count / LINE, columns: LINE };
    return {
      name: `${count / 1024}K values`,
      memory: {
        weights: {
          words: 36 * blocks,
          values: () => weightsOf('q4_k', normals().subarray(0, BLOCK * REPEATED), BLOCK).words,
        },
        values: scratch(count),
        codes: scratch(count),
        scales: scratch(lines.rows),
        minima: scratch(lines.rows),
        scaled: scratch(count),
        result: scratch(count),
      },
      fused: [step(dequantiseQ4K, { count }, { weights: 'weights', values: 'values' })],
      unfused: [
        step(q4KCodes, { count }, { weights: 'weights', codes: 'codes' }),
        step(q4KLines, { count }, { weights: 'weights', scales: 'scales', minima: 'minima' }),
        step(multiplyRow, lines, { x: 'codes', row: 'scales', y: 'scaled' }),
        step(subtractRow, lines, { x: 'scaled', row: 'minima', y: 'result' }),
      ],
      outputs: { values: { unfused: 'result' } },
    };
  }),
};

export default dequantiseQ4KBench;
