import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { childProcesses } from '../support/children.ts';
import { act, isAlive, pidOf, poolsOfTests, until } from '../support/decoders.ts';

const pool = poolsOfTests();

describe('a process that is killed from outside', () => {
  const killed = async (...but: number[]): Promise<number> => {
    const pids = (): number[] => childProcesses().filter((pid) => !but.includes(pid));
    await until(() => pids().length > 0);
    const [pid = 0] = pids();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    return pid;
  };

  it('while it starts is replaced', async () => {
    const into = pool();
    const acting = pidOf(into);
    const first = await killed();
    expect(await acting).not.toBe(first);
  });

  it('while it decodes is replaced, and the record decoded', async () => {
    const into = pool();
    const first = await pidOf(into);
    const acting = act(into, 'pause');
    await wait(100);
    expect(await killed()).toBe(first);
    const second = await killed(first);
    const answer = (await acting) as { readonly pid: number };
    expect([first, second]).not.toContain(answer.pid);
  });

  it('time and again takes one record with it', async () => {
    const into = pool();
    const acting = expect(act(into, 'sleep')).rejects.toMatchObject({
      code: 'DECODER_CRASHED',
      message: expect.stringContaining('killed (SIGKILL)'),
      hint: expect.stringContaining('memory'),
    });
    const before: number[] = [];
    for (let n = 0; n < 3; n++) {
      await until(() => childProcesses().some((pid) => !before.includes(pid)));
      // it has begun by then
      await wait(600);
      before.push(await killed(...before));
    }
    await acting;
    expect(await pidOf(into)).toBeGreaterThan(0);
  });
});
