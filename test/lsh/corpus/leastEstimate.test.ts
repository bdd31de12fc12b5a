import { describe, expect, it } from 'vitest';
import { leastEstimate } from '../../../src/lsh/corpus/leastEstimate.ts';

/** The probability that fewer than `least` of `components` agree, by dynamic programming. */
function probabilityBelow(least: number, components: number, similarity: number): number {
  let chances = [1];
  for (let i = 0; i < components; i++) {
    chances = Array.from(
      { length: chances.length + 1 },
      (_, equal) => (chances[equal] ?? 0) * (1 - similarity) + (chances[equal - 1] ?? 0) * similarity,
    );
  }
  return chances.slice(0, least).reduce((sum, chance) => sum + chance, 0);
}

describe('leastEstimate', () => {
  it.each([
    [0.1, 100],
    [0.5, 16],
    [0.5, 100],
    [0.8, 100],
    [0.8, 256],
    [0.95, 100],
    [0.99, 100],
    [0.999, 100],
    [0.5, 3],
  ])('of similarity %d, %d components: one pair in a million has a lower one', (threshold, components) => {
    const least = Math.round(leastEstimate(threshold, components) * components);
    expect(probabilityBelow(least, components, threshold)).toBeLessThanOrEqual(1e-6);
    expect(probabilityBelow(least + 1, components, threshold)).toBeGreaterThan(1e-6);
  });

  it('is 1 for documents with all shingles in common, 0 for those with none', () => {
    expect(leastEstimate(1, 100)).toBe(1);
    expect(leastEstimate(0, 100)).toBe(0);
  });

  it('comes to the normal distribution for the longest signatures, and so for logarithms of the least chances', () => {
    const deviation = Math.sqrt((0.8 * 0.2) / 16_384);
    expect((0.8 - leastEstimate(0.8, 16_384)) / deviation).toBeCloseTo(4.753, 1);
  });
});
