import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PairList } from '../../../src/lsh/corpus/pairs.ts';
import { inOrder } from './folder.ts';

const number = fc.constantFrom(0, 1, 2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 3, 2 ** 32 - 2);
const pairs = fc.array(fc.tuple(number, number), { maxLength: 40 });

describe('PairList', () => {
  it('gives its pairs in the order of the later one, each once, whatever room it had', () => {
    fc.assert(
      fc.property(pairs, pairs, fc.integer({ min: 1, max: 8 }), (first, second, room) => {
        const list = new PairList(room);
        for (const given of [first, second]) {
          for (const [earlier, later] of given) list.add(earlier, later);
          expect(list.size).toBe(given.length);
          expect([...list.take()]).toEqual(inOrder(given).flat());
          expect(list.size).toBe(0);
        }
      }),
    );
  });

  it('takes in what others gave', () => {
    fc.assert(
      fc.property(fc.array(pairs), (several) => {
        const list = new PairList(1);
        for (const given of several) {
          const other = new PairList();
          for (const [earlier, later] of given) other.add(earlier, later);
          list.addAll(other.take());
        }
        expect([...list.take()]).toEqual(inOrder(several.flat()).flat());
      }),
    );
  });

  it('keeps what it gave before apart from what comes', () => {
    const list = new PairList();
    list.add(1, 2);
    const taken = list.take();
    list.add(3, 4);
    expect([...taken]).toEqual([1, 2]);
  });
});
