import { decodeCodes } from '../../src/kernels/index.ts';
import { multiplyRow } from '../elementary/elementwise.ts';
import { unpackBytes } from '../elementary/packing.ts';
import { anyBytes, CODE_SHAPES, codeSizesOf, scalesOf } from '../gpu/codes.ts';
import { type KernelBench, scratch, step } from '../kernelHarness.ts';

const decodeCodesBench: KernelBench = {
  name: 'decodeCodes',
  cases: CODE_SHAPES.map(({ name, rows, columns, count }) => ({
    name: `8 bits, ${name}`,
    memory: {
      codes: anyBytes(count / 4, (uniform) => Math.floor(255 * uniform) - 127),
      scales: scalesOf(rows, 1),
      zeros: scratch(1),
      table: scratch(1),
      faults: scratch(1),
      values: scratch(count),
      numbers: scratch(count),
      result: scratch(count),
    },
    fused: [
      step(
        decodeCodes,
        { ...codeSizesOf(rows, columns, columns, 127, 0), mask: 255, tabled: 0, moved: 0, nothing: 0, bits: 8 },
        { codes: 'codes', scales: 'scales', zeros: 'zeros', table: 'table', values: 'values', faults: 'faults' },
      ),
    ],
    unfused: [
      step(unpackBytes, { count }, { x: 'codes', y: 'numbers' }),
      step(multiplyRow, { rows, columns }, { x: 'numbers', row: 'scales', y: 'result' }),
    ],
    outputs: { values: { unfused: 'result' } },
  })),
};

export default decodeCodesBench;
