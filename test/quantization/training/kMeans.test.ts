import { describe, expect, it } from 'vitest';
import { kMeans } from '../../../src/quantization/training/kMeans.ts';
import { Random } from '../../../src/quantization/training/random.ts';
import { normalNumbers, normalRows } from '../random.ts';
import { plainNearest } from '../vectors/plain.ts';

const options = { centroids: 16, iterations: 25, seed: 1 };

function meanSquaredError(rows: Float32Array, centroids: Float32Array, dims: number): number {
  const codes = plainNearest(rows, centroids, 1, dims);
  let sum = 0;
  for (let at = 0; at < rows.length; at++) {
    sum += (rows[at]! - centroids[codes[Math.floor(at / dims)]! * dims + (at % dims)]!) ** 2;
  }
  return sum / codes.length;
}

describe('k-means', () => {
  it('finds clusters that lie apart', () => {
    const normal = normalNumbers(3);
    const rows = Float32Array.from({ length: 1600 }, (_, i) => 100 * (i % 16) + normal() / 100);
    const found = [...kMeans(rows, 1, options)].sort((a, b) => a - b);
    for (const [i, centroid] of found.entries()) expect(Math.abs(centroid - 100 * i)).toBeLessThan(0.01);
  });

  it('makes every centroid the mean of its rows', () => {
    const [dims, rows] = [3, normalRows(4, 800, 3)];
    const centroids = kMeans(rows, dims, { ...options, iterations: 500 });
    const codes = plainNearest(rows, centroids, 1, dims);
    for (let c = 0; c < 16; c++) {
      for (let d = 0; d < dims; d++) {
        const own = [...codes.keys()].filter((row) => codes[row] === c).map((row) => rows[row * dims + d]!);
        expect(own.length).toBeGreaterThan(0);
        expect(centroids[c * dims + d]).toBeCloseTo(own.reduce((sum, x) => sum + x, 0) / own.length, 6);
      }
    }
  });

  it('has less error with more rounds, and the same bits each time', () => {
    const rows = normalRows(6, 1000, 4);
    const errors = [1, 3, 25].map((iterations) =>
      meanSquaredError(rows, kMeans(rows, 4, { ...options, iterations }), 4),
    );
    expect(errors[1]).toBeLessThan(errors[0]!);
    expect(errors[2]).toBeLessThan(errors[1]!);
    expect(kMeans(rows, 4, options)).toEqual(kMeans(rows, 4, options));
    expect(kMeans(rows, 4, { ...options, seed: 2 })).not.toEqual(kMeans(rows, 4, options));
  });

  it('holds few distinct rows exactly, however often they repeat', () => {
    const rows = Float32Array.from({ length: 4000 }, (_, i) => [0.1, 7, -3, 1e-8, 2e10][i % 5]!);
    const centroids = kMeans(rows, 1, options);
    expect(meanSquaredError(rows, centroids, 1)).toBe(0);
    expect([...kMeans(new Float32Array(300).fill(0.7), 1, options)]).toEqual(new Array(16).fill(Math.fround(0.7)));
  });

  it('moves centroids that have lost their rows to where the error is', () => {
    // the start is drawn from the first 256 rows, which are all in one place
    const normal = normalNumbers(8);
    const rows = Float32Array.from({ length: 1600 }, (_, i) => (i < 256 ? 5 : 1000 + 100 * (i % 15) + normal() / 100));
    expect(meanSquaredError(rows, kMeans(rows, 1, options), 1)).toBeLessThan(0.001);
  });
});

describe('the generator', () => {
  it('gives the same numbers everywhere, others for other seeds, also beyond 32 bits', () => {
    const first = (seed: number): number => new Random(seed).next();
    expect(first(1)).toBe(first(1));
    expect(new Set([0, 1, 2, -1, 2 ** 32, 2 ** 33, 2 ** 32 + 1].map(first)).size).toBe(7);
  });

  it('is even', () => {
    const random = new Random(7);
    const counts = new Uint32Array(10);
    let sum = 0;
    for (let i = 0; i < 100_000; i++) {
      const cell = random.below(10);
      counts[cell] = counts[cell]! + 1;
      sum += random.fraction();
    }
    // four standard deviations
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(4 * Math.sqrt(9000));
    expect(Math.abs(sum / 100_000 - 0.5)).toBeLessThan(4 / Math.sqrt(12 * 100_000));
  });

  it('puts numbers into every order equally often', () => {
    const random = new Random(9);
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const numbers = Uint32Array.of(0, 1, 2);
      random.shuffle(numbers);
      const order = numbers.join();
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(833));
  });
});
