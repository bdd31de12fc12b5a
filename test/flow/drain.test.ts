import { of, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { consume, drain } from '../../src/flow/index.ts';
import { eventually, numbers, Seen, Source, sleep } from './helpers.ts';

describe('drain', () => {
  test('resolves at the end, rejects with the error of the flow', async () => {
    const source = new Source();
    expect(await drain(source.flow(100))).toBeUndefined();
    expect(source.pulled).toBe(100);
    await expect(drain(throwError(() => new Error('wrong')))).rejects.toThrow('wrong');
  });

  test('a signal ends it and is the reason', async () => {
    const source = new Source();
    const stop = new AbortController();
    const done = drain(source.flow(1e9), { signal: stop.signal });
    await sleep(5);
    stop.abort(new Error('enough'));
    await expect(done).rejects.toThrow('enough');
    await eventually(() => source.closed === 1);
    await expect(drain(of(1), { signal: stop.signal })).rejects.toThrow('enough');
  });
});

describe('consume', () => {
  test('uses values one at a time and in order, and waits for the last', async () => {
    const log: string[] = [];
    await consume(numbers(3), async (n) => {
      log.push(`> ${n}`);
      await sleep(1);
      log.push(`< ${n}`);
    });
    expect(log).toEqual(['> 0', '< 0', '> 1', '< 1', '> 2', '< 2']);
  });

  test('holds the flow, as subscribe(async ...) cannot', async () => {
    const seen = new Seen();
    const source = new Source();
    const stop = new AbortController();
    const done = seen.run(() =>
      consume(source.flow(1000, { chunk: 1 }), () => new Promise<void>(() => {}), {
        room: { items: 3 },
        signal: stop.signal,
        name: 'out',
      }),
    );
    await sleep(5);
    expect(source.pulled).toBe(3);
    expect(seen.infos).toEqual([{ name: 'out', kind: 'sink', room: { items: 3 } }]);
    stop.abort();
    await expect(done).rejects.toThrow();
  });

  test('rejects with the error of the consumer and closes the source', async () => {
    const source = new Source();
    const done = consume(source.flow(1000), async ({ id }) => {
      if (id === 7) throw new Error('disk full');
    });
    await expect(done).rejects.toThrow('disk full');
    await eventually(() => source.closed === 1);
  });
});
