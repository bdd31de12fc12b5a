import { normalScale } from '../../kernels/rounding.ts';
import type { RoundingOptions } from './floatMatrix.ts';
import { symmetricScale } from './symmetricScale.ts';

/**
 * The scale of a row that is kept as -scale, 0 and scale. `percentile` as {@link symmetricScale} with one step. `mse` is exact (Ternary Weight Networks, arXiv 1605.04711, finds it by approximation): whatever the scale, the
 * weights that it rounds away from zero are the largest ones, and of the k largest the best scale is their mean, which
 * takes `sum^2 / k` off the error. So all k are tried, in one pass over the sorted magnitudes.
 */
export function ternaryScale(row: Float32Array, options: RoundingOptions): number {
  const { method, importance } = options;
  if (method !== 'mse') return symmetricScale(row, 1, options);
  const order = Uint32Array.from(row.keys()).sort((a, b) => Math.abs(row[b] ?? 0) - Math.abs(row[a] ?? 0) || a - b);
  let sum = 0;
  let count = 0;
  let most = 0;
  let scale = 0;
  for (const index of order) {
    const weight = importance?.[index] ?? 1;
    sum += weight * Math.abs(row[index] ?? 0);
    count += weight;
    const gain = count === 0 ? 0 : (sum * sum) / count;
    if (gain <= most) continue;
    most = gain;
    scale = sum / count;
  }
  return normalScale(scale);
}
