import { entropy } from '../../src/kernels/index.ts';
import { divide, exp, log, multiply, subtract, subtractRow } from '../elementary/elementwise.ts';
import { rowMaximum, rowSum } from '../elementary/reductions.ts';
import { VOCABULARY_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const entropyBench: KernelBench = {
  name: 'entropy',
  cases: VOCABULARY_SHAPES.map(({ name, rows, columns }) => {
    const matrix = { rows, columns };
    const [count, perRow] = [rows * columns, { count: rows }];
    return {
      name,
      memory: {
        logits: normal(count),
        entropies: scratch(rows),
        largest: scratch(rows),
        shifts: scratch(count),
        masses: scratch(count),
        weighted: scratch(count),
        mass: scratch(rows),
        logMass: scratch(rows),
        sum: scratch(rows),
        mean: scratch(rows),
        result: scratch(rows),
      },
      fused: [step(entropy, matrix, { logits: 'logits', entropies: 'entropies' })],
      unfused: [
        step(rowMaximum, matrix, { x: 'logits', y: 'largest' }),
        step(subtractRow, matrix, { x: 'logits', row: 'largest', y: 'shifts' }),
        step(exp, { count, scalar: 0 }, { x: 'shifts', y: 'masses' }),
        step(rowSum, matrix, { x: 'masses', y: 'mass' }),
        step(log, { ...perRow, scalar: 0 }, { x: 'mass', y: 'logMass' }),
        step(multiply, { count }, { a: 'shifts', b: 'masses', y: 'weighted' }),
        step(rowSum, matrix, { x: 'weighted', y: 'sum' }),
        step(divide, perRow, { a: 'sum', b: 'mass', y: 'mean' }),
        step(subtract, perRow, { a: 'logMass', b: 'mean', y: 'result' }),
      ],
      outputs: { entropies: { unfused: 'result', absolute: 1e-5 } },
    };
  }),
};

export default entropyBench;
