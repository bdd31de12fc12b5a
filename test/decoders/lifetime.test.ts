import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive, until } from '../support/decoders.ts';

const PROGRAM = fileURLToPath(new URL('../fixtures/decoders/program.ts', import.meta.url));

const programs: ChildProcess[] = [];

/** Starts a program that has records decoded; resolves to it and its decoder process. */
async function start(deed: string): Promise<{ program: ChildProcess; ended: Promise<unknown[]>; decoder: number }> {
  const program = spawn(process.execPath, ['--conditions=sluice-source', PROGRAM, deed], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  programs.push(program);
  const ended = once(program, 'exit');
  const [line] = (await once(program.stdout, 'data')) as [Buffer];
  return { program, ended, decoder: Number(line.toString()) };
}

afterEach(() => {
  for (const program of programs.splice(0)) program.kill('SIGKILL');
});

describe('decoder processes of a program', () => {
  it('that has nothing more to do end with it, and do not keep it waiting', async () => {
    const { ended, decoder } = await start('nothing');
    const began = performance.now();
    expect(await ended).toEqual([0, null]);
    expect(performance.now() - began).toBeLessThan(3000);
    await until(() => !isAlive(decoder));
  });

  it.each(['sleep', 'loop', 'childAndLoop'])(
    'that is killed end, also while one of them is at work (%s)',
    async (deed) => {
      const { program, ended, decoder } = await start(deed);
      expect(isAlive(decoder)).toBe(true);
      program.kill('SIGKILL');
      await ended;
      await until(() => !isAlive(decoder));
    },
  );

  it('that ends by an error of its own end too', async () => {
    const { ended, decoder } = await start('abort');
    expect(await ended).toEqual([1, null]);
    await until(() => !isAlive(decoder));
  });
});
