import { nearestCentroids } from '../../src/kernels/index.ts';
import { distances, leastOfRows } from '../elementary/centroids.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const COLUMNS = 64;
const DIMS = 8;
const PARTS = COLUMNS / DIMS;

/** Against all distances, and then the least of them. */
const nearestCentroidsBench: KernelBench = {
  name: 'nearestCentroids',
  cases: [16, 1024, 16_384].map((rows) => {
    const sizes = { rows, columns: COLUMNS, dims: DIMS };
    return {
      name: `${rows} rows of ${COLUMNS} in parts of ${DIMS}`,
      memory: {
        input: normal(rows * COLUMNS),
        codebooks: { ...normal(256 * COLUMNS) },
        codes: scratch(rows * PARTS),
        distances: scratch(256 * rows * PARTS),
        result: scratch(rows * PARTS),
      },
      fused: [
        step(nearestCentroids, { ...sizes, nothing: 0 }, { input: 'input', codebooks: 'codebooks', codes: 'codes' }),
      ],
      unfused: [
        step(distances, sizes, { x: 'input', codebooks: 'codebooks', y: 'distances' }),
        step(leastOfRows, { rows: rows * PARTS }, { x: 'distances', y: 'result' }),
      ],
      outputs: { codes: { unfused: 'result', as: 'u32' } },
    };
  }),
};

export default nearestCentroidsBench;
