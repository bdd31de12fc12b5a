import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Duplicate } from '../../../src/operators/dedup.ts';
import { verifyOutput } from '../../../src/run/verify.ts';
import { startScript } from '../../support/sluice.ts';
import { hashTree } from '../../support/tree.ts';

const script = path.join(import.meta.dirname, '../../fixtures/dedup/run.ts');
const SPLITS = ['00000', '00001'];
const DOCUMENTS = 40;

let folder: string;
let steps: number;
let undisturbed: Record<string, string>;
const runInto = (name: string, workers: number, env: Record<string, string> = {}) =>
  startScript(script, [path.join(folder, name), String(workers)], { env }).ended;
const read = (file: string): Promise<string> => readFile(path.join(folder, 'whole', file), 'utf8');
const linesOf = async <T>(file: string): Promise<T[]> =>
  (await read(file))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-dedup-'));
  const ended = await runInto('whole', 2, { SLUICE_COUNT_STEPS: '1' });
  expect(ended.code, ended.stderr).toBe(0);
  steps = Number(/steps (\d+)/.exec(ended.stderr)?.[1]);
  undisturbed = await hashTree(path.join(folder, 'whole'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a run', () => {
  it('keeps the first documents of each split, and lists the others with them in a file of the split', async () => {
    for (const split of SPLITS) {
      const kept = await linesOf<{ id: string; text?: string }>(`kept/${split}-000000.jsonl`);
      const dropped = await linesOf<Duplicate>(`dropped/${split}.jsonl`);
      expect(kept.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4].map((n) => `${split}-${n}`));
      const all = [...kept, ...dropped].map(({ id }) => id);
      expect(new Set(all)).toEqual(new Set(Array.from({ length: DOCUMENTS }, (_, n) => `${split}-${n}`)));
      expect(all).toHaveLength(DOCUMENTS);
      for (const { id, duplicate_of, cluster, similarity, position } of dropped) {
        expect(id).toBe(`${split}-${position.ordinal}`);
        expect(duplicate_of).toBe(`${split}-${cluster}`);
        expect(similarity).toBeGreaterThanOrEqual(0.5);
      }
      expect(dropped.filter(({ kind }) => kind === 'exact').length).toBeGreaterThan(0);
    }
  });

  it('counts them in its commits and in the manifest, and is found whole', async () => {
    const dropped = await linesOf<Duplicate>('dropped/00001.jsonl');
    const exact = dropped.filter(({ kind }) => kind === 'exact').length;
    const commit = JSON.parse(await read('commits/00001.json'));
    expect(commit.counts).toMatchObject({ documents: 5, duplicates: DOCUMENTS - 5, duplicates_exact: exact });
    expect(commit.artefacts[0]).toMatchObject({
      path: 'dropped/00001.jsonl',
      info: { format: 'sluice_duplicates_v1', duplicates: DOCUMENTS - 5 },
    });
    expect(JSON.parse(await read('manifest.json')).totals.duplicates).toBe(2 * (DOCUMENTS - 5));
    expect(await verifyOutput(path.join(folder, 'whole'))).toMatchObject({ ok: true, findings: [] });
  });

  it('gives the same bytes with another number of workers, and after SIGKILL and a resume', {
    timeout: 60_000,
  }, async () => {
    expect(steps).toBeGreaterThan(20);
    const [alone] = await Promise.all([runInto('alone', 1), ...[0.3, 0.6, 0.8].map(killedAt)]);
    expect(alone.code, alone.stderr).toBe(0);
    expect(await hashTree(path.join(folder, 'alone'))).toEqual(undisturbed);
  });
});

async function killedAt(share: number): Promise<void> {
  const name = `killed-${share}`;
  const killed = await runInto(name, 2, { SLUICE_CRASH_AT: String(Math.round(share * steps)) });
  expect(killed.signal, killed.stderr).toBe('SIGKILL');
  const resumed = await runInto(name, 2);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(await hashTree(path.join(folder, name))).toEqual(undisturbed);
}
