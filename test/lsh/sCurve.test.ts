import { describe, expect, it } from 'vitest';
import type { Banding } from '../../src/lsh/bands.ts';
import { bandingFor, candidateProbability, chanceCandidates, errorRates } from '../../src/lsh/sCurve.ts';

describe('the chance to become candidates', () => {
  it.each<[number, number, number, number]>([
    [20, 5, 0.2, 0.0064],
    [20, 5, 0.5, 0.47],
    [20, 5, 0.8, 0.9996],
    [25, 4, 0.3, 0.184],
    [25, 4, 0.55, 0.909],
    [14, 8, 0.4, 0.0091],
    [14, 8, 0.7, 0.565],
    [450, 20, 0.7, 0.302],
  ])('is 1 - (1 - s^r)^b: %i bands of %i rows at %d', (bands, rows, similarity, chance) => {
    const exact = 1 - (1 - similarity ** rows) ** bands;
    expect(candidateProbability(similarity, { bands, rows })).toBeCloseTo(exact, 12);
    expect(Math.abs(exact - chance)).toBeLessThan(0.0006);
  });

  it('is exact where it is tiny, and at both ends', () => {
    expect(candidateProbability(0.01, { bands: 20, rows: 13 }) / 20e-26).toBeCloseTo(1, 9);
    expect(candidateProbability(0, { bands: 20, rows: 5 })).toBe(0);
    expect(candidateProbability(1, { bands: 20, rows: 5 })).toBe(1);
  });

  it('steps up where s is (1/b)^(1/r)', () => {
    for (const [bands, rows, step] of [
      [20, 5, 0.549],
      [10, 10, 0.794],
      [50, 2, 0.141],
      [2, 50, 0.986],
    ] as const) {
      expect((1 / bands) ** (1 / rows)).toBeCloseTo(step, 3);
      // there it is 1 - (1 - 1/b)^b, from 3/4 down to 1 - 1/e
      expect(candidateProbability(step, { bands, rows })).toBeGreaterThan(0.6);
      expect(candidateProbability(step, { bands, rows })).toBeLessThan(0.76);
    }
  });
});

describe('error rates', () => {
  it('are means of the curve below, and of what is missing above the threshold', () => {
    // one band of one row: the curve is the diagonal
    const { falsePositive, falseNegative } = errorRates({ bands: 1, rows: 1 }, 0.6);
    expect(falsePositive).toBeCloseTo(0.3, 9);
    expect(falseNegative).toBeCloseTo(0.2, 9);
  });

  it('of one band are known powers', () => {
    expect(errorRates({ bands: 1, rows: 4 }, 0.5).falsePositive).toBeCloseTo(0.5 ** 4 / 5, 9);
  });

  it('are refused beyond 0 and 1', () => {
    for (const threshold of [0, 1, -1, Number.NaN]) {
      expect(() => errorRates({ bands: 1, rows: 1 }, threshold)).toThrow(/for a threshold of/);
      expect(() => bandingFor(threshold, 100)).toThrow(/for a threshold of/);
    }
  });
});

describe('bands for a threshold', () => {
  // as published for 128 permutations
  it.each<[number, number, Banding]>([
    [0.9, 128, { bands: 5, rows: 25 }],
    [0.5, 128, { bands: 25, rows: 5 }],
    [0.5, 100, { bands: 20, rows: 5 }],
    [0.001, 100, { bands: 100, rows: 1 }],
    [0.999, 100, { bands: 1, rows: 100 }],
  ])('are those that err least: %d of %i components', (threshold, components, banding) => {
    expect(bandingFor(threshold, components)).toEqual(banding);
  });

  it('err less than all others', () => {
    const best = bandingFor(0.7, 60);
    const error = (banding: Banding): number => {
      const { falsePositive, falseNegative } = errorRates(banding, 0.7);
      return falsePositive * 0.7 + falseNegative * 0.3;
    };
    for (let rows = 1; rows <= 60; rows++) {
      for (let bands = 1; bands * rows <= 60; bands++) {
        expect(error({ bands, rows })).toBeGreaterThanOrEqual(error(best) - 1e-6);
      }
    }
  });

  it('miss less where missing weighs more', () => {
    const even = errorRates(bandingFor(0.7, 100), 0.7);
    const careful = errorRates(bandingFor(0.7, 100, 10), 0.7);
    expect(careful.falseNegative).toBeLessThan(even.falseNegative / 2);
  });
});

describe('candidates by chance', () => {
  // measured on English prose of 2 KB on average
  it.each<[number, number, number]>([
    [20, 5, 3.7e-6],
    [25, 4, 6.0e-5],
    [14, 8, 1.3e-8],
    [20, 13, 2.8e-11],
  ])('are as many as were measured, within 1.4: %i bands of %i rows', (bands, rows, measured) => {
    const expected = chanceCandidates({ bands, rows }, 1_000_001) / 1e6;
    expect(expected / measured).toBeLessThan(1.4);
    expect(expected / measured).toBeGreaterThan(1 / 1.4);
  });

  it('follow a sample of similarities, and the number of documents', () => {
    const banding = { bands: 4, rows: 1 };
    const mean = (candidateProbability(0.1, banding) + candidateProbability(0.3, banding)) / 2;
    expect(chanceCandidates(banding, 101, [0.1, 0.3])).toBeCloseTo(100 * mean, 9);
    expect(chanceCandidates(banding, 1)).toBe(0);
    expect(chanceCandidates(banding, 0)).toBe(0);
  });
});
