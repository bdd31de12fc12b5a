import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { DecoderPool } from '../../src/decoders/decoderPool.ts';
import type { Decoded } from '../../src/decoders/decoderProcess.ts';
import { childProcesses } from '../support/children.ts';
import { act, decoderModule, isAlive, pidOf, poolsOfTests } from '../support/decoders.ts';

const RESULTS = decoderModule('results');
const MiB = 1 << 20;

const pool = poolsOfTests();

const read = (decoded: Decoded): Promise<unknown> => decoded.read();

describe('results', () => {
  const result = (into: DecoderPool, name: string): Promise<unknown> =>
    into.run({ module: RESULTS, bytes: new Uint8Array(0), facts: name }, read);

  it('of any shape arrive as they were', async () => {
    const into = pool();
    expect(await result(into, 'nothing')).toBeUndefined();
    expect(await result(into, 'null')).toBeNull();
    expect(await result(into, 'empty')).toEqual(new Uint8Array(0));
    expect(await result(into, 'scalars')).toEqual({
      a: 1n,
      b: Number.NaN,
      c: -0,
      d: new Date(5),
      e: 'é\ud800',
      f: undefined,
      g: [undefined, 1],
    });
    const twice = (await result(into, 'twice')) as { a: unknown; b: [unknown, { c: unknown }] };
    expect(twice.b[0]).toBe(twice.a);
    expect(twice.b[1].c).toBe(twice.a);
    const views = (await result(into, 'views')) as Uint8Array[];
    expect(views.map((view) => [view.length, view[0]])).toEqual([
      [100_000, 1],
      [2, 7],
      [200_000, 3],
    ]);
  });

  it('of 100 MiB arrive whole, one behind the other', async () => {
    const into = pool({ memoryBytes: 512 * MiB });
    for (let n = 0; n < 3; n++) {
      const large = (await result(into, 'large')) as Uint8Array;
      expect(large.length).toBe(100 * MiB);
      expect(Buffer.alloc(100 * MiB, 7).equals(large)).toBe(true);
    }
  });

  it('say how large they are before they are read, and need not be', async () => {
    const into = pool({ memoryBytes: 512 * MiB });
    const task = { module: RESULTS, bytes: new Uint8Array(0), facts: 'large' };
    expect(await into.run(task, async ({ bytes }) => bytes)).toBeGreaterThanOrEqual(100 * MiB);
    expect(await result(into, 'null')).toBeNull();
  });

  it('are those of the bytes that were handed over', async () => {
    const into = pool();
    for (const length of [0, 1, 70_000, 20 << 20, 3]) {
      const bytes = new Uint8Array(length).fill(length % 255);
      const task = { module: decoderModule('echo'), bytes, facts: { length, uri: 'a/é' } };
      const back = (await into.run(task, read)) as { bytes: Uint8Array; facts: unknown };
      expect(back.facts).toEqual(task.facts);
      expect(Buffer.from(back.bytes).equals(bytes)).toBe(true);
    }
  });

  it('that nobody takes for a while outlast the limits of time', async () => {
    const into = pool({ seconds: 0.05 });
    const value = await into.run({ module: RESULTS, bytes: new Uint8Array(0), facts: 'views' }, async (decoded) => {
      await wait(600);
      return decoded.read();
    });
    expect((value as Uint8Array[])[0]?.length).toBe(100_000);
  });
});

