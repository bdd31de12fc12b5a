import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { sluice, startScript } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

const pipeline = path.join(import.meta.dirname, '../fixtures/crash/pipeline.ts');

let folder: string;
let undisturbed: Record<string, string>;
let steps: number;

const script = path.join(import.meta.dirname, '../fixtures/crash/run.ts');

/** The same run without the command line around it, which costs a third of the time. */
const bare = (output: string, env: Record<string, string> = {}, ...limit: string[]) =>
  startScript(script, [path.join(folder, output), ...limit], { env }).ended;
const run = (output: string, env: Record<string, string> = {}, ...flags: string[]) =>
  sluice(['run', pipeline, '--output', path.join(folder, output), '--progress', 'off', ...flags], { env });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-crash-'));
  const first = await run('undisturbed', { SLUICE_COUNT_STEPS: '1' });
  expect(first.code, first.stderr).toBe(exitCode.rejects);
  steps = Number(/steps (\d+)/.exec(first.stderr)?.[1]);
  undisturbed = await hashTree(path.join(folder, 'undisturbed'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a run that is ended by SIGKILL', () => {
  it('gives the same bytes after a resume, whichever step on the disk it was ended before', {
    timeout: 600_000,
  }, async () => {
    expect(steps).toBeGreaterThan(60);
    expect(Object.keys(undisturbed)).toContain('manifest.json');
    const at = Array.from({ length: steps }, (_, i) => i + 1);
    const inTwo = async (): Promise<void> => {
      for (let n = at.shift(); n !== undefined; n = at.shift()) {
        const killed = await bare(`at-${n}`, { SLUICE_CRASH_AT: String(n) });
        expect(killed.signal, `step ${n}: ${killed.stderr}`).toBe('SIGKILL');
        // Every third resume is killed once more, half as far in.
        if (n % 3 === 0) await bare(`at-${n}`, { SLUICE_CRASH_AT: String(Math.ceil((steps - n) / 2) + 1) });
        const resumed = await bare(`at-${n}`);
        expect(resumed.code, `step ${n}: ${resumed.stderr}`).toBe(exitCode.rejects);
        expect(await hashTree(path.join(folder, `at-${n}`)), `step ${n}`).toEqual(undisturbed);
        await rm(path.join(folder, `at-${n}`), { recursive: true });
      }
    };
    await Promise.all([inTwo(), inTwo()]);
  });
});

describe('a plan that nothing was committed of', () => {
  it('gives way to another, and either of them gives the same bytes after any step before which that was ended', {
    timeout: 120_000,
  }, async () => {
    const at = (name: string): string => path.join(folder, name);
    const limit = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(at(`${name}/plan.json`), 'utf8').catch(() => '{}')).limit;
    await bare('limited', {}, '3');
    const limited = await hashTree(at('limited'));
    await cp(at('undisturbed'), at('uncommitted'), { recursive: true });
    await rm(at('uncommitted/manifest.json'));
    for (const name of await readdir(at('uncommitted'), { recursive: true })) {
      const few = name.endsWith('00001-000000.safetensors') || name.startsWith('rejects');
      if (name.includes('/') && !few) await rm(at(`uncommitted/${name}`));
    }
    const states = new Set<unknown>();
    for (let step = 1; !states.has(3); step++) {
      await cp(at('uncommitted'), at('new'), { recursive: true });
      const killed = await bare('new', { SLUICE_CRASH_AT: String(step) }, '3');
      expect(killed.signal, `step ${step}: ${killed.stderr}`).toBe('SIGKILL');
      states.add(await limit('new'));
      await cp(at('new'), at('old'), { recursive: true });
      const ended = await Promise.all([bare('new', {}, '3'), bare('old')]);
      for (const { code, stderr } of ended) expect(code, `step ${step}: ${stderr}`).toBe(exitCode.rejects);
      expect(await hashTree(at('new')), `step ${step}`).toEqual(limited);
      expect(await hashTree(at('old')), `step ${step}`).toEqual(undisturbed);
      await rm(at('new'), { recursive: true });
      await rm(at('old'), { recursive: true });
    }
    expect(states).toEqual(new Set([null, undefined, 3]));
  });
});

describe('a disk that refuses', () => {
  it.each([
    ['ENOSPC', 0.2],
    ['ENOSPC', 0.55],
    ['EIO', 0.4],
    ['EIO', 0.95],
  ])('ends the run with exit code 74 on %s at %d of its steps, and a resume gives the same bytes', async (code, at) => {
    const output = `${code}-${at}`;
    const failed = await run(output, { SLUICE_DISK_ERROR: `${code}@${Math.round(steps * at)}` });
    expect(failed.code, failed.stderr).toBe(exitCode.disk);
    expect(failed.stderr).toContain(code);
    expect(failed.stderr).toContain('run the same command again');
    const resumed = await run(output);
    expect(resumed.code, resumed.stderr).toBe(exitCode.rejects);
    expect(await hashTree(path.join(folder, output))).toEqual(undisturbed);
  });
});

describe('the output', () => {
  it('does not depend on the number of workers', async () => {
    for (const workers of ['1', '2', '5']) {
      const ended = await run(`workers-${workers}`, {}, '--workers', workers);
      expect(ended.code, ended.stderr).toBe(exitCode.rejects);
      expect(await hashTree(path.join(folder, `workers-${workers}`))).toEqual(undisturbed);
    }
  });

  it('is left alone by a second run', async () => {
    const again = await run('undisturbed');
    expect(again.code, again.stderr).toBe(exitCode.rejects);
    expect(again.stderr).toContain('nothing to do');
    expect(await hashTree(path.join(folder, 'undisturbed'))).toEqual(undisturbed);
  });
});
