import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deque } from '../../src/flow/deque.ts';

test('does what an array does, whatever the order of pushes and shifts', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.option(fc.integer(), { nil: undefined }) }) },
    { weight: 2, arbitrary: fc.constant('shift' as const) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { size: 'large' }), (steps) => {
      const deque = new Deque<number | undefined>();
      let model: (number | undefined)[] = [];
      for (const each of steps) {
        if (each === 'clear') {
          deque.clear();
          model = [];
        } else if (each === 'shift') {
          if (model.length !== 0) expect(deque.shift()).toBe(model.shift());
        } else {
          deque.push(each.push);
          model.push(each.push);
        }
        expect(deque.size).toBe(model.length);
        expect(deque.peek()).toBe(model[0]);
      }
    }),
    { numRuns: 100 },
  );
});

test('keeps the order while it grows with its head in the middle', () => {
  const deque = new Deque<number>();
  for (let i = 0; i < 10; i++) deque.push(i);
  for (let i = 0; i < 7; i++) deque.shift();
  for (let i = 10; i < 100; i++) deque.push(i);
  expect(Array.from({ length: deque.size }, () => deque.shift())).toEqual(Array.from({ length: 93 }, (_, i) => i + 7));
});
