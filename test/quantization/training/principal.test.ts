import { describe, expect, it } from 'vitest';
import { principalAxes } from '../../../src/quantization/training/principal.ts';
import { normalRows } from '../random.ts';

const axesOf = (rows: Float32Array, columns: number) => principalAxes({ columns, rows, seed: 0 });

/** The largest deviation of `axes axes^T` from the identity. */
function distortion(axes: Float32Array, columns: number): number {
  let most = 0;
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += axes[i * columns + k]! * axes[j * columns + k]!;
      most = Math.max(most, Math.abs(sum - (i === j ? 1 : 0)));
    }
  }
  return most;
}

describe('principal axes', () => {
  it('are those of points on a line', () => {
    // along (3, 4) / 5, from -2 to 2
    const rows = Float32Array.from([-2, -1, 0, 1, 2].flatMap((t) => [3 * t + 7, 4 * t - 1]));
    const { mean, axes, variances } = axesOf(rows, 2);
    expect([...mean]).toEqual([7, -1]);
    expect([...axes.subarray(0, 2)].map((x) => x.toFixed(6))).toEqual(['0.600000', '0.800000']);
    expect(variances[0]).toBeCloseTo(50, 10);
    expect(variances[1]).toBe(0);
  });

  it('have the sign that makes their largest magnitude positive, and the first of several', () => {
    const { axes } = axesOf(Float32Array.of(-1, 1, 1, -1), 2);
    expect(axes[0]).toBeCloseTo(Math.SQRT1_2, 7);
    expect(axes[1]).toBeCloseTo(-Math.SQRT1_2, 7);
  });

  it('are orthonormal with falling variances, also where variances repeat or rows are too few', () => {
    const columns = 24;
    const cube = Float32Array.from({ length: 2 * columns * columns }, (_, at) => {
      const row = Math.floor(at / columns);
      return at % columns === row >> 1 ? 1 - 2 * (row & 1) : 0;
    });
    for (const rows of [normalRows(1, 300, columns), normalRows(2, 5, columns), cube]) {
      const { axes, variances } = axesOf(rows, columns);
      expect(distortion(axes, columns)).toBeLessThan(1e-6);
      for (let i = 1; i < columns; i++) expect(variances[i]!).toBeLessThanOrEqual(variances[i - 1]!);
      expect(variances.every((value) => value >= 0)).toBe(true);
      expect(axesOf(rows, columns)).toEqual({ mean: expect.anything(), axes, variances });
    }
    // five rows span four directions
    expect(axesOf(normalRows(2, 5, columns), columns).variances.filter((value) => value > 0)).toHaveLength(4);
  });

  it.each([0, 1e-30, 1e15])('are numbers where every row is %s times the same', (factor) => {
    const rows = new Float32Array(30).fill(factor);
    rows[0] = 2 * factor;
    const { axes, variances } = axesOf(rows, 3);
    expect(distortion(axes, 3)).toBeLessThan(1e-6);
    expect(variances[0]! / factor ** 2 || 0).toBeCloseTo(factor === 0 ? 0 : 0.09, 5);
  });

  it('need two rows, and variances that are float32 numbers', () => {
    const failure = expect.objectContaining({ code: 'QUANTIZE_SAMPLE' });
    expect(() => axesOf(new Float32Array(3), 3)).toThrow(failure);
    expect(() => axesOf(Float32Array.of(3e38, -3e38), 1)).toThrow(failure);
  });
});
