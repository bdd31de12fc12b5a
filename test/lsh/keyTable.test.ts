import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyTable } from '../../src/lsh/keyTable.ts';
import { randomNumbers } from './texts.ts';

describe('KeyTable', () => {
  it('numbers keys in the order in which they first come, whatever room it had, until it is cleared', () => {
    const word = fc.constantFrom(0, 1, 7, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (keys, room) => {
        const table = new KeyTable(room);
        for (let turn = 0; turn < 2; turn++) {
          const numbers = new Map<string, number>();
          for (const [low, high] of keys) {
            const key = `${low} ${high}`;
            const known = numbers.get(key) ?? numbers.size;
            numbers.set(key, known);
            expect(table.numberOf(low, high)).toBe(known);
            expect(table.size).toBe(numbers.size);
            expect(table.room).toBeGreaterThanOrEqual(table.size);
          }
          table.clear();
          expect(table.size).toBe(0);
        }
      }),
    );
  });

  it('stays fast where all keys lie in one range of upper bits', () => {
    const next = randomNumbers(4);
    const keys = Array.from({ length: 100_000 }, () => [next(), 0xabcd_0000 + (next() & 255)] as const);
    const table = new KeyTable(1);
    for (const [low, high] of keys) table.numberOf(low, high);
    expect(keys.every(([low, high], i) => table.numberOf(low, high) === i)).toBe(true);
  }, 5000);

  it('takes as many keys as it may, and not one more', () => {
    const table = new KeyTable(2, 5);
    for (let i = 0; i < 5; i++) table.numberOf(i, i);
    expect(table.room).toBe(5);
    expect(() => table.numberOf(5, 5)).toThrow('room for 5 keys');
    expect([table.numberOf(4, 4), table.size]).toEqual([4, 5]);
  });

  it.each([[0], [-1], [1.5], [2 ** 30 + 1], [Number.NaN], [2, 1], [1, 2 ** 30 + 1], [1, 1.5]])(
    'is refused for room %d, %d',
    (room, most?: number) => {
      expect(() => new KeyTable(room, most)).toThrow(RangeError);
    },
  );
});
