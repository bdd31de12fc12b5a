import { quantiseVector } from '../../src/kernels/index.ts';
import { clip, divideScalar, multiplyScalar, roundEven } from '../elementary/elementwise.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const BITS = 8;
const LEVELS = 127;

const quantiseVectorBench: KernelBench = {
  name: 'quantiseVector',
  cases: ['1K', '10K', '100K', '1M', '10M', '100M'].map((name, i) => {
    const count = 1000 * 10 ** i;
    return {
      name,
      memory: {
        input: normal(count),
        values: scratch(count),
        codes: scratch(count),
        // each step of the chain writes the one that the step before it did not
        even: scratch(count),
        odd: scratch(count),
      },
      fused: [step(quantiseVector, { count, bits: BITS }, { input: 'input', values: 'values', codes: 'codes' })],
      unfused: [
        step(clip, { count, scalar: 0 }, { x: 'input', y: 'even' }),
        step(multiplyScalar, { count, scalar: LEVELS }, { x: 'even', y: 'odd' }),
        step(roundEven, { count, scalar: 0 }, { x: 'odd', y: 'even' }),
        step(divideScalar, { count, scalar: LEVELS }, { x: 'even', y: 'odd' }),
      ],
      outputs: { values: { unfused: 'odd', relative: 1e-6 } },
    };
  }),
};

export default quantiseVectorBench;
