const SMALLEST_NORMAL = 2 ** -126;

/** Adding and subtracting 1.5 * 2^52 leaves a double without a fraction, rounded half to even. */
export const roundEven = (value: number): number => value + 6755399441055744 - 6755399441055744;

/** The scale as float32; zero where that would be subnormal, which is too coarse to divide by. NaN stays. */
export const normalScale = (exact: number): number => (exact < SMALLEST_NORMAL ? 0 : Math.fround(exact));
