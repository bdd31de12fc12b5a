import { encodeCodes } from '../../src/kernels/index.ts';
import { multiplyRow, roundEven } from '../elementary/elementwise.ts';
import { packBytes } from '../elementary/packing.ts';
import { CODE_SHAPES, codeSizesOf, scalesOf } from '../gpu/codes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const LEVELS = 127;

const encodeCodesBench: KernelBench = {
  name: 'encodeCodes',
  cases: CODE_SHAPES.map(({ name, rows, columns, count }) => ({
    name: `8 bits, ${name}`,
    memory: {
      input: normal(count),
      inverses: scalesOf(rows, LEVELS),
      zeros: scratch(1),
      codes: scratch(count / 4),
      products: scratch(count),
      rounded: scratch(count),
      result: scratch(count / 4),
    },
    fused: [
      step(
        encodeCodes,
        { ...codeSizesOf(rows, columns, columns, LEVELS, 0), words: count / 4, away: 0, bits: 8 },
        { input: 'input', inverses: 'inverses', zeros: 'zeros', codes: 'codes' },
      ),
    ],
    unfused: [
      step(multiplyRow, { rows, columns }, { x: 'input', row: 'inverses', y: 'products' }),
      step(roundEven, { count, scalar: 0 }, { x: 'products', y: 'rounded' }),
      step(packBytes, { count }, { x: 'rounded', y: 'result' }),
    ],
    outputs: { codes: { unfused: 'result', as: 'u32' } },
  })),
};

export default encodeCodesBench;