describe('work that is aborted', () => {
  it.each(['loop', 'sleep'] as const)('ends at once (%s), and its process', async (deed) => {
    const into = pool();
    const pid = await pidOf(into);
    const abort = new AbortController();
    const acting = act(into, deed, undefined, abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 100);
    const began = performance.now();
    await expect(acting).rejects.toThrow('enough');
    expect(performance.now() - began).toBeLessThan(2000);
    expect(isAlive(pid)).toBe(false);
    expect(await pidOf(into)).not.toBe(pid);
  });

  it('before it begins never begins, also where others are at work', async () => {
    const into = pool();
    const other = new AbortController();
    const working = act(into, 'sleep', undefined, other.signal);
    const abort = new AbortController();
    const waiting = act(into, 'nothing', undefined, abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(act(into, 'nothing', undefined, abort.signal)).rejects.toThrow('enough');
    other.abort(new Error('that too'));
    await expect(working).rejects.toThrow('that too');
    expect(await pidOf(into)).toBeGreaterThan(0);
  });

  it('while its result waits to be taken leaves its place to others', async () => {
    const into = pool();
    const abort = new AbortController();
    const task = { module: RESULTS, bytes: new Uint8Array(0), facts: 'views' };
    const acting = into.run(task, () => new Promise<never>(() => {}), abort.signal);
    const next = pidOf(into);
    await wait(600);
    abort.abort(new Error('enough'));
    await expect(acting).rejects.toThrow('enough');
    expect(await next).toBeGreaterThan(0);
  });

  it('while its process starts leaves a pool that works', async () => {
    const into = pool();
    const abort = new AbortController();
    const acting = act(into, 'nothing', undefined, abort.signal);
    await wait(10);
    abort.abort(new Error('enough'));
    await expect(acting).rejects.toThrow('enough');
    expect(await pidOf(into)).toBeGreaterThan(0);
  });
});

describe('a pool', () => {
  it('has as many processes as it may have, and uses them again', async () => {
    const into = pool({ processes: 2 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => act(into, 'nothing')));
    const pids = new Set(answers.map((answer) => (answer as { pid: number }).pid));
    expect(pids.size).toBe(2);
    expect(childProcesses()).toHaveLength(2);
  });

  it('goes on beside another with other limits', async () => {
    const [quick, patient] = [pool({ seconds: 0.2 }), pool({ seconds: 20 })];
    const abort = new AbortController();
    const working = Promise.allSettled([act(patient, 'sleep', undefined, abort.signal)]);
    await expect(act(quick, 'loop')).rejects.toMatchObject({ code: 'DECODE_TIME' });
    await expect(act(quick, 'sleep')).rejects.toMatchObject({ code: 'DECODE_TIME' });
    abort.abort(new Error('enough'));
    expect(await working).toMatchObject([{ status: 'rejected', reason: { message: 'enough' } }]);
  });

  it('that cannot load its decoder fails, in place of each record', async () => {
    const into = pool();
    const run = (module: string): Promise<unknown> => into.run({ module, bytes: new Uint8Array(1), facts: {} }, read);
    for (let n = 0; n < 2; n++) {
      await expect(run(decoderModule('missing'))).rejects.toMatchObject({
        name: 'PipelineError',
        code: 'DECODER_START',
      });
    }
    expect(await pidOf(into)).toBeGreaterThan(0);
  });

  it('whose processes cannot be started fails, in place of each record', async () => {
    const { execPath } = process;
    const into = pool();
    try {
      process.execPath = '/nowhere/node';
      await expect(act(into, 'nothing')).rejects.toMatchObject({
        name: 'PipelineError',
        code: 'DECODER_START',
        message: expect.stringContaining('ENOENT'),
      });
      process.execPath = '/bin/false';
      await expect(act(into, 'nothing')).rejects.toMatchObject({ name: 'PipelineError', code: 'DECODER_START' });
    } finally {
      process.execPath = execPath;
    }
    expect(await pidOf(into)).toBeGreaterThan(0);
  });

  it('leaves no file behind', async () => {
    const listed = (): string[] =>
      [tmpdir(), '/dev/shm'].flatMap((folder) => {
        try {
          return readdirSync(folder).filter((name) => /^sluice-[0-9a-f]{24}$/.test(name));
        } catch {
          return [];
        }
      });
    const into = pool();
    await pidOf(into);
    await act(into, 'abort').catch(() => {});
    expect(listed()).toEqual([]);
  });
});
