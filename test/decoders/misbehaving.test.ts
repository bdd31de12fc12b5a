import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { childProcesses } from '../support/children.ts';
import { act, isAlive, mostResident, pidOf, poolsOfTests, until } from '../support/decoders.ts';

const MiB = 1 << 20;

const pool = poolsOfTests();

describe('a record that', () => {
  it.each([
    ['hangs in a loop', 'loop', 0.3, 0.3],
    ['sleeps for ever', 'sleep', 0.1, 0.6],
    ['hangs behind a closed channel', 'disconnectAndLoop', 0.3, 0.3],
  ] as const)('%s is stopped within its time', async (_what, deed, seconds, least) => {
    const into = pool({ seconds });
    await pidOf(into);
    const began = performance.now();
    await expect(act(into, deed)).rejects.toMatchObject({
      name: 'DecoderEnded',
      code: 'DECODE_TIME',
      message: expect.stringContaining(`${seconds} s`),
    });
    const taken = performance.now() - began;
    expect(taken).toBeGreaterThan(1000 * least - 50);
    expect(taken).toBeLessThan(1000 * least + 3000);
    expect(await pidOf(into)).toBeGreaterThan(0);
  });

  it.each(['buffers', 'arrays', 'heap', 'strings', 'resizable'] as const)(
    'fills memory (%s) is stopped at its limit',
    async (deed) => {
      const into = pool();
      const acting = act(into, deed);
      const most = mostResident(acting);
      await expect(acting).rejects.toMatchObject({
        code: 'DECODE_MEMORY',
        message: expect.stringContaining(`${192 * MiB} bytes`),
      });
      expect(await most).toBeLessThan(192 * MiB + 192 * MiB);
      expect(await pidOf(into)).toBeGreaterThan(0);
    },
  );

  it.each([
    ['aborts', 'abort', /SIGABRT/],
    ['has a segmentation fault', 'segfault', /SIGSEGV/],
    ['exits', 'exit', /exit code 0/],
    ['throws what is no Failure', 'throw', /exit code 1\): RangeError: offset is out of bounds/],
    ['throws nothing', 'throwNothing', /exit code 1\): Error: undefined/],
    ['rejects later, where nobody listens', 'late', /Error: too late/],
    ['closes the channel', 'disconnect', /SIGKILL/],
    ['returns what cannot travel', 'function', /could not be cloned/],
    ['writes garbage and aborts', 'garbageAndAbort', /SIGABRT/],
  ] as const)('%s is a crash that is told, and the next one is decoded', async (_what, deed, message) => {
    const into = pool();
    await expect(act(into, deed)).rejects.toMatchObject({
      name: 'DecoderEnded',
      code: 'DECODER_CRASHED',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('without this record'),
    });
    expect(await pidOf(into)).toBeGreaterThan(0);
  });

  it('writes garbage where nobody reads is decoded', async () => {
    const into = pool();
    expect(await act(into, 'garbage')).toBe('said');
  });

  it('is refused is so in the words of its decoder, as far as they are of use', async () => {
    const into = pool();
    const pid = await pidOf(into);
    await expect(act(into, 'refuse')).rejects.toMatchObject({
      name: 'Failure',
      code: 'DAMAGED_FILE',
      message: expect.stringMatching(/^it is damaged x{1000,1999}$/),
      hint: 'Mend it.',
    });
    expect(await pidOf(into)).toBe(pid);
  });

  it('fails behind its answer costs nobody else', async () => {
    const into = pool();
    expect(await act(into, 'after')).toBe('answered');
    await wait(60);
    expect(await act(into, 'nothing')).toMatchObject({ before: 0 });
    expect(await act(into, 'after')).toBe('answered');
    expect(await act(into, 'nothing')).toMatchObject({ pid: expect.any(Number) });
  });

  it('ends its process takes along what that has started', async () => {
    const into = pool({ seconds: 0.3 });
    const { pid } = (await act(into, 'child')) as { readonly pid: number };
    expect(isAlive(pid)).toBe(true);
    await expect(act(into, 'loop')).rejects.toMatchObject({ code: 'DECODE_TIME' });
    await until(() => !isAlive(pid));
  });
});

describe('a process that has worked before', () => {
  it.each(['abort', 'exit', 'throw', 'buffers'] as const)(
    'and then fails (%s) is replaced, and the record decoded',
    async (deed) => {
      const into = pool();
      const pid = await pidOf(into);
      // the record fails in a process that had another one before it, and in no other
      const answer = (await act(into, deed, 1)) as { readonly pid: number };
      expect(answer.pid).not.toBe(pid);
    },
  );

  it('and then runs out of time is replaced; the record is not tried again', async () => {
    const into = pool({ seconds: 0.3 });
    await pidOf(into);
    await expect(act(into, 'loop', 1)).rejects.toMatchObject({ code: 'DECODE_TIME' });
  });

  it('and then fails every time is replaced once', async () => {
    const into = pool();
    const pid = await pidOf(into);
    await expect(act(into, 'abort')).rejects.toMatchObject({ code: 'DECODER_CRASHED' });
    expect(isAlive(pid)).toBe(false);
    expect(childProcesses()).toEqual([]);
  });

  it('and is killed while it has nothing to do is not missed', async () => {
    const into = pool();
    const pid = await pidOf(into);
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    expect(await pidOf(into)).not.toBe(pid);
  });

  it('and is told to end by a service manager or a terminal goes on', async () => {
    const into = pool();
    const pid = await pidOf(into);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal);
    await wait(50);
    expect(await pidOf(into)).toBe(pid);
  });
});
