import { gather } from '../../src/kernels/index.ts';
import { addresses, clampIndices, take } from '../elementary/indexing.ts';
import { MODEL_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normal, scratch, step, uniforms } from '../kernelHarness.ts';

const VOCABULARY = 260;

const tokens = (): Uint32Array => {
  const uniform = uniforms();
  return Uint32Array.from({ length: 1 << 16 }, () => Math.floor(VOCABULARY * uniform()));
};

/** Rows of the table of tokens. The chain checks indices, makes an address for each element, and takes the elements. */
const gatherBench: KernelBench = {
  name: 'gather',
  cases: MODEL_SHAPES.map(({ name, rows, columns }) => {
    const count = rows * columns;
    return {
      name,
      memory: {
        table: normal(VOCABULARY * columns),
        indices: { words: rows, values: tokens },
        gathered: scratch(count),
        clamped: scratch(rows),
        addresses: scratch(count),
        result: scratch(count),
      },
      fused: [
        step(
          gather,
          { rows, columns, vocabulary: VOCABULARY },
          { table: 'table', indices: 'indices', gathered: 'gathered' },
        ),
      ],
      unfused: [
        step(clampIndices, { count: rows, vocabulary: VOCABULARY }, { x: 'indices', y: 'clamped' }),
        step(addresses, { rows, columns }, { x: 'clamped', y: 'addresses' }),
        step(take, { count }, { table: 'table', x: 'addresses', y: 'result' }),
      ],
      outputs: { gathered: { unfused: 'result' } },
    };
  }),
};

export default gatherBench;
