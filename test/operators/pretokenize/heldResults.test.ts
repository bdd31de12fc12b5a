import { setImmediate as turnOver } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeldResults } from '../../../src/operators/pretokenize/heldResults.ts';

/** A result: its bytes, and how long (in turns of the event loop) it takes to be made and to be used. `undefined`: it fails. */
const result = fc.record({
  bytes: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined, freq: 5 }),
  made: fc.nat(6),
  used: fc.nat(3),
});

describe('results that wait for earlier ones', () => {
  it('are taken in the end, and never hold more than the limit and one result', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(result, { maxLength: 40 }),
        fc.integer({ min: 1, max: 150 }),
        fc.integer({ min: 1, max: 6 }),
        async (results, limit, processes) => {
          const held = new HeldResults(limit);
          const largest = Math.max(0, ...results.map(({ bytes }) => bytes ?? 0));
          let holding = 0;
          let next = 0;
          const made = results.map(() => Promise.withResolvers<() => void>());
          // as in `pretokenize`: turns in the order of documents, as many at work as there are processes
          const work = async (): Promise<void> => {
            for (let at = next++; at < results.length; at = next++) {
              const { bytes, made: rounds } = results[at] ?? { bytes: 0, made: 0 };
              const turn = held.turn();
              for (let round = 0; round < rounds; round++) await turnOver();
              if (bytes === undefined) {
                turn.end();
                made[at]?.resolve(() => {});
                continue;
              }
              await turn.take(bytes);
              holding += bytes;
              expect(holding).toBeLessThanOrEqual(limit + largest);
              made[at]?.resolve(() => {
                holding -= bytes;
                turn.end();
                turn.end();
              });
            }
          };
          const use = async (): Promise<void> => {
            for (const [at, { used }] of results.entries()) {
              const done = await made[at]?.promise;
              for (let round = 0; round < used; round++) await turnOver();
              done?.();
            }
          };
          await Promise.all([use(), ...Array.from({ length: processes }, work)]);
          expect(holding).toBe(0);
        },
      ),
      { numRuns: 200, interruptAfterTimeLimit: 10_000 },
    );
  });

  it('are taken at once where they fit', async () => {
    const held = new HeldResults(10);
    const [first, second, third] = [held.turn(), held.turn(), held.turn()];
    await third.take(4);
    await second.take(6);
    let taken = false;
    const fourth = held.turn();
    const waiting = fourth.take(1).then(() => {
      taken = true;
    });
    await turnOver();
    expect(taken).toBe(false);
    // the oldest is, whatever is held
    await first.take(1000);
    second.end();
    await turnOver();
    expect(taken).toBe(false);
    first.end();
    await waiting;
  });
});
