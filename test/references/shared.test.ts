import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Shared } from '../../src/references/shared.ts';

const never = new AbortController().signal;

describe('shared work', () => {
  it('is done once for all who ask while it is under way, and for those who come later', async () => {
    const shared = new Shared<{ value: number }>({ max: 10 });
    let begun = 0;
    const work = async () => ({ value: await sleep(5, ++begun) });
    const [a, b] = await Promise.all([shared.get('x', never, work), shared.get('x', never, work)]);
    expect(a).toBe(b);
    expect(await shared.get('x', never, work)).toBe(a);
    expect(begun).toBe(1);
    expect(await shared.get('y', never, work)).toEqual({ value: 2 });
  });

  it('forgets the oldest results, by number and by size', async () => {
    const shared = new Shared<{ length: number }>({ max: 3, maxBytes: 10, sizeOf: ({ length }) => length });
    const begun: string[] = [];
    const get = (key: string, length: number) =>
      shared.get(key, never, async () => {
        begun.push(key);
        return { length };
      });
    for (const key of ['a', 'b', 'c', 'd', 'a']) await get(key, 0);
    expect(begun.splice(0)).toEqual(['a', 'b', 'c', 'd', 'a']);
    for (const key of ['a', 'x', 'a', 'y', 'a']) await get(key, key === 'a' ? 0 : 6);
    expect(begun.splice(0)).toEqual(['x', 'y']);
    // Larger than all the room there is: it is handed on, and not kept.
    for (const key of ['z', 'z']) expect(await get(key, 11)).toEqual({ length: 11 });
    expect(begun).toEqual(['z', 'z']);
  });

  it('tells all who wait of a failure, and tries again for the next', async () => {
    const shared = new Shared<object>({ max: 10 });
    const fail = () => Promise.reject(new Error('no'));
    const both = await Promise.allSettled([shared.get('x', never, fail), shared.get('x', never, fail)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await shared.get('x', never, async () => ({ ok: true }))).toEqual({ ok: true });
  });

  it('goes on while anybody waits, and is aborted when nobody does', async () => {
    const shared = new Shared<object>({ max: 10 });
    const [one, other] = [new AbortController(), new AbortController()];
    const aborted: unknown[] = [];
    const work = (signal: AbortSignal) =>
      sleep(1000, {}, { signal, ref: false }).catch((error: Error) => {
        aborted.push(signal.reason);
        throw error;
      });
    const first = shared.get('x', one.signal, work);
    const second = shared.get('x', other.signal, work);
    one.abort('first');
    await expect(first).rejects.toBe('first');
    expect(aborted).toEqual([]);
    other.abort('second');
    await expect(second).rejects.toBe('second');
    await sleep(1);
    expect(aborted).toEqual(['second']);
    // Whoever comes now gets work of its own.
    expect(await shared.get('x', never, async () => ({ anew: true }))).toEqual({ anew: true });
  });

  it('never begins twice at a time for one key, whatever comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), at: fc.nat(6), leaves: fc.option(fc.nat(6)) }), {
          maxLength: 20,
        }),
        async (callers) => {
          const shared = new Shared<{ key: string }>({ max: 2 });
          const running = new Map<string, number>();
          const outcomes = callers.map(async ({ key, at, leaves }) => {
            await sleep(at);
            const abort = new AbortController();
            if (leaves !== null) setTimeout(() => abort.abort(new Error('gone')), leaves);
            return shared.get(key, abort.signal, async (signal) => {
              expect(running.get(key) ?? 0).toBe(0);
              running.set(key, 1);
              try {
                return await sleep(3, { key }, { signal });
              } finally {
                running.set(key, 0);
              }
            });
          });
          for (const [i, outcome] of (await Promise.allSettled(outcomes)).entries()) {
            if (outcome.status === 'fulfilled') expect(outcome.value).toEqual({ key: callers[i]!.key });
            else expect(callers[i]!.leaves).not.toBeNull();
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
