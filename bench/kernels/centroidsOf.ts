import { centroidsOf } from '../../src/kernels/index.ts';
import { centroidRows } from '../elementary/centroids.ts';
import { addresses, take } from '../elementary/indexing.ts';
import { anyBytes } from '../gpu/codes.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const COLUMNS = 640;
const DIMS = 8;
const PARTS = COLUMNS / DIMS;

/** The chain unpacks codes, makes an address for each number, and takes the numbers. */
const centroidsOfBench: KernelBench = {
  name: 'centroidsOf',
  cases: [2, 100, 1600, 25_600].map((rows) => {
    const [count, parts] = [rows * COLUMNS, rows * PARTS];
    return {
      name: `${rows} rows of ${COLUMNS} in parts of ${DIMS}`,
      memory: {
        codes: anyBytes(parts / 4, (uniform) => Math.floor(256 * uniform)),
        codebooks: normal(256 * COLUMNS),
        values: scratch(count),
        rows: scratch(parts),
        addresses: scratch(count),
        result: scratch(count),
      },
      fused: [
        step(
          centroidsOf,
          { rows, columns: COLUMNS, dims: DIMS },
          { codes: 'codes', codebooks: 'codebooks', values: 'values' },
        ),
      ],
      unfused: [
        step(centroidRows, { count: parts, books: PARTS }, { x: 'codes', y: 'rows' }),
        step(addresses, { rows: parts, columns: DIMS }, { x: 'rows', y: 'addresses' }),
        step(take, { count }, { table: 'codebooks', x: 'addresses', y: 'result' }),
      ],
      outputs: { values: { unfused: 'result' } },
    };
  }),
};

export default centroidsOfBench;
