import { l2Norm } from '../../src/kernels/index.ts';
import { sqrt, square } from '../elementary/elementwise.ts';
import { rowSum } from '../elementary/reductions.ts';
import { MODEL_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const l2NormBench: KernelBench = {
  name: 'l2Norm',
  cases: MODEL_SHAPES.map(({ name, rows, columns }) => {
    const matrix = { rows, columns };
    const count = rows * columns;
    return {
      name,
      memory: {
        states: normal(count),
        norms: scratch(rows),
        squares: scratch(count),
        sum: scratch(rows),
        result: scratch(rows),
      },
      fused: [step(l2Norm, matrix, { states: 'states', norms: 'norms' })],
      unfused: [
        step(square, { count, scalar: 0 }, { x: 'states', y: 'squares' }),
        step(rowSum, matrix, { x: 'squares', y: 'sum' }),
        step(sqrt, { count: rows, scalar: 0 }, { x: 'sum', y: 'result' }),
      ],
      outputs: { norms: { unfused: 'result', relative: 4e-6 } },
    };
  }),
};

export default l2NormBench;
