import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BandIndex, type BandIndexOptions, type Match } from '../../src/lsh/bandIndex.ts';
import { similarity } from '../../src/lsh/signature.ts';
import { randomNumbers } from './texts.ts';

const small = { components: 12, banding: { bands: 4, rows: 3 } };
/** Few different values: bands meet often. */
const signature = fc.uint32Array({ minLength: 12, maxLength: 12, max: 2 });

/** What the index promises, by comparing with every document it may hold. */
function plainMatches(added: readonly Uint32Array[], of: Uint32Array, documents: number): Match[] {
  const half = Math.floor(documents / 2);
  const first = Math.max(0, (Math.ceil(added.length / half) - 2) * half);
  return added
    .map((other, id) => ({ id, other }))
    .slice(first)
    .filter(({ other }) => [0, 3, 6, 9].some((band) => [0, 1, 2].every((row) => other[band + row] === of[band + row])))
    .map(({ id, other }) => ({ id, similarity: similarity(other, of) }));
}

describe('the index', () => {
  it('finds what shares a band among the latest documents, in their order', () => {
    fc.assert(
      fc.property(fc.array(signature, { maxLength: 40 }), fc.integer({ min: 2, max: 50 }), (signatures, documents) => {
        const index = new BandIndex({ ...small, documents, members: 100 });
        for (const [id, of] of signatures.entries()) {
          expect(index.matches(of)).toEqual(plainMatches(signatures.slice(0, id), of, documents));
          index.add(id, of);
        }
      }),
    );
  });

  it('searches and adds in one step as in two', () => {
    fc.assert(
      fc.property(fc.array(signature, { maxLength: 40 }), fc.integer({ min: 2, max: 50 }), (signatures, documents) => {
        const [inOne, inTwo] = [new BandIndex({ ...small, documents }), new BandIndex({ ...small, documents })];
        for (const [id, of] of signatures.entries()) {
          const found = inOne.matchesAndAdd(id, of, 0.5);
          // in one step it forgets first
          if (id > 0 && id % Math.floor(documents / 2) === 0) inTwo.forgetHalf();
          expect(found).toEqual(inTwo.matches(of, 0.5));
          inTwo.add(id, of);
        }
      }),
    );
  });

  it('forgets the older ones when told to', () => {
    const index = new BandIndex(small);
    const same = new Uint32Array(12).fill(9);
    for (const id of [0, 1, 2]) {
      index.add(id, same);
      index.forgetHalf();
    }
    expect(index.matches(same).map(({ id }) => id)).toEqual([2]);
  });

  it('leaves out what is less alike than asked for', () => {
    const index = new BandIndex(small);
    index.add(5, Uint32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
    const half = Uint32Array.from([1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]);
    expect(index.matches(half)).toEqual([{ id: 5, similarity: 0.5 }]);
    expect(index.matches(half, 0.5)).toHaveLength(1);
    expect(index.matches(half, 0.51)).toEqual([]);
  });

  it('holds many documents: every one is found again while it grows, and nothing else', () => {
    const components = 120;
    const index = new BandIndex({ components, banding: { bands: 30, rows: 4 }, documents: 200_000 });
    const next = randomNumbers(1);
    // more than there is room for at first
    const signatures = Array.from({ length: 60_000 }, () => Uint32Array.from({ length: components }, next));
    for (const [id, of] of signatures.entries()) index.add(id * 3, of);
    for (const [id, of] of signatures.entries()) {
      const found = index.matches(of);
      if (found.length !== 1 || found[0]?.id !== id * 3 || found[0].similarity !== 1)
        throw new Error(`${id}: ${found}`);
    }
    expect(index.matches(Uint32Array.from({ length: components }, next))).toEqual([]);
  });

  it('finds the first members of a band that very many share, in bounded time', () => {
    const index = new BandIndex({ ...small, documents: 100_000, members: 8 });
    const same = new Uint32Array(12).fill(9);
    for (let id = 0; id < 40_000; id++) index.add(id, same);
    expect(index.matches(same).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('holds 500,000 documents in 256 MB', () => {
    expect(new BandIndex().documents).toBe(500_000);
    expect(new BandIndex({ bytes: 256e6, documents: 1e9 }).documents).toBeGreaterThan(700_000);
    expect(new BandIndex({ bytes: 3640 }).documents).toBe(10);
  });

  it.each<BandIndexOptions>([
    { documents: 1 },
    { bytes: 400 },
    { documents: 2 ** 32, bytes: 1e15 },
    { members: 0 },
    { documents: Number.NaN },
    { components: 99 },
    { components: 0 },
  ])('is refused where it cannot be: %j', (options) => {
    expect(() => new BandIndex(options)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^BAD_/) }));
  });

  it('refuses signatures of another length', () => {
    expect(() => new BandIndex().add(0, new Uint32Array(99))).toThrow(RangeError);
    expect(() => new BandIndex().matches(new Uint32Array(101))).toThrow(RangeError);
  });
});
