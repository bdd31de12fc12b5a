import { describe, expect, it } from 'vitest';
import { RopeTable } from '../../src/model/rope.ts';
import { golden, largestDifference } from './golden.ts';

describe('rotary table', () => {
  const positions = golden('rope/positions');

  it.each([16, 64])('equals the reference for heads of %i, also beyond the rows it keeps', (headDim) => {
    const table = new RopeTable(headDim, 10_000);
    const cos = golden(`rope/${headDim}/10000/cos`);
    const sin = golden(`rope/${headDim}/10000/sin`);
    positions.forEach((position, i) => {
      const row = [i * (headDim / 2), (i + 1) * (headDim / 2)] as const;
      for (const { cos: c, sin: s } of [table.rows(position, 1), new RopeTable(headDim, 10_000).rows(position, 9000)]) {
        expect(largestDifference(c.subarray(0, headDim / 2), cos.subarray(...row))).toBeLessThan(1e-7);
        expect(largestDifference(s.subarray(0, headDim / 2), sin.subarray(...row))).toBeLessThan(1e-7);
      }
    });
  });

  it('turns keys back to where another position would have put them', () => {
    const table = new RopeTable(8, 10_000);
    const plain = Float32Array.from({ length: 8 }, (_, i) => Math.sin(i + 1));
    const rotated = (position: number) => {
      const { cos, sin } = table.rows(position, 1);
      return plain.map((value, i) => {
        const [c, s] = [cos[i >> 1]!, sin[i >> 1]!];
        return i % 2 === 0 ? value * c - plain[i + 1]! * s : plain[i - 1]! * s + value * c;
      });
    };
    const keys = rotated(1000);
    table.turnBack([keys], 900);
    expect(largestDifference(keys, rotated(100))).toBeLessThan(1e-4);
  });
});
