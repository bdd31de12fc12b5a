import { rowExtremes } from '../../src/kernels/index.ts';
import { negate } from '../elementary/elementwise.ts';
import { rowMaximum } from '../elementary/reductions.ts';
import { CODE_SHAPES } from '../gpu/codes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const rowExtremesBench: KernelBench = {
  name: 'rowExtremes',
  cases: CODE_SHAPES.map(({ name, rows, columns, count }) => ({
    name,
    memory: {
      input: normal(count),
      least: scratch(rows),
      largest: scratch(rows),
      negated: scratch(count),
      most: scratch(rows),
      mostNegated: scratch(rows),
      result: scratch(rows),
    },
    fused: [
      step(rowExtremes, { rows, columns, line: columns }, { input: 'input', least: 'least', largest: 'largest' }),
    ],
    unfused: [
      step(rowMaximum, { rows, columns }, { x: 'input', y: 'most' }),
      step(negate, { count, scalar: 0 }, { x: 'input', y: 'negated' }),
      step(rowMaximum, { rows, columns }, { x: 'negated', y: 'mostNegated' }),
      step(negate, { count: rows, scalar: 0 }, { x: 'mostNegated', y: 'result' }),
    ],
    outputs: { least: { unfused: 'result' }, largest: { unfused: 'most' } },
  })),
};

export default rowExtremesBench;
