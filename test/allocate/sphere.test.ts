import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { principalAxes } from '../../src/allocate/axes.ts';
import { placed } from '../../src/allocate/sphere.ts';

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ min: -10, max: 10, noNaN: true }),
  fc.constant(0),
);
const rows = fc.integer({ min: 0, max: 6 }).chain((dim) =>
  fc.record({
    dim: fc.constant(dim),
    embeddings: fc
      .array(fc.array(value, { minLength: dim, maxLength: dim }), { maxLength: 40 })
      .map((list) => ({ count: list.length, flat: Float32Array.from(list.flat()) })),
  }),
);

describe('axes', () => {
  it('are at right angles and of length 1, as many as the space has', () => {
    fc.assert(
      fc.property(rows, ({ dim, embeddings: { flat } }) => {
        const { axes } = principalAxes(flat, dim);
        for (const [i, a] of axes.entries()) {
          expect(dot(a, a)).toBeCloseTo(i < dim ? 1 : 0, 9);
          for (const b of axes.slice(0, i)) expect(dot(a, b)).toBeCloseTo(0, 9);
        }
      }),
    );
  });

  it('find the directions in which a sample differs most', () => {
    // directions about e0, that differ along e3 most, then along e1, then along e2
    const list = Array.from({ length: 300 }, (_, i) => [
      10,
      Math.sin(i * 1.7) * 1.5,
      Math.sin(i * 2.9) * 0.5,
      Math.sin(i * 0.61) * 4,
      0.01 * Math.sin(i),
    ]);
    const { axes } = principalAxes(Float32Array.from(list.flat()), 5);
    expect(axes[0][3]).toBeGreaterThan(0.98);
    expect(axes[1][1]).toBeGreaterThan(0.98);
    expect(axes[2][2]).toBeGreaterThan(0.9);
  });
});

describe('a patch', () => {
  it('lies at its radius in the direction of its embedding, and is nowhere not a number', () => {
    fc.assert(
      fc.property(rows, fc.float({ min: 1, max: Math.fround(1e6), noNaN: true }), ({ dim, embeddings }, radius) => {
        const { count, flat } = embeddings;
        const radii = new Float32Array(count).fill(radius);
        const sphere = placed(flat, radii, principalAxes(flat, dim));
        for (const numbers of [sphere.coords, sphere.theta, sphere.phi, sphere.cartesian])
          expect(numbers.every(Number.isFinite)).toBe(true);
        let without = 0;
        for (let p = 0; p < count; p++) {
          const own = sphere.coords.subarray(p * dim, (p + 1) * dim);
          const given = flat.subarray(p * dim, (p + 1) * dim);
          const norm = Math.sqrt(dot(given, given));
          if (norm === 0) without++;
          expect(Math.sqrt(dot(own, own)) / radius).toBeCloseTo(norm === 0 ? 0 : 1, 4);
          expect(dot(own, given) / radius / (norm || 1)).toBeCloseTo(norm === 0 ? 0 : 1, 4);
          const point = sphere.cartesian.subarray(3 * p, 3 * p + 3);
          expect(Math.hypot(...point) / radius).toBeCloseTo(1, 4);
          expect((point[2] ?? 0) / radius).toBeCloseTo(Math.cos(sphere.theta[p] ?? 0), 4);
        }
        expect(sphere.undirected).toBe(without);
      }),
      { numRuns: 200 },
    );
  });

  it('without a direction lies nowhere in space, and at the pole in three dimensions', () => {
    const flat = Float32Array.of(0, 0, 0, 3, 0, 4);
    const sphere = placed(flat, Float32Array.of(50, 100), principalAxes(flat, 3));
    expect([...sphere.coords]).toEqual([0, 0, 0, 60, 0, 80].map(Math.fround));
    expect([...sphere.cartesian.subarray(0, 3)]).toEqual([0, 0, 50]);
    expect(sphere.undirected).toBe(1);
  });
});
