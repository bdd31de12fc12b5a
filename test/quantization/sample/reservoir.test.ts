import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DrawnRows, Reservoir, streamKey } from '../../../src/quantization/sample/reservoir.ts';

/** Rows `[n, -n]`, numbered through. */
const numbered = (from: number, to: number): Float32Array =>
  Float32Array.from({ length: 2 * (to - from) }, (_, i) => (i % 2 === 0 ? from + i / 2 : -(from + (i - 1) / 2)));

function drawnOf(capacity: number, key: number, ...blocks: Float32Array[]): DrawnRows {
  const reservoir = new Reservoir(2, capacity, key);
  for (const block of blocks) reservoir.add(block);
  return reservoir.drawn();
}

describe('a reservoir', () => {
  it('keeps all rows where there are few', () => {
    const { rows, seen } = drawnOf(10, 7, numbered(0, 3));
    expect(seen).toBe(3);
    expect(new Set(rows)).toEqual(new Set([0, -0, 1, -1, 2, -2]));
  });

  it('gives nothing where there was nothing', () => {
    expect(drawnOf(10, 7)).toMatchObject({ rows: new Float32Array(0), priorities: new Float64Array(0), seen: 0 });
  });

  it('draws the same however the rows are divided into blocks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 12 }), fc.integer(), (sizes, key) => {
        const blocks: Float32Array[] = [];
        let at = 0;
        for (const size of sizes) {
          blocks.push(numbered(at, at + size));
          at += size;
        }
        expect(drawnOf(16, key, ...blocks)).toEqual(drawnOf(16, key, numbered(0, at)));
      }),
    );
  });

  it('of samples of streams is the sample of all of them, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 6 }), (sizes) => {
        const samples = sizes.map((size, i) => drawnOf(20, streamKey(0, `s${i}`), numbered(1000 * i, 1000 * i + size)));
        const merge = (list: readonly DrawnRows[]): DrawnRows => {
          const all = new Reservoir(2, 20);
          for (const sample of list) all.merge(sample);
          return all.drawn();
        };
        const whole = merge(
          sizes.map((size, i) => drawnOf(size + 1, streamKey(0, `s${i}`), numbered(1000 * i, 1000 * i + size))),
        );
        expect(merge(samples)).toEqual(whole);
        expect(merge(samples.toReversed())).toEqual(whole);
        expect(whole.seen).toBe(sizes.reduce((a, b) => a + b));
      }),
    );
  });

  it('draws every row as often as any other', () => {
    const [rows, capacity, rounds] = [50, 10, 2000];
    const drawn = new Float64Array(rows);
    for (let seed = 0; seed < rounds; seed++) {
      const { rows: kept } = drawnOf(capacity, streamKey(seed, 'even'), numbered(0, rows));
      for (let i = 0; i < kept.length; i += 2) drawn[kept[i]!]!++;
    }
    const expected = (rounds * capacity) / rows;
    const chiSquared = drawn.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 49 degrees of freedom: more than 85.4 in one of a thousand
    expect(chiSquared).toBeLessThan(85.4);
  });

  it('draws differently from differently named streams and seeds', () => {
    const draw = (seed: number, name: string) => drawnOf(5, streamKey(seed, name), numbered(0, 100)).rows.join();
    expect(new Set([draw(0, 'a'), draw(0, 'b'), draw(1, 'a'), draw(0, 'ab'), draw(0, 'ba')]).size).toBe(5);
  });
});
