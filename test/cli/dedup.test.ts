import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../../src/cli/format.ts';
import { exitCode } from '../../src/run/exitCodes.ts';
import { labelledDocuments, labelledPairs } from '../lsh/nearDuplicates.ts';
import { randomNumbers } from '../lsh/texts.ts';
import { sluice } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

let folder: string;
const at = (...names: string[]): string => path.join(folder, ...names);
const documents = labelledDocuments();

interface DuplicateLine {
  readonly id: string;
  readonly duplicate_of: string;
  readonly similarity: number;
  readonly cluster: number;
}

async function rowsOf<T>(...names: string[]): Promise<T[]> {
  const text = await readFile(at(...names), 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const common = ['--id-column', 'id', '--progress', 'off'];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-dedup-'));
  const lines = documents.map(({ id, text }) => `${JSON.stringify({ id, text })}\n`);
  const half = Math.floor(lines.length / 2);
  await writeFile(at('first.jsonl'), lines.slice(0, half).join(''));
  await writeFile(at('second.jsonl'), lines.slice(half).join(''));
  await writeFile(at('docs.jsonl'), lines.join(''));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const runOn = (input: string, output: string, flags: readonly string[] = [], splitBytes = '200kB', env = {}) =>
  sluice(
    ['run', 'dedup', '--input', at(input), '--output', at(output), '--split-bytes', splitBytes, ...common, ...flags],
    { env },
  );

const pairs = (ids: readonly string[]): string[] =>
  ids.flatMap((a, i) => ids.slice(i + 1).map((b) => (a < b ? `${a} ${b}` : `${b} ${a}`)));

/** All pairs of documents that lie in one group. */
function pairsWithin(groupOf: (id: string) => unknown): Set<string> {
  const groups = Map.groupBy(documents, ({ id }) => groupOf(id));
  return new Set([...groups.values()].flatMap((group) => pairs(group.map(({ id }) => id))));
}

/** The line of a summary that tells how many documents there were before duplicates were dropped. */
const wasRead = new RegExp(`^read +${count(documents.length)} documents$`, 'm');

describe('the pipeline dedup on labelled documents', () => {
  it.each([
    { bands: 25, rows: 4, recall: 0.91, alike: 0.985 },
    { bands: 20, rows: 5, recall: 0.87, alike: 0.97 },
  ])('finds copies and nothing else with $bands bands of $rows rows', async ({ bands, rows, recall, alike }) => {
    const output = `labelled-${bands}`;
    const ended = await runOn('docs.jsonl', output, [
      ...['--threshold', '0.5', '--bands', String(bands), '--rows', String(rows)],
    ]);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    expect(ended.stderr).toMatch(wasRead);
    const kept = new Set((await rowsOf<{ id: string }>(output, 'kept.jsonl')).map(({ id }) => id));
    const duplicates = await rowsOf<DuplicateLine>(output, 'duplicates.jsonl');
    expect(kept.size + duplicates.length).toBe(documents.length);
    for (const { duplicate_of, cluster } of duplicates) {
      expect(kept.has(duplicate_of)).toBe(true);
      expect(documents[cluster]?.id).toBe(duplicate_of);
    }
    const keeper = new Map(duplicates.map(({ id, duplicate_of }) => [id, duplicate_of]));
    const clusterOf = new Map(documents.map(({ id, cluster }) => [id, cluster]));
    const found = pairsWithin((id) => keeper.get(id) ?? id);
    const copies = pairsWithin((id) => clusterOf.get(id));
    const right = [...found].filter((pair) => copies.has(pair)).length;
    expect(right / found.size).toBe(1);
    expect(right / copies.size).toBeGreaterThanOrEqual(recall);
    const share = (least: number): number => {
      const above = labelledPairs().filter(({ jaccard }) => jaccard >= least);
      return above.filter(({ a, b }) => found.has(pairs([a, b])[0] ?? '')).length / above.length;
    };
    expect(share(0.55)).toBeGreaterThanOrEqual(alike);
    expect(share(0.8)).toBe(1);
  });

  it('writes clusters and a report that agree with the duplicates', async () => {
    const output = 'labelled-20';
    const duplicates = await rowsOf<DuplicateLine>(output, 'duplicates.jsonl');
    const clusters = await rowsOf<{ cluster: number; id: string; documents: number }>(output, 'clusters.jsonl');
    const report = JSON.parse(await readFile(at(output, 'report.json'), 'utf8'));
    const byCluster = Map.groupBy(duplicates, ({ cluster }) => cluster);
    expect(clusters.map(({ cluster, documents: size }) => [cluster, size])).toEqual(
      [...byCluster].map(([cluster, list]) => [cluster, list.length + 1]).sort(([a = 0], [b = 0]) => a - b),
    );
    expect(report).toMatchObject({
      documents: documents.length,
      kept: documents.length - duplicates.length,
      duplicates: duplicates.length,
      clusters: clusters.length,
    });
    const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);
    expect(sum(report.cluster_sizes)).toBe(clusters.length);
    expect(sum(report.similarity)).toBe(duplicates.length);
    const inspected = await sluice(['inspect', at(output)]);
    expect(inspected.stdout).toContain(`${duplicates.length} dropped`);
    expect(inspected.stdout).toMatch(wasRead);
    expect(inspected.stdout).toContain('duplicates by similarity');
  });

  it('goes on with new documents against an earlier output, whose decisions stand', async () => {
    await runOn('first.jsonl', 'first');
    const ended = await runOn('second.jsonl', 'second', ['--against', at('first')]);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    await runOn('docs.jsonl', 'whole');
    const kept = async (output: string) => (await rowsOf<{ id: string }>(output, 'kept.jsonl')).map(({ id }) => id);
    const [first, second, whole] = [await kept('first'), await kept('second'), await kept('whole')];
    // what a later document joins was kept before that one came
    const joined = first.filter((id) => !whole.includes(id));
    expect(joined.length).toBeLessThan(8);
    expect([...first, ...second].filter((id) => !joined.includes(id))).toEqual(whole);
    const keptFirst = new Set(first);
    const back = (await rowsOf<DuplicateLine>('second', 'duplicates.jsonl')).filter(({ duplicate_of }) =>
      keptFirst.has(duplicate_of),
    );
    expect(back.length).toBeGreaterThan(50);
    for (const { duplicate_of, cluster } of back) expect(documents[cluster]?.id).toBe(duplicate_of);
  });

  it('writes Parquet in place of JSON lines, and keeps no index where it is told so', async () => {
    const ended = await runOn('docs.jsonl', 'parquet', ['--format', 'parquet', '--index', 'drop', '--exact']);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    const files = Object.keys(await hashTree(at('parquet'))).filter((file) => !file.startsWith('commits/'));
    expect(files.every((file) => /^(kept\/\d{5}-\d{6}\.parquet|[a-z]+\.jsonl?)$/.test(file))).toBe(true);
    const { buffer, byteOffset, byteLength } = await readFile(at('parquet/kept/00000-000000.parquet'));
    const { num_rows } = parquetMetadata(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
    const commit = JSON.parse(await readFile(at('parquet/commits/00000.json'), 'utf8'));
    expect(Number(num_rows)).toBe(commit.counts.documents_kept);
    expect((await sluice(['verify', at('parquet')])).code).toBe(exitCode.ok);
  });
});

describe('the plan of the pipeline dedup', () => {
  it('warns of shingles that every document has', async () => {
    const next = randomNumbers(5);
    const dna = (): string => Array.from({ length: 12_000 }, () => 'ACGT'[next() & 3]).join('');
    await writeFile(at('dna.jsonl'), Array.from({ length: 8 }, () => `${JSON.stringify({ text: dna() })}\n`).join(''));
    const plan = await sluice(['plan', 'dedup', '--input', at('dna.jsonl')]);
    expect(plan.stdout).toMatch(/warning: 28 of 28 pairs of a sample share much, 28 of them from 0\.7 on/);
    const longer = await sluice(['plan', 'dedup', '--input', at('dna.jsonl'), '--shingle', '24']);
    expect(longer.stdout).not.toContain('warning');
  });

  it('keeps other columns where they are named', async () => {
    await writeFile(at('rows.jsonl'), '{"id":"a","lang":"en","score":1.5,"text":"some text"}\n');
    const ended = await runOn('rows.jsonl', 'rows', ['--columns', 'lang:string score:double?']);
    expect(ended.code, ended.stderr).toBe(exitCode.ok);
    expect(await rowsOf('rows', 'kept.jsonl')).toMatchObject([
      { id: 'a', text: 'some text', meta: { id: 'a', lang: 'en', score: 1.5 } },
    ]);
  });

  it('prints error rates, and how many unrelated documents meet, with a warning where they are many', async () => {
    const plan = (...flags: string[]) => sluice(['plan', 'dedup', '--input', at('docs.jsonl'), ...flags]);
    const usual = await plan();
    expect(usual.stdout).toContain(
      'steps    dedup/sign, dedup/link, dedup/verify, dedup/cluster, the run proper, dedup/report',
    );
    expect(usual.stdout).toMatch(/14 bands of 8 rows over shingles of 5 bytes; verified by signature at 0\.70/);
    expect(usual.stdout).toMatch(
      /of pairs below 0\.7 [\d.]+ % would become candidates.*above it [\d.]+ % would be missed/,
    );
    expect(usual.stdout).toMatch(/in 1,\d{3} documents each meets \S+ unrelated ones as candidates/);
    expect(usual.stdout).not.toContain('warning');
    const short = await plan('--shingle', '2', '--bands', '50', '--rows', '2');
    expect(short.stdout).toMatch(/warning: only verification tells those from duplicates/);
  });

  it('says what a flag cannot be', async () => {
    const { code, stderr } = await sluice(['plan', 'dedup', '--input', at('docs.jsonl'), '--shingle', 'five']);
    expect(code).toBe(exitCode.usage);
    expect(stderr).toContain("--shingle: it takes a number of bytes, or of words: 5, 24, '5 words'");
    const half = await sluice(['plan', 'dedup', '--input', at('docs.jsonl'), '--bands', '25']);
    expect(half.stderr).toContain('give both --bands and --rows, or neither');
    const both = await sluice(['plan', 'dedup', '--input', at('docs.jsonl'), '--exact', '--threshold', '0.8']);
    expect(both.stderr).toContain('threshold cannot be given where only equal bytes count');
    const none = await runOn('docs.jsonl', 'none', ['--against', at('nowhere')]);
    expect(none.stderr).toContain('there is no index of a corpus');
  });
});

describe('a run of the pipeline dedup that is ended by SIGKILL', () => {
  it('gives the same bytes after a resume, before whichever step on the disk it was ended', {
    timeout: 300_000,
  }, async () => {
    const lines = documents.slice(0, 80).map(({ id, text }) => `${JSON.stringify({ id, text })}\n`);
    await writeFile(at('few.jsonl'), lines.join(''));
    const few = (output: string, env: Record<string, string> = {}) => runOn('few.jsonl', output, [], '60kB', env);
    const first = await few('undisturbed', { SLUICE_COUNT_STEPS: '1' });
    expect(first.code, first.stderr).toBe(exitCode.ok);
    const steps = Number(/steps (\d+)/.exec(first.stderr)?.[1]);
    expect(steps).toBeGreaterThan(150);
    const undisturbed = await hashTree(at('undisturbed'));
    expect(Object.keys(undisturbed)).toContain('kept.jsonl');
    // every seventh here; all of them were tried
    const every = Number(process.env['SLUICE_CRASH_EVERY'] ?? 7);
    const places = Array.from({ length: Math.floor(steps / every) }, (_, i) => (i + 1) * every);
    const work = async (): Promise<void> => {
      for (let step = places.shift(); step !== undefined; step = places.shift()) {
        const killed = await few(`at-${step}`, { SLUICE_CRASH_AT: String(step) });
        expect(killed.signal, `step ${step}: ${killed.stderr}`).toBe('SIGKILL');
        const resumed = await few(`at-${step}`);
        expect(resumed.code, `step ${step}: ${resumed.stderr}`).toBe(exitCode.ok);
        expect(await hashTree(at(`at-${step}`)), `step ${step}`).toEqual(undisturbed);
        await rm(at(`at-${step}`), { recursive: true });
      }
    };
    await Promise.all([work(), work()]);
  });
});
