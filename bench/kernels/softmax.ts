import { softmax } from '../../src/kernels/index.ts';
import { divideRow, exp, subtractRow } from '../elementary/elementwise.ts';
import { rowMaximum, rowSum } from '../elementary/reductions.ts';
import { VOCABULARY_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const softmaxBench: KernelBench = {
  name: 'softmax',
  cases: VOCABULARY_SHAPES.map(({ name, rows, columns }) => {
    const matrix = { rows, columns };
    const count = rows * columns;
    return {
      name,
      memory: {
        logits: normal(count),
        probabilities: scratch(count),
        largest: scratch(rows),
        shifts: scratch(count),
        masses: scratch(count),
        mass: scratch(rows),
        result: scratch(count),
      },
      fused: [step(softmax, matrix, { logits: 'logits', probabilities: 'probabilities' })],
      unfused: [
        step(rowMaximum, matrix, { x: 'logits', y: 'largest' }),
        step(subtractRow, matrix, { x: 'logits', row: 'largest', y: 'shifts' }),
        step(exp, { count, scalar: 0 }, { x: 'shifts', y: 'masses' }),
        step(rowSum, matrix, { x: 'masses', y: 'mass' }),
        step(divideRow, matrix, { x: 'masses', row: 'mass', y: 'result' }),
      ],
      outputs: { probabilities: { unfused: 'result', relative: 4e-6, absolute: 1e-12 } },
    };
  }),
};

export default softmaxBench;
