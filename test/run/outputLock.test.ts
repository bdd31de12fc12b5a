import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lockOutput } from '../../src/run/outputLock.ts';
import { processState } from '../../src/run/processState.ts';
import { startScript } from '../support/sluice.ts';

const disk = vi.hoisted(() => ({ links: true }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const link: typeof real.link = async (from, to) => {
    if (!disk.links) throw Object.assign(new Error('EPERM: no links here'), { code: 'EPERM' });
    await real.link(from, to);
  };
  return { ...real, link };
});

let folder: string;
let root: string;
beforeEach(async () => {
  disk.links = true;
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-lock-'));
  root = path.join(folder, 'out');
  await mkdir(root);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lockFile = (): string => path.join(root, '.lock');
/** No process has this number: Linux ends at 2^22. */
const gone = { host: hostname(), pid: 2 ** 22 + 1, started: '1' };
const leaveLock = (owner: unknown): Promise<void> => writeFile(lockFile(), JSON.stringify(owner));

describe('lockOutput', () => {
  it('lets one process in, and the next once it is given back', async () => {
    const unlock = await lockOutput(root);
    await expect(lockOutput(root)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
    });
    expect(await readdir(root)).toEqual(['.lock']);
    await unlock();
    expect(await readdir(root)).toEqual([]);
    await (await lockOutput(root))();
  });

  it('respects the lock of another machine, whose processes it cannot see', async () => {
    await leaveLock({ ...gone, host: `not-${hostname()}` });
    await expect(lockOutput(root)).rejects.toMatchObject({ code: 'LOCKED' });
  });

  it.each([
    ['a process that is gone', JSON.stringify(gone)],
    ['a process whose number was used again', JSON.stringify({ ...gone, pid: process.pid })],
    ['nobody: an empty file', ''],
    ['nobody: no owner record', 'null'],
  ])('takes over the lock of %s', async (_, text) => {
    await writeFile(lockFile(), text);
    const unlock = await lockOutput(root);
    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid });
    expect(await readdir(root)).toEqual(['.lock']);
    await unlock();
    expect(await readdir(root)).toEqual([]);
  });

  it('takes over from a process that was ended while it took over', async () => {
    await leaveLock(gone);
    const first = startScript(path.join(import.meta.dirname, '../fixtures/lock/halfway.ts'), [root]);
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toEqual(gone);
    expect(await readdir(path.join(root, '.lock.takeover'))).not.toEqual([]);
    await (await lockOutput(root))();
    expect(await readdir(root)).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'takes over from a process that was killed and that its parent never waits for',
    async () => {
      const script = path.join(import.meta.dirname, '../fixtures/lock/holder.ts');
      // the shell becomes a program that knows nothing of the child it has
      const shell = spawn(
        'sh',
        ['-c', '"$@" & echo "$!"; exec cat', 'sh', process.execPath, '--conditions=sluice-source', script, root],
        { stdio: ['pipe', 'pipe', 'ignore'] },
      );
      const words = createInterface(shell.stdout)[Symbol.asyncIterator]();
      const word = async (): Promise<string | undefined> => (await words.next()).value;
      try {
        const pid = Number(await word());
        expect(await word()).toBe('ready');
        await writeFile(`${root}.go`, '');
        expect(await word()).toBe('held');
        await expect(lockOutput(root)).rejects.toMatchObject({ code: 'LOCKED' });
        process.kill(pid, 'SIGKILL');
        await vi.waitUntil(() => processState(pid)?.over === true, { timeout: 10_000, interval: 5 });
        await (await lockOutput(root))();
      } finally {
        shell.stdin.end();
      }
    },
  );

  it('leaves the lock of another process alone when it gives its own back', async () => {
    const unlock = await lockOutput(root);
    const foreign = { host: 'elsewhere', pid: 1, started: '2' };
    await leaveLock(foreign);
    await unlock();
    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toEqual(foreign);
  });

  it('works where files cannot be linked', async () => {
    disk.links = false;
    const unlock = await lockOutput(root);
    await expect(lockOutput(root)).rejects.toMatchObject({ code: 'LOCKED' });
    await unlock();
    await leaveLock(gone);
    await (await lockOutput(root))();
    expect(await readdir(root)).toEqual([]);
  });

  it('lets exactly one of six processes take over a stale lock, trial after trial', async () => {
    const roots = Array.from({ length: 8 }, (_, trial) => path.join(folder, `trial-${trial}`));
    const script = path.join(import.meta.dirname, '../fixtures/lock/holder.ts');
    const holders = Array.from({ length: 6 }, () => startScript(script, roots));
    /** What each of them says next, once all have: the one that has the lock keeps it until then. */
    const answers = async (place: number): Promise<(string | undefined)[]> => {
      const words = () => holders.map(({ output }) => output.stdout.split('\n').slice(0, -1)[place]);
      await vi.waitUntil(() => !words().includes(undefined), { timeout: 30_000, interval: 5 });
      return words();
    };
    await answers(0);
    for (const [trial, each] of roots.entries()) {
      await mkdir(each);
      await writeFile(path.join(each, '.lock'), JSON.stringify(gone));
      await writeFile(`${each}.go`, '');
      expect((await answers(trial + 1)).sort()).toEqual([...Array(5).fill('LOCKED'), 'held']);
      await writeFile(`${each}.done`, '');
    }
    await Promise.all(holders.map((holder) => holder.ended));
    for (const each of roots) expect(await readdir(each)).toEqual([]);
  });
});
