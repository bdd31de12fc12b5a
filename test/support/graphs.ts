import path from 'node:path';
import Database from 'better-sqlite3';
import { map } from 'rxjs';
import { definePipeline, type Patches, run, type Source } from 'sluice';
import { pull } from 'sluice/flow';
import { onTestFinished } from 'vitest';
import { type HypergraphOptions, hypergraph } from '../../src/sinks/hypergraph.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { randomNormals, randomVector } from '../lsh/vectors.ts';
import { patchesOf, type Sketch, temporaryFolder } from '../sinks/flow.ts';

/** Splits of sketched documents, as patches; `vectors` gives them embeddings of its own. */
export function sketched(
  splits: readonly (readonly Sketch[])[],
  dim = 4,
  vectors?: () => Float32Array,
): Source<Patches> {
  return {
    kind: 'sketched',
    options: { dim },
    async *splits() {
      for (const [i] of splits.entries()) yield { bytes: 1, spec: i };
    },
    read: (split) =>
      pull(function* () {
        const named = (splits[Number(split.spec)] ?? []).map((sketch, i) => ({ id: `${split.id}-${i}`, ...sketch }));
        yield patchesOf(named, dim).map((value) => {
          if (vectors === undefined) return value;
          const embeddings = new Float32Array(value.lengths.length * dim);
          for (let at = 0; at < embeddings.length; at += dim) embeddings.set(vectors(), at);
          return { ...value, embeddings };
        });
      }),
  };
}

/** Vectors about some centres, of which one after the other is the next; the same for the same seed. */
export function clusters(seed: number, centres: number, dim: number, noise = 0.2): () => Float32Array {
  const normal = randomNormals(seed);
  const middles = Array.from({ length: centres }, () => randomVector(normal, dim));
  let next = 0;
  return () => (middles[next++ % centres] ?? new Float32Array(dim)).map((x) => x + noise * normal());
}

/** Runs a source of patches into files of patches and a graph; gives the output folder. */
export async function runGraph(source: Source<Patches>, options: HypergraphOptions = {}, workers = 2): Promise<string> {
  const output = path.join(await temporaryFolder(), 'out');
  const { shardBytes } = options;
  const pipeline = definePipeline('graph', source)
    .pipe(map((patches) => patches))
    .to(safetensors('shards', { shardBytes }), hypergraph('shards', options));
  await run(pipeline, { output, workers });
  return output;
}

/** Opens a database for reading until the test ends. */
export function opened(...file: string[]): Database.Database {
  const db = new Database(path.join(...file), { readonly: true });
  onTestFinished(() => {
    db.close();
  });
  return db;
}

/** All rows of a table, by its first column. */
export function rowsOf(db: Database.Database, table: string): unknown[][] {
  return db.prepare<[], unknown[]>(`SELECT * FROM ${table} ORDER BY 1, 2`).raw().all();
}
