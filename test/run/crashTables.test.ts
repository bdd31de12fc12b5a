import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { startScript } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

const script = path.join(import.meta.dirname, '../fixtures/crash/run.ts');
/** Kills spread over a run; every single step is put to the test in crash.test.ts. */
const KILLS = 4;

let folder: string;
let undisturbed: Record<string, string>;
let steps: number;

const run = (output: string, env: Record<string, string> = {}) =>
  startScript(script, [path.join(folder, output), '', 'tables.ts'], { env }).ended;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-crash-tables-'));
  const first = await run('undisturbed', { SLUICE_COUNT_STEPS: '1' });
  expect(first.code, first.stderr).toBe(exitCode.rejects);
  steps = Number(/steps (\d+)/.exec(first.stderr)?.[1]);
  undisturbed = await hashTree(path.join(folder, 'undisturbed'));
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a run with every sink of tables and archives', () => {
  it('is found sound', async () => {
    expect(await verifyOutput(path.join(folder, 'undisturbed'))).toMatchObject({ ok: true, findings: [] });
    const names = new Set(Object.keys(undisturbed).map((file) => file.split('/')[0]));
    for (const name of ['wds', 'npz', 'lines.jsonl', 'patches', 'documents', 'tables.db'])
      expect(names).toContain(name);
  });

  it('gives the same bytes after a resume, wherever it was killed', { timeout: 120_000 }, async () => {
    const at = Array.from({ length: KILLS }, (_, i) => Math.round(((i + 0.9) * steps) / KILLS));
    const inTwo = async (): Promise<void> => {
      for (let step = at.shift(); step !== undefined; step = at.shift()) {
        const killed = await run(`at-${step}`, { SLUICE_CRASH_AT: String(step) });
        expect(killed.signal, `step ${step}: ${killed.stderr}`).toBe('SIGKILL');
        const resumed = await run(`at-${step}`);
        expect(resumed.code, `step ${step}: ${resumed.stderr}`).toBe(exitCode.rejects);
        expect(await hashTree(path.join(folder, `at-${step}`)), `step ${step}`).toEqual(undisturbed);
      }
    };
    await Promise.all([inTwo(), inTwo()]);
  });
});
