import { describe, expect, it } from 'vitest';
import { anglesOf, rope } from '../../src/kernels/index.ts';
import { ropeOf } from '../../src/kernels/rope/cpu.ts';
import { RopeTable } from '../../src/model/rope.ts';
import { conforms, normals } from './conformance.ts';

const POSITIONS = 40;

function ropeCase(tokens: number, heads: number, kvHeads: number, headDim: number) {
  const { cos, sin } = new RopeTable(headDim, 10_000).rows(8000, POSITIONS);
  const given = {
    qkv: normals(tokens * (heads + 2 * kvHeads) * headDim, headDim, 2),
    angles: anglesOf(cos, sin),
    rows: Uint32Array.from({ length: tokens }, (_, i) => (7 * i) % POSITIONS),
  };
  const sizes = { tokens, heads, kvHeads, headDim };
  return {
    name: `${tokens} tokens of ${heads} and ${kvHeads} heads of ${headDim}`,
    sizes,
    buffers: given,
    expected: { qkv: { values: ropeOf({ ...given, ...sizes }), absolute: 2e-6 } },
  };
}

conforms(rope, [
  ropeCase(1, 1, 1, 2),
  ropeCase(3, 2, 1, 6),
  ropeCase(50, 3, 3, 16),
  ropeCase(9, 12, 4, 64),
  ropeCase(1, 1, 1, 80),
]);

describe('the table of angles', () => {
  it('has cos and sin of each pair side by side', () => {
    expect([...anglesOf([1, 2], [3, 4])]).toEqual([1, 3, 2, 4]);
  });
});
