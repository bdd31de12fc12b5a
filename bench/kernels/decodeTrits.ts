import { decodeTrits } from '../../src/kernels/index.ts';
import { multiplyRow } from '../elementary/elementwise.ts';
import { unpackTrits } from '../elementary/packing.ts';
import { anyBytes, CODE_SHAPES, codeSizesOf, scalesOf } from '../gpu/codes.ts';
import { type KernelBench, scratch, step } from '../kernelHarness.ts';

const decodeTritsBench: KernelBench = {
  name: 'decodeTrits',
  cases: CODE_SHAPES.map(({ name, rows, columns, count }) => ({
    name: name,
    memory: {
      codes: anyBytes(count / 20, (uniform) => Math.floor(243 * uniform)),
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
        decodeTrits,
        { ...codeSizesOf(rows, columns, columns / 5, 1, 1), mask: 3, tabled: 0, moved: 0, nothing: 0 },
        { codes: 'codes', scales: 'scales', zeros: 'zeros', table: 'table', values: 'values', faults: 'faults' },
      ),
    ],
    unfused: [
      step(unpackTrits, { count }, { x: 'codes', y: 'numbers' }),
      step(multiplyRow, { rows, columns }, { x: 'numbers', row: 'scales', y: 'result' }),
    ],
    outputs: { values: { unfused: 'result' } },
  })),
};

export default decodeTritsBench;
