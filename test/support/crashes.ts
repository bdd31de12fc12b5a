import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { startScript } from './sluice.ts';
import { hashTree } from './tree.ts';

const script = path.join(import.meta.dirname, '../fixtures/crash/run.ts');

/** A run that nothing disturbed, for tests of the same suite. */
export interface Undisturbed {
  readonly output: string;
  /** Hashes of its files. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * A suite's test that a pipeline of `test/fixtures/crash` gives the same bytes after a resume, killed before so many of its
 * durable steps, spread over the run; every single step is put to the test in crash.test.ts.
 *
 * @returns what it is compared with, once the tests run
 */
export function itSurvivesKills(pipeline: string, kills: number): () => Undisturbed {
  let folder: string;
  let files: Record<string, string>;
  let steps: number;
  const run = (output: string, env: Record<string, string> = {}) =>
    startScript(script, [path.join(folder, output), '', pipeline], { env }).ended;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sluice-crash-'));
    const first = await run('undisturbed', { SLUICE_COUNT_STEPS: '1' });
    expect(first.code, first.stderr).toBe(exitCode.rejects);
    steps = Number(/steps (\d+)/.exec(first.stderr)?.[1]);
    files = await hashTree(path.join(folder, 'undisturbed'));
  }, 60_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('gives the same bytes after a resume, wherever it was killed', { timeout: 120_000 }, async () => {
    const at = Array.from({ length: kills }, (_, i) => Math.round(((i + 0.9) * steps) / kills));
    const inTwo = async (): Promise<void> => {
      for (let step = at.shift(); step !== undefined; step = at.shift()) {
        const killed = await run(`at-${step}`, { SLUICE_CRASH_AT: String(step) });
        expect(killed.signal, `step ${step}: ${killed.stderr}`).toBe('SIGKILL');
        const resumed = await run(`at-${step}`);
        expect(resumed.code, `step ${step}: ${resumed.stderr}`).toBe(exitCode.rejects);
        expect(await hashTree(path.join(folder, `at-${step}`)), `step ${step}`).toEqual(files);
      }
    };
    await Promise.all([inTwo(), inTwo()]);
  });

  return () => ({ output: path.join(folder, 'undisturbed'), files });
}
