import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Moments } from '../../../src/quantization/training/moments.ts';
import { normalRows } from '../random.ts';

const momentsOf = (rows: Float32Array, columns: number): Moments => {
  const moments = new Moments(columns);
  moments.add(rows);
  return moments;
};

/** In two passes over all rows. */
function plainMoments(rows: Float32Array, columns: number): { mean: number[]; covariance: number[] } {
  const count = rows.length / columns;
  const mean = Array.from({ length: columns }, (_, i) => {
    let sum = 0;
    for (let at = i; at < rows.length; at += columns) sum += rows[at]!;
    return sum / count;
  });
  const covariance = Array.from({ length: columns * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let row = 0; row < rows.length; row += columns)
      sum += (rows[row + i]! - mean[i]!) * (rows[row + j]! - mean[j]!);
    return sum / count;
  });
  return { mean, covariance };
}

function expectClose(given: ArrayLike<number>, wanted: readonly number[], tolerance: number): void {
  expect(given.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(Math.abs(given[i]! - value)).toBeLessThanOrEqual(tolerance);
}

describe('moments', () => {
  it('are means and covariances of all rows', () => {
    const moments = momentsOf(Float32Array.of(1, 10, 3, 10, 5, 16), 2);
    expect(moments.count).toBe(3);
    expectClose(moments.mean, [3, 12], 1e-15);
    // deviations -2, 0, 2 and -2, -2, 4
    expectClose(moments.covariance, [8 / 3, 4, 4, 8], 1e-15);
  });

  it.each([1, 2, 3, 5, 16, 33])('equal two passes in float64, for %i columns and any number of rows', (columns) => {
    for (const count of [1, 2, 255, 256, 257, 700]) {
      const rows = normalRows(count, count, columns);
      const moments = momentsOf(rows, columns);
      const { mean, covariance } = plainMoments(rows, columns);
      expect(moments.count).toBe(count);
      expectClose(moments.mean, mean, 1e-14);
      expectClose(moments.covariance, covariance, 1e-13);
    }
  });

  it('lose nothing where the mean is a million deviations away', () => {
    const columns = 3;
    const near = normalRows(1, 1000, columns).map((x) => Math.round(x * 8) / 8);
    const far = near.map((x) => x + 2 ** 20);
    expectClose(momentsOf(far, columns).covariance, [...momentsOf(near, columns).covariance], 1e-9);
  });

  it('have the same bits however the rows were handed over', () => {
    const columns = 3;
    const rows = normalRows(5, 600, columns);
    const whole = momentsOf(rows, columns).bytes;
    const cuts = fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 8 });
    fc.assert(
      fc.property(cuts, fc.boolean(), (places, looks) => {
        const moments = new Moments(columns);
        let from = 0;
        for (const to of [...places.sort((a, b) => a - b), 600]) {
          moments.add(rows.subarray(from * columns, to * columns));
          // a look at them changes nothing
          if (looks) expect(moments.mean).toHaveLength(columns);
          from = to;
        }
        expect(moments.bytes).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it('merge to those of all rows, in a fixed order to the same bits, and leave the other as it is', () => {
    const columns = 4;
    const rows = normalRows(9, 1000, columns).map((x, i) => x + Math.floor(i / 1000));
    const parts = [0, 300, 301, 1000].map((_, i, cuts) =>
      rows.subarray((cuts[i - 1] ?? 0) * columns, cuts[i]! * columns),
    );
    const merged = (): Moments => {
      const all = new Moments(columns);
      for (const part of parts) {
        const one = momentsOf(part, columns);
        const before = one.bytes;
        all.merge(Moments.from(before));
        expect(one.bytes).toEqual(before);
      }
      return all;
    };
    const { mean, covariance } = plainMoments(rows, columns);
    expect(merged().count).toBe(1000);
    expectClose(merged().mean, mean, 1e-13);
    expectClose(merged().covariance, covariance, 1e-12);
    expect(merged().bytes).toEqual(merged().bytes);
    expect(() => new Moments(2).merge(new Moments(3))).toThrow(RangeError);
  });

  it('can be stored, go on from there, and be empty', () => {
    const rows = normalRows(2, 512, 2);
    const first = Moments.from(momentsOf(rows.subarray(0, 512), 2).bytes);
    first.add(rows.subarray(512));
    expect(first.bytes).toEqual(momentsOf(rows, 2).bytes);
    const empty = Moments.from(new Moments(2).bytes);
    expect(empty.count).toBe(0);
    expect([...empty.covariance]).toEqual([0, 0, 0, 0]);
    expect(empty.merge(first).bytes).toEqual(first.bytes);
  });

  it('refuse bytes that are something else', () => {
    const bytes = momentsOf(normalRows(1, 3, 2), 2).bytes;
    const words = new Float64Array([1e300, 3, 0, 0]);
    for (const bad of [bytes.subarray(8), bytes.subarray(0, -1), new Uint8Array(), new Uint8Array(words.buffer)]) {
      expect(() => Moments.from(bad)).toThrow(expect.objectContaining({ code: 'QUANTIZE_SAMPLE' }));
    }
  });

  it('refuse what is not finite, and take the largest numbers', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const rows = normalRows(1, 300, 2);
      rows[2 * 20 + 1] = bad;
      const failure = expect.objectContaining({
        code: 'QUANTIZE_VALUE',
        message: expect.stringContaining('row 20, column 1'),
      });
      expect(() => momentsOf(rows, 2)).toThrow(failure);
    }
    const largest = momentsOf(Float32Array.of(3.4e38, -3.4e38), 1);
    expect(largest.covariance[0]! / Math.fround(3.4e38) ** 2).toBeCloseTo(1, 12);
  });
});
