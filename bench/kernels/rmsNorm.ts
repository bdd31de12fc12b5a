import { rmsNorm } from '../../src/kernels/index.ts';
import { addScalar, divideRow, divideScalar, multiplyColumn, sqrt, square } from '../elementary/elementwise.ts';
import { rowSum } from '../elementary/reductions.ts';
import { MODEL_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const EPSILON = 1e-5;

const rmsNormBench: KernelBench = {
  name: 'rmsNorm',
  cases: MODEL_SHAPES.map(({ name, rows, columns }) => {
    const matrix = { rows, columns };
    const count = rows * columns;
    return {
      name,
      memory: {
        states: normal(count),
        weight: normal(columns),
        normed: scratch(count),
        squares: scratch(count),
        sum: scratch(rows),
        mean: scratch(rows),
        shifted: scratch(rows),
        root: scratch(rows),
        divided: scratch(count),
        result: scratch(count),
      },
      fused: [step(rmsNorm, { ...matrix, epsilon: EPSILON }, { states: 'states', weight: 'weight', normed: 'normed' })],
      unfused: [
        step(square, { count, scalar: 0 }, { x: 'states', y: 'squares' }),
        step(rowSum, matrix, { x: 'squares', y: 'sum' }),
        step(divideScalar, { count: rows, scalar: columns }, { x: 'sum', y: 'mean' }),
        step(addScalar, { count: rows, scalar: EPSILON }, { x: 'mean', y: 'shifted' }),
        step(sqrt, { count: rows, scalar: 0 }, { x: 'shifted', y: 'root' }),
        step(divideRow, matrix, { x: 'states', row: 'root', y: 'divided' }),
        step(multiplyColumn, matrix, { x: 'divided', column: 'weight', y: 'result' }),
      ],
      outputs: { normed: { unfused: 'result', relative: 4e-6 } },
    };
  }),
};

export default rmsNormBench;
