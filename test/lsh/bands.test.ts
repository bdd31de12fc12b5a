import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandKeys } from '../../src/lsh/bands.ts';

const signature = fc.uint32Array({ minLength: 20, maxLength: 20 });
const keysOf = (keys: Uint32Array): bigint[] => [...new BigUint64Array(keys.buffer)];

describe('band keys', () => {
  it('are equal exactly where all rows of the band are', () => {
    const changes = fc.uniqueArray(fc.nat(19), { maxLength: 6 });
    fc.assert(
      fc.property(signature, changes, fc.constantFrom(1, 2, 3, 4, 5, 20), (a, places, rows) => {
        const b = Uint32Array.from(a, (value, i) => (places.includes(i) ? value ^ 1 : value));
        const bands = Math.floor(20 / rows);
        const [keysA, keysB] = [a, b].map((of) => keysOf(bandKeys(of, { bands, rows })));
        for (let band = 0; band < bands; band++) {
          const changed = places.some((place) => Math.floor(place / rows) === band);
          expect(keysA?.[band] !== keysB?.[band]).toBe(changed);
        }
      }),
    );
  });

  it('differ from band to band, whatever the rows', () => {
    const keys = keysOf(bandKeys(new Uint32Array(16_384), { bands: 16_384, rows: 1 }));
    expect(new Set(keys).size).toBe(16_384);
  });

  it('depend on the order of the rows', () => {
    const swapped = Uint32Array.from([2, 1, 3, 4]);
    expect(bandKeys(swapped, { bands: 2, rows: 2 })).not.toEqual(bandKeys(swapped.toSorted(), { bands: 2, rows: 2 }));
  });

  it('are spread evenly', () => {
    const buckets = new Uint32Array(64);
    for (let i = 0; i < 6400; i++) {
      for (const word of bandKeys(Uint32Array.of(i, 7), { bands: 1, rows: 2 })) buckets[word >>> 26]!++;
    }
    // 200 each, with a standard deviation of 14
    expect(Math.max(...buckets)).toBeLessThan(200 + 5 * 14);
    expect(Math.min(...buckets)).toBeGreaterThan(200 - 5 * 14);
  });

  it.each([
    [3, 7],
    [0, 1],
    [1, 0],
    [1.5, 2],
    [21, 1],
  ])('are refused for %d bands of %d rows out of 20', (bands, rows) => {
    expect(() => bandKeys(new Uint32Array(20), { bands, rows })).toThrow(/of 20 components/);
  });
});
