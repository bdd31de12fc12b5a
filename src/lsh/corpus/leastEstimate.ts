/** Of documents as similar as the threshold, one pair in so many is taken to be less alike. */
const ONE_IN = 1e6;

/**
 * The least estimate of documents whose similarity is the threshold, but for one pair in a million: the components of
 * signatures that agree have a binomial distribution. Pairs with a lower one need not be compared exactly.
 */
export function leastEstimate(threshold: number, components: number): number {
  if (threshold >= 1) return 1;
  let logOfEqual = components * Math.log1p(-threshold);
  let upToEqual = 0;
  for (let equal = 0; equal < components; equal++) {
    upToEqual += Math.exp(logOfEqual);
    if (upToEqual > 1 / ONE_IN) return equal / components;
    logOfEqual += Math.log(((components - equal) * threshold) / ((equal + 1) * (1 - threshold)));
  }
  return 1;
}
