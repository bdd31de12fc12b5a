import { meanPool } from '../../src/kernels/index.ts';
import { divideRow } from '../elementary/elementwise.ts';
import { sumRuns, toFloats } from '../elementary/indexing.ts';
import { MODEL_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normal, scratch, step, uniforms } from '../kernelHarness.ts';

/** Runs of 1 to 8 rows that follow each other and leave no row out. */
function runsOf(rows: number): { starts: Uint32Array; lengths: Uint32Array } {
  const uniform = uniforms();
  const starts: number[] = [];
  for (let start = 0; start < rows; start += 1 + Math.floor(8 * uniform())) starts.push(start);
  const lengths = starts.map((start, i) => (starts[i + 1] ?? rows) - start);
  return { starts: Uint32Array.from(starts), lengths: Uint32Array.from(lengths) };
}

const meanPoolBench: KernelBench = {
  name: 'meanPool',
  cases: MODEL_SHAPES.map(({ name, rows, columns }) => {
    const { starts, lengths } = runsOf(rows);
    const patches = starts.length;
    const sizes = { rows, columns, patches };
    return {
      name,
      memory: {
        states: normal(rows * columns),
        starts: { words: patches, values: () => starts },
        lengths: { words: patches, values: () => lengths },
        means: scratch(patches * columns),
        sums: scratch(patches * columns),
        counts: scratch(patches),
        result: scratch(patches * columns),
      },
      fused: [step(meanPool, sizes, { states: 'states', starts: 'starts', lengths: 'lengths', means: 'means' })],
      unfused: [
        step(sumRuns, sizes, { x: 'states', starts: 'starts', lengths: 'lengths', y: 'sums' }),
        step(toFloats, { count: patches }, { x: 'lengths', y: 'counts' }),
        step(divideRow, { rows: patches, columns }, { x: 'sums', row: 'counts', y: 'result' }),
      ],
      outputs: { means: { unfused: 'result', relative: 1e-6, absolute: 1e-9 } },
    };
  }),
};

export default meanPoolBench;
