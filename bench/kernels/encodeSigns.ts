import { encodeSigns } from '../../src/kernels/index.ts';
import { packSigns } from '../elementary/packing.ts';
import { CODE_SHAPES } from '../gpu/codes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

/** One operation, and so no chain: against a kernel that reads number by number. */
const encodeSignsBench: KernelBench = {
  name: 'encodeSigns',
  cases: CODE_SHAPES.map(({ name, rows, columns, count }) => ({
    name,
    memory: { input: normal(count), codes: scratch(count / 32), result: scratch(count / 32) },
    fused: [
      step(
        encodeSigns,
        { rows, columns, row_bytes: columns / 8, words: count / 32 },
        { input: 'input', codes: 'codes' },
      ),
    ],
    unfused: [step(packSigns, { count }, { x: 'input', y: 'result' })],
    outputs: { codes: { unfused: 'result', as: 'u32' } },
  })),
};

export default encodeSignsBench;
