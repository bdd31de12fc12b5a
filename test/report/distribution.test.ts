import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distributionOf } from '../../src/report/distribution.ts';

const inChunks = (values: Float32Array, size: number) =>
  async function* () {
    for (let at = 0; at < values.length; at += size) yield values.slice(at, at + size);
  };

describe('distribution', () => {
  it('is what sorting all values gives, though it never holds them', async () => {
    const range = { min: Math.fround(-1e6), max: Math.fround(1e6) };
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, ...range }).map((x) => (x === 0 ? 0 : x));
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        async (list, size) => {
          const values = Float32Array.from(list);
          const found = await distributionOf(inChunks(values, size), 10);
          const sorted = values.toSorted();
          for (const [name, exact] of Object.entries(found?.percentiles ?? {})) {
            const rank = Math.round(((sorted.length - 1) * Number(name.slice(1))) / 100);
            expect(exact).toBe(sorted[rank]);
          }
          const mean = sorted.reduce((sum, x) => sum + x, 0) / sorted.length;
          expect(found).toMatchObject({ count: list.length, min: sorted[0], max: sorted.at(-1) });
          expect(found?.mean).toBeCloseTo(mean, 3);
          expect(found?.histogram.counts.reduce((a, b) => a + b)).toBe(list.length);
          expect(found?.histogram.edges.length).toBe(11);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('puts values into bins of equal width, the last one closed', async () => {
    const found = await distributionOf(inChunks(Float32Array.of(0, 1, 2, 3, 4), 2), 4);
    expect(found?.histogram).toEqual({ bin_width: 1, edges: [0, 1, 2, 3, 4], counts: [1, 1, 1, 2] });
    expect(found?.std).toBeCloseTo(Math.SQRT2, 12);
  });

  it('has a width of 1 where all values are equal', async () => {
    const found = await distributionOf(inChunks(Float32Array.of(2, 2), 1), 3);
    expect(found?.histogram).toEqual({ bin_width: 1, edges: [2, 3, 4, 5], counts: [2, 0, 0] });
    expect(found?.percentiles).toEqual({ p25: 2, p50: 2, p75: 2, p90: 2, p95: 2, p99: 2 });
  });

  it('is undefined where there are no values', async () => {
    expect(await distributionOf(inChunks(new Float32Array(), 1))).toBeUndefined();
  });
});
