import { quantiseBlocks } from '../../src/kernels/index.ts';
import {
  absolute,
  clip,
  divideRow,
  divideScalar,
  multiplyRow,
  multiplyScalar,
  roundEven,
} from '../elementary/elementwise.ts';
import { rowMaximum } from '../elementary/reductions.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const BITS = 8;
const LEVELS = 127;
const BLOCK = 32;
/** Quotients of devices differ, and with them a code now and then: by a step of a block of normal numbers. */
const STEP = 6 / LEVELS;

const quantiseBlocksBench: KernelBench = {
  name: 'quantiseBlocks',
  cases: [32, 1024, 32_768, 1_048_576, 3_276_800].map((rows) => {
    const count = rows * BLOCK;
    const blocks = { rows, columns: BLOCK };
    return {
      name: `${count / 1024}K in blocks of ${BLOCK}`,
      memory: {
        input: normal(count),
        scales: scratch(rows),
        values: scratch(count),
        codes: scratch(count),
        // each step of the chain writes the one that the step before it did not
        even: scratch(count),
        odd: scratch(count),
        largest: scratch(rows),
      },
      fused: [
        step(
          quantiseBlocks,
          { ...blocks, bits: BITS },
          { input: 'input', scales: 'scales', values: 'values', codes: 'codes' },
        ),
      ],
      unfused: [
        step(absolute, { count, scalar: 0 }, { x: 'input', y: 'even' }),
        step(rowMaximum, blocks, { x: 'even', y: 'largest' }),
        step(divideRow, blocks, { x: 'input', row: 'largest', y: 'odd' }),
        step(clip, { count, scalar: 0 }, { x: 'odd', y: 'even' }),
        step(multiplyScalar, { count, scalar: LEVELS }, { x: 'even', y: 'odd' }),
        step(roundEven, { count, scalar: 0 }, { x: 'odd', y: 'even' }),
        step(divideScalar, { count, scalar: LEVELS }, { x: 'even', y: 'odd' }),
        step(multiplyRow, blocks, { x: 'odd', row: 'largest', y: 'even' }),
      ],
      outputs: { scales: { unfused: 'largest' }, values: { unfused: 'even', absolute: STEP } },
    };
  }),
};

export default quantiseBlocksBench;
