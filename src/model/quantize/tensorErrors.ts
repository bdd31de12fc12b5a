/** What rounding did to a tensor: its values before and after. */
export interface TensorErrors {
  readonly values: number;
  /** Sums of squares: of the errors, and of the values before. */
  readonly squaredError: number;
  readonly squares: number;
  /** Sums of magnitudes: of the errors, and of the values before. */
  readonly absoluteError: number;
  readonly magnitudes: number;
  readonly maxError: number;
}

export const NO_ERRORS: TensorErrors = {
  values: 0,
  squaredError: 0,
  squares: 0,
  absoluteError: 0,
  magnitudes: 0,
  maxError: 0,
};

export function tensorErrors(before: Float32Array, after: Float32Array): TensorErrors {
  const sums = { ...NO_ERRORS, values: before.length } as { -readonly [K in keyof TensorErrors]: TensorErrors[K] };
  for (let i = 0; i < before.length; i++) {
    const value = before[i] ?? 0;
    const off = Math.abs((after[i] ?? 0) - value);
    sums.squaredError += off * off;
    sums.squares += value * value;
    sums.absoluteError += off;
    sums.magnitudes += Math.abs(value);
    sums.maxError = Math.max(sums.maxError, off);
  }
  return sums;
}

/** Of two tensors together. */
export function joinedErrors(a: TensorErrors, b: TensorErrors): TensorErrors {
  return {
    values: a.values + b.values,
    squaredError: a.squaredError + b.squaredError,
    squares: a.squares + b.squares,
    absoluteError: a.absoluteError + b.absoluteError,
    magnitudes: a.magnitudes + b.magnitudes,
    maxError: Math.max(a.maxError, b.maxError),
  };
}
