import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { tap } from 'rxjs';
import type { Patches } from 'sluice';
import { drain } from 'sluice/flow';
import { embed, patch, pretokenize } from 'sluice/operators';
import { files } from 'sluice/sources';
import { buildCorpus } from '../src/formats/corpus/corpusGraph.ts';
import type { CorpusPart } from '../src/formats/corpus/sidecarFile.ts';
import { openSqlite } from '../src/formats/sqlite.ts';
import { openHypergraph } from '../src/hypergraph/index.ts';
import { likePairs } from '../src/lsh/likePairs.ts';
import { whiteningOf, whitenRows } from '../src/lsh/semantic/space.ts';
import { OutputFolder } from '../src/run/durable.ts';
import { type HypergraphOptions, hypergraph } from '../src/sinks/hypergraph.ts';
import { type Bench, type Measure, min, time } from './harness.ts';

/** Sidecars of a run. */
const SIDECARS = 8;
/** Patches that are compared all with all. */
const COMPARED = 8000;
const QUESTIONS = 2000;
const tables = ['nodes', 'hyperedges', 'sphere_patches', 'sphere_edges', 'documents', 'segments'];

/**
 * Hypergraphs of the bundled samples: rows a second into a sidecar, and into the database of a whole run, against the same
 * rows inserted one by one, and copied by SQLite itself; what `semantic` edges cost, and how many of the pairs they find that
 * comparing all with all does; questions to a graph. CPU time of all threads.
 */
