import { encodeTrits } from '../../src/kernels/index.ts';
import { clip, multiplyRow, roundEven } from '../elementary/elementwise.ts';
import { packTrits } from '../elementary/packing.ts';
import { CODE_SHAPES, codeSizesOf, scalesOf } from '../gpu/codes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const encodeTritsBench: KernelBench = {
  name: 'encodeTrits',
  cases: CODE_SHAPES.map(({ name, rows, columns, count }) => ({
    name,
    memory: {
      input: normal(count),
      inverses: scalesOf(rows, 6),
      zeros: scratch(1),
      codes: scratch(count / 20),
      // each step of the chain writes the one that the step before it did not
      even: scratch(count),
      odd: scratch(count),
      result: scratch(count / 20),
    },
    fused: [
      step(
        encodeTrits,
        { ...codeSizesOf(rows, columns, columns / 5, 1, 1), words: count / 20, away: 0 },
        { input: 'input', inverses: 'inverses', zeros: 'zeros', codes: 'codes' },
      ),
    ],
    unfused: [
      step(multiplyRow, { rows, columns }, { x: 'input', row: 'inverses', y: 'even' }),
      step(roundEven, { count, scalar: 0 }, { x: 'even', y: 'odd' }),
      step(clip, { count, scalar: 0 }, { x: 'odd', y: 'even' }),
      step(packTrits, { count }, { x: 'even', y: 'result' }),
    ],
    outputs: { codes: { unfused: 'result', as: 'u32' } },
  })),
};

export default encodeTritsBench;
