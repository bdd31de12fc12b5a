import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LikePairs, type LikePairsRequest, likePairs } from '../../src/lsh/likePairs.ts';
import { cosine, randomNormals, randomVector, vectorPair } from './vectors.ts';

const DIM = 16;
const defaults = { dim: DIM, threshold: 0.8, neighbours: 4, bits: 512 };

interface Pair {
  readonly earlier: number;
  readonly later: number;
  readonly cosine: number;
}

function matrix(vectors: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(vectors.length * DIM);
  vectors.forEach((vector, i) => {
    all.set(vector, i * DIM);
  });
  return all;
}

function pairsOf({ earlier, later, cosines }: LikePairs): Pair[] {
  return [...earlier].map((a, i) => ({ earlier: a, later: later[i] ?? -1, cosine: cosines[i] ?? -1 }));
}

/** What is asked for, by comparing all with all. */
function bruteForce(vectors: readonly Float32Array[], request: Omit<LikePairsRequest, 'vectors'>): Pair[] {
  const { threshold, neighbours, from = 0, except } = request;
  const pairs: Pair[] = [];
  for (const [later, b] of vectors.entries()) {
    for (const [earlier, a] of vectors.slice(0, later).entries()) {
      const value = cosine(a, b);
      if (value >= threshold && later >= from && !except?.(earlier, later))
        pairs.push({ earlier, later, cosine: Math.fround(Math.min(1, value)) });
    }
  }
  const degrees = new Map<number, number>();
  const degree = (i: number): number => degrees.get(i) ?? 0;
  return pairs
    .map((pair, i) => ({ ...pair, i }))
    .sort((a, b) => b.cosine - a.cosine || a.i - b.i)
    .filter(({ earlier, later }) => {
      if (degree(earlier) >= neighbours || degree(later) >= neighbours) return false;
      degrees.set(earlier, degree(earlier) + 1).set(later, degree(later) + 1);
      return true;
    })
    .sort((a, b) => a.i - b.i)
    .map(({ i: _, ...pair }) => pair);
}

/** Some centres, and vectors about them. */
function clustered(seed: number, centres: number, each: number): Float32Array[] {
  const normal = randomNormals(seed);
  const vectors = Array.from({ length: centres }, () => randomVector(normal, DIM)).flatMap((centre) =>
    Array.from({ length: each }, () => centre.map((x) => x + 0.35 * normal())),
  );
  // so that those of a cluster do not stand together
  return vectors.map((_, i) => vectors[(i * 7919) % vectors.length] ?? new Float32Array(DIM));
}

