/** How much of its room each weight gets. */
export interface WaterLevel {
  /** A logarithm, and that of its share: far from 0, a difference of logarithms is more exact than any of them. */
  readonly log: number;
  readonly logShare: number;
  /** Share of weights that are zero, whose logarithm is -Infinity. */
  readonly zeroShare: number;
}

/**
 * Fills a budget into vessels of size 1 in proportion to their weights: share = min(1, weight * scale), with the scale at
 * which all shares add up to the budget. What a full vessel cannot take goes to the others; where all that weigh anything
 * are full, the rest is divided among those of weight 0.
 *
 * Weights are given as logarithms and never leave them: however far they are apart, nothing overflows or vanishes.
 *
 * @param logs f64[n], sorted ascending; -Infinity for a weight of 0; not NaN, not +Infinity
 * @param budget 0 to n
 */
export function waterLevel(logs: Float64Array, budget: number): WaterLevel {
  const zeros = firstFinite(logs);
  const weighing = logs.length - zeros;
  if (budget >= weighing) {
    return {
      log: 0,
      logShare: Number.POSITIVE_INFINITY,
      zeroShare: zeros === 0 ? 0 : Math.min(1, (budget - weighing) / zeros),
    };
  }
  // Of the lightest so many weights: their sum, as a multiple of the greatest of them, and the scale if only they had room.
  let sum = 0;
  let before = 0;
  let level = { log: 0, logShare: Number.NEGATIVE_INFINITY };
  for (let i = zeros; i < logs.length; i++) {
    const log = logs[i] ?? 0;
    sum = i === zeros ? 1 : sum * Math.exp(before - log) + 1;
    before = log;
    const left = budget - (logs.length - 1 - i);
    if (left <= 0) continue;
    const logShare = Math.log(left) - Math.log(sum);
    // The greatest would be more than full, and so would it be beside greater ones.
    if (logShare > 0) break;
    level = { log, logShare };
  }
  return { ...level, zeroShare: 0 };
}

/** The share of a weight, 0 to 1. */
export function shareOf(log: number, level: WaterLevel): number {
  return log === Number.NEGATIVE_INFINITY ? level.zeroShare : Math.exp(Math.min(0, log - level.log + level.logShare));
}

function firstFinite(logs: Float64Array): number {
  let low = 0;
  let high = logs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((logs[middle] ?? 0) === Number.NEGATIVE_INFINITY) low = middle + 1;
    else high = middle;
  }
  return low;
}
