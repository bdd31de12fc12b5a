import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FirstByKey } from '../../src/lsh/firstByKey.ts';
import { randomNumbers } from './texts.ts';

describe('FirstByKey', () => {
  it('knows the first document of every key, for any keys, until it is cleared', () => {
    const word = fc.constantFrom(0, 1, 7, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { minLength: 1, maxLength: 60 }), (keys) => {
        const index = new FirstByKey(36);
        for (let turn = 0; turn < 2; turn++) {
          const firsts = new Map<string, number>();
          for (const [i, [low, high]] of keys.entries()) {
            const key = `${low} ${high}`;
            if (!firsts.has(key)) firsts.set(key, 1000 + i);
            expect(index.first(1000 + i, low, high)).toBe(firsts.get(key));
          }
          index.clear();
        }
      }),
    );
  });

  it('takes as many keys as it was made for, and not one more', () => {
    const index = new FirstByKey(50_000);
    const next = randomNumbers(3);
    const keys = Array.from({ length: 50_000 }, () => [next(), next()] as const);
    for (const [i, [low, high]] of keys.entries()) index.first(i, low, high);
    expect(keys.every(([low, high], i) => index.first(99_999, low, high) === i)).toBe(true);
    expect(() => index.first(1, 2, 3)).toThrow('room for 50000 keys');
  });

  it.each([0, -1, 1.5, 2 ** 32, Number.NaN])('is refused for %d keys', (most) => {
    expect(() => new FirstByKey(most)).toThrow(RangeError);
  });
});