describe('pairs of alike vectors', () => {
  it('are nearly those that comparing all with all gives: 0.97 of them and more', () => {
    const vectors = clustered(1, 60, 20);
    const exact = bruteForce(vectors, defaults);
    const found = pairsOf(likePairs({ ...defaults, vectors: matrix(vectors) }));
    const name = ({ earlier, later }: Pair): string => `${earlier} ${later}`;
    const wanted = new Set(exact.map(name));
    const both = found.filter((pair) => wanted.has(name(pair))).length;
    expect(exact.length).toBeGreaterThan(1500);
    expect(both / exact.length).toBeGreaterThan(0.97);
    const sum = (pairs: readonly Pair[]): number => pairs.reduce((all, pair) => all + pair.cosine, 0);
    expect(sum(found) / sum(exact)).toBeGreaterThan(0.98);
  });

  it('are exactly those where only few are alike', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
        const normal = randomNormals(seed);
        const vectors = Array.from({ length: count }, () => vectorPair(normal, DIM, 0.95)).flat();
        const request = { ...defaults, threshold: 0.9 };
        const found = pairsOf(likePairs({ ...request, vectors: matrix(vectors) }));
        const exact = bruteForce(vectors, request);
        expect(found.map(({ earlier, later }) => [earlier, later])).toEqual(
          exact.map(({ earlier, later }) => [earlier, later]),
        );
        for (const [i, pair] of found.entries()) expect(pair.cosine).toBeCloseTo(exact[i]?.cosine ?? 0, 6);
      }),
      { numRuns: 20 },
    );
  });

  it('keep the bound on neighbours, the threshold and the order, whatever the vectors', () => {
    const component = fc.float({ noNaN: true, noDefaultInfinity: true, min: -2, max: 2 });
    const vector = fc.array(component, { minLength: DIM, maxLength: DIM }).map((list) => Float32Array.from(list));
    const some = fc
      .array(vector, { maxLength: 6 })
      .chain((pool) =>
        pool.length === 0 ? fc.constant<Float32Array[]>([]) : fc.array(fc.constantFrom(...pool), { maxLength: 60 }),
      );
    fc.assert(
      fc.property(
        some,
        fc.integer({ min: 1, max: 6 }),
        fc.double({ min: 0.05, max: 0.99 }),
        (vectors, neighbours, threshold) => {
          const found = pairsOf(likePairs({ ...defaults, neighbours, threshold, vectors: matrix(vectors) }));
          const degrees = new Uint32Array(vectors.length);
          let before = -1;
          for (const { earlier, later, cosine: value } of found) {
            expect(earlier).toBeLessThan(later);
            expect(value).toBeGreaterThanOrEqual(Math.fround(threshold));
            expect(value).toBeCloseTo(cosine(vectors[earlier] as Float32Array, vectors[later] as Float32Array), 5);
            const place = later * vectors.length + earlier;
            expect(place).toBeGreaterThan(before);
            before = place;
            for (const end of [earlier, later]) expect(degrees[end] ?? 0).toBeLessThan(neighbours);
            degrees[earlier]!++;
            degrees[later]!++;
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('link all of many that are equal, each to some of the others', () => {
    const [one] = clustered(3, 1, 1);
    const found = pairsOf(likePairs({ ...defaults, vectors: matrix(Array(500).fill(one)) }));
    expect(new Set(found.flatMap(({ earlier, later }) => [earlier, later])).size).toBe(500);
    expect(found.every((pair) => pair.cosine === 1)).toBe(true);
  });

  it('leave out zero vectors, and what is excepted', () => {
    const [one = new Float32Array(DIM)] = clustered(4, 1, 1);
    const vectors = matrix([one, new Float32Array(DIM), one, one]);
    const except = (earlier: number, later: number): boolean => later === earlier + 1;
    expect(pairsOf(likePairs({ ...defaults, vectors, except }))).toEqual([
      { earlier: 0, later: 2, cosine: 1 },
      { earlier: 0, later: 3, cosine: 1 },
    ]);
  });

  it('go on from a window to the next: only new pairs, and pairs before count', () => {
    const vectors = clustered(5, 4, 20);
    const degrees = new Uint8Array(vectors.length);
    const first = likePairs({ ...defaults, vectors: matrix(vectors.slice(0, 40)), degrees: degrees.subarray(0, 40) });
    const second = likePairs({ ...defaults, vectors: matrix(vectors), from: 40, degrees });
    expect(first.later.every((later) => later < 40)).toBe(true);
    expect(second.later.every((later) => later >= 40)).toBe(true);
    expect(second.later.length).toBeGreaterThan(10);
    const counted = new Uint8Array(vectors.length);
    for (const { earlier, later } of [...pairsOf(first), ...pairsOf(second)]) {
      counted[earlier]!++;
      counted[later]!++;
    }
    expect(counted).toEqual(degrees);
    expect(Math.max(...degrees)).toBe(4);
  });

  it('are refused where a number is not finite', () => {
    const vectors = matrix(clustered(6, 1, 2));
    vectors[3] = Number.NaN;
    expect(() => likePairs({ ...defaults, vectors })).toThrow(expect.objectContaining({ code: 'BAD_VECTOR' }));
  });
});
