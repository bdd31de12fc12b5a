import { nearestRank } from '../../quantization/nearestRank.ts';

/** A linear weight as it was read: f32[out, in], row-major. */
export interface FloatMatrix {
  readonly outputs: number;
  readonly inputs: number;
  readonly values: Float32Array;
}

/** Where the scale of a group of weights comes from, besides from its ends. */
export type SearchMethod = 'percentile' | 'mse';

export interface RoundingOptions {
  readonly method: SearchMethod;
  /** Of the magnitudes that share a scale, for `percentile`: above 0, at most 100. Default: 99.9. */
  readonly percentile?: number | undefined;
  /**
   * f64[in]: what an error of a weight counts, by its input, where `mse` searches. Default: all alike. The mean square of
   * an input makes that search one for the least error of the outputs, correlations left aside.
   */
  readonly importance?: Float64Array | undefined;
}

export const DEFAULT_PERCENTILE = 99.9;

/** The nearest-rank percentile of magnitudes; 0 of none. */
export const magnitudeAt = (values: Float32Array, percentile: number): number =>
  nearestRank(values.map(Math.abs), percentile);

export function largestMagnitude(values: Float32Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