export default async function hypergraphs(bench: Bench): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  try {
    const values = await patchesOfSamples();
    const patches = values.reduce((sum, { lengths }) => sum + lengths.length, 0);
    const write = (name: string, options: HypergraphOptions = {}, id = '00000') =>
      writeSidecar(path.join(folder, name), values, options, id);
    const sidecar = await write('plain');
    const rows = countRows(sidecar);
    const perSecond = (unit: string, count: number): Measure => ({ unit, of: (seconds) => count / seconds });
    const rowsPerSecond = perSecond('rows/cpu-s', rows);
    await bench.compare({
      case: `a sidecar of ${patches} patches`,
      measure: rowsPerSecond,
      run: () => write('plain'),
      peer: { name: 'rows one by one', run: insertsOf(sidecar, path.join(folder, 'peer.db')) },
      ceiling: await copied(sidecar, path.join(folder, 'copy.db'), rowsPerSecond),
    });
    await bench.compare({
      case: 'the same with semantic edges',
      measure: perSecond('patches/cpu-s', patches),
      run: () => write('semantic', { semantic: true }),
      peer: { name: 'without', run: () => write('plain') },
    });
    const parts: CorpusPart[] = [];
    for (let i = 0; i < SIDECARS; i++) {
      const split = String(i).padStart(5, '0');
      const file = await write('parts', { semantic: true, into: 'graph.db' }, split);
      parts.push({ file, path: `shards/${path.basename(file)}`, split, shard: 0 });
    }
    const all = SIDECARS * countRows(parts[0]?.file ?? '');
    await bench.compare({
      case: `the database of a run of ${SIDECARS} sidecars`,
      measure: perSecond('rows/cpu-s', all),
      run: () => build(parts, path.join(folder, 'graph.db')),
      ceiling: await copied(parts[0]?.file ?? '', path.join(folder, 'copy.db'), perSecond('', all / SIDECARS)),
    });
    await questions(bench, path.join(folder, 'graph.db'));
    recall(bench, values);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function patchesOfSamples(): Promise<Patches[]> {
  const source = files(path.join(import.meta.dirname, '../samples'));
  const values: Patches[] = [];
  let number = 0;
  for await (const split of source.splits({ splitBytes: 1 << 30, reject: () => {} })) {
    const flow = source.read({ ...split, id: String(number++).padStart(5, '0') });
    await drain(
      flow.pipe(
        pretokenize(),
        embed(),
        patch(),
        tap((value) => values.push(value)),
      ),
    );
  }
  return values;
}

async function writeSidecar(
  root: string,
  values: readonly Patches[],
  options: HypergraphOptions,
  id: string,
): Promise<string> {
  const folder = new OutputFolder(root);
  await folder.prepare();
  const sink = hypergraph('shards', { ...options, shardBytes: 1 << 30 });
  const writer = await sink.open({ split: { id, bytes: 0, spec: null }, file: (file) => folder.file(file) });
  for (const value of values) await writer.write(value);
  await writer.finish();
  return path.join(root, `shards/${id}-000000.hypergraph.db`);
}

function countRows(file: string): number {
  const db = new Database(file, { readonly: true });
  const count = (table: string) => db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0;
  const rows = tables.reduce((sum, table) => sum + count(table), 0);
  db.close();
  return rows;
}

function emptyCopy(sidecar: string, file: string): Database.Database {
  rmSync(file, { force: true });
  const from = new Database(sidecar, { readonly: true });
  const statements = from.prepare<[], string>('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL').pluck().all();
  from.close();
  const db = new Database(file);
  for (const setting of ['journal_mode = OFF', 'synchronous = OFF', 'locking_mode = EXCLUSIVE']) db.pragma(setting);
  for (const statement of statements) if (statement.startsWith('CREATE TABLE')) db.exec(statement);
  return db;
}

/** The rows of a sidecar, held in memory, inserted by one prepared statement a table. */
function insertsOf(sidecar: string, file: string): () => void {
  const from = new Database(sidecar, { readonly: true });
  const rows = tables.map((table) => from.prepare<[], unknown[]>(`SELECT * FROM ${table}`).raw().all());
  from.close();
  return () => {
    const db = emptyCopy(sidecar, file);
    db.exec('BEGIN');
    for (const [i, table] of tables.entries()) {
      const width = rows[i]?.[0]?.length ?? 0;
      if (width === 0) continue;
      const insert = db.prepare(`INSERT INTO ${table} VALUES (${Array(width).fill('?').join()})`);
      for (const row of rows[i] ?? []) insert.run(...row);
    }
    db.exec('COMMIT');
    db.close();
  };
}

/** SQLite copying the rows from one file to another, without indexes. */
async function copied(sidecar: string, file: string, measure: Measure): Promise<number> {
  const seconds: number[] = [];
  for (let round = 0; round < 9; round++) {
    const db = emptyCopy(sidecar, file);
    db.prepare('ATTACH ? AS part').run(sidecar);
    const copy = (): void => {
      for (const table of tables) db.exec(`INSERT INTO main.${table} SELECT * FROM part.${table}`);
    };
    seconds.push(await time(copy, 'cpu'));
    db.close();
  }
  return measure.of(min(seconds));
}

async function build(parts: readonly CorpusPart[], file: string): Promise<void> {
  rmSync(file, { force: true });
  const db = await openSqlite(file);
  await buildCorpus(db, { parts, pause: () => {} });
  db.close();
}

async function questions(bench: Bench, file: string): Promise<void> {
  const graph = await openHypergraph(file);
  const { patches } = graph.counts();
  const asked = Array.from({ length: QUESTIONS }, (_, i) => (i * 7919) % patches);
  const perQuestion: Measure = { unit: 'us/question', of: (seconds) => (seconds / QUESTIONS) * 1e6 };
  await bench.compare({
    case: 'a patch with its document',
    measure: perQuestion,
    run: () => asked.map((number) => graph.patch(number)),
  });
  await bench.compare({
    case: 'neighbours of a patch',
    measure: perQuestion,
    run: () => asked.map((number) => [...graph.neighbours({ patch: number })]),
  });
  graph.close();
}

/** The share of the pairs that comparing all with all gives, at the default settings. */
function recall(bench: Bench, values: readonly Patches[]): void {
  const dim = values[0]?.dim ?? 0;
  const rows = values.flatMap(({ embeddings }) => [embeddings]);
  const vectors = new Float32Array(COMPARED * dim);
  let at = 0;
  for (const row of rows) {
    const part = row.subarray(0, vectors.length - at);
    vectors.set(part, at);
    at += part.length;
  }
  const whitening = whiteningOf(vectors, dim);
  if (whitening !== undefined) whitenRows(vectors, dim, whitening);
  const request = { vectors, dim, threshold: 0.8, neighbours: 4, bits: 512 };
  const { earlier, later } = likePairs(request);
  const exact = bruteForce(vectors, dim, request);
  const found = [...later].filter((b, i) => exact.has((earlier[i] ?? 0) * COMPARED + b)).length;
  bench.report({ case: `pairs found among ${COMPARED} patches`, value: found / exact.size, unit: 'of all' });
}

function bruteForce(
  vectors: Float32Array,
  dim: number,
  { threshold, neighbours }: { threshold: number; neighbours: number },
): Set<number> {
  const unit = vectors.slice();
  for (let i = 0; i < COMPARED; i++) {
    const row = unit.subarray(i * dim, (i + 1) * dim);
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    for (let k = 0; k < dim; k++) row[k] = (row[k] ?? 0) / length;
  }
  const pairs: { cosine: number; a: number; b: number }[] = [];
  for (let b = 0; b < COMPARED; b++) {
    for (let a = 0; a < b; a++) {
      let cosine = 0;
      for (let k = 0, x = a * dim, y = b * dim; k < dim; k++) cosine += (unit[x + k] ?? 0) * (unit[y + k] ?? 0);
      if (cosine >= threshold) pairs.push({ cosine, a, b });
    }
  }
  pairs.sort((x, y) => y.cosine - x.cosine || x.b - y.b || x.a - y.a);
  const degrees = new Uint8Array(COMPARED);
  const chosen = new Set<number>();
  for (const { a, b } of pairs) {
    if ((degrees[a] ?? 0) >= neighbours || (degrees[b] ?? 0) >= neighbours) continue;
    degrees[a] = (degrees[a] ?? 0) + 1;
    degrees[b] = (degrees[b] ?? 0) + 1;
    chosen.add(a * COMPARED + b);
  }
  return chosen;
}
