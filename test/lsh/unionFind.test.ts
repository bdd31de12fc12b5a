import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnionFind } from '../../src/lsh/unionFind.ts';

const edges = fc.array(fc.tuple(fc.nat(29), fc.nat(29)), { maxLength: 40 });

/** The smallest number reachable along edges, by walking. */
function smallestReachable(start: number, pairs: readonly (readonly [number, number])[]): number {
  const seen = new Set([start]);
  for (const at of seen) {
    for (const [a, b] of pairs) {
      if (a === at) seen.add(b);
      if (b === at) seen.add(a);
    }
  }
  return Math.min(...seen);
}

describe('UnionFind', () => {
  it('names every set by its smallest number, in whatever order sets were joined', () => {
    fc.assert(
      fc.property(edges, (pairs) => {
        const expected = Array.from({ length: 30 }, (_, i) => smallestReachable(i, pairs));
        for (const order of [pairs, pairs.toReversed().map(([a, b]) => [b, a] as const)]) {
          const sets = new UnionFind(30);
          for (const [a, b] of order) sets.join(a, b);
          expect(Array.from({ length: 30 }, (_, i) => sets.find(i))).toEqual(expected);
        }
      }),
    );
  });

  it('tells whether two sets became one', () => {
    const sets = new UnionFind(3);
    expect([sets.join(2, 1), sets.join(1, 2), sets.join(0, 2), sets.join(0, 1)]).toEqual([true, false, true, false]);
    expect(sets.count).toBe(3);
  });

  it('stays fast on a chain of a million', () => {
    const count = 1_000_000;
    const sets = new UnionFind(count);
    for (let i = count - 1; i > 0; i--) sets.join(i, i - 1);
    for (let i = 0; i < count; i++) if (sets.find(i) !== 0) throw new Error(`${i} is apart`);
    expect(sets.find(count - 1)).toBe(0);
  });

  it('refuses numbers that it does not hold', () => {
    expect(() => new UnionFind(3).find(3)).toThrow(RangeError);
    for (const count of [-1, 1.5, 2 ** 32]) expect(() => new UnionFind(count)).toThrow(RangeError);
  });
});
