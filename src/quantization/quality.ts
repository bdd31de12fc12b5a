import type { Quantizer } from './quantizer.ts';

/** Placeholder of the lead until helper B's version lands: replace at will. */
export function measureQuality(quantizer: Quantizer, rows: Float32Array): { readonly rows: number; readonly mse: number } {
  const decoded = quantizer.decode(quantizer.encode(rows));
  const mse = rows.reduce((sum, value, i) => sum + (value - (decoded[i] ?? 0)) ** 2, 0) / rows.length;
  return { rows: rows.length / quantizer.columns, mse };
}
