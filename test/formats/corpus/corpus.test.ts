import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline, type RunEvent, run } from 'sluice';
import { describe, expect, it } from 'vitest';
import { buildCorpus } from '../../../src/formats/corpus/corpusGraph.ts';
import type { CorpusPart } from '../../../src/formats/corpus/sidecarFile.ts';
import { decodeEdge } from '../../../src/formats/hypergraphSchema.ts';
import { openSqlite } from '../../../src/formats/sqlite.ts';
import { hypergraph } from '../../../src/sinks/hypergraph.ts';
import { patchesOf, type Sketch, temporaryFolder, writeAll } from '../../sinks/flow.ts';
import { clusters, opened, rowsOf, runGraph, sketched } from '../../support/graphs.ts';
import { hashTree } from '../../support/tree.ts';

const tables = ['nodes', 'hyperedges', 'sphere_patches', 'sphere_edges', 'documents', 'segments'];

/** Documents of which some are views of one record, and some larger than the shards below. */
const viewed = fc.array(
  fc.record(
    {
      segments: fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 }), { minLength: 1, maxLength: 3 }),
      record: fc.constantFrom('a', 'b', 'ä', '\u{1f600}'),
      derived: fc.constant('utf-16le -> utf-8'),
    },
    { requiredKeys: ['segments'] },
  ),
  { maxLength: 12 },
);

const partsOf = (root: string, split: string, names: readonly string[]): CorpusPart[] =>
  names.map((name, shard) => ({ file: path.join(root, name), path: name, split, shard }));

/** The corpus of documents that are cut into shards of 4 KiB. */
async function corpusOf(splits: readonly (readonly Sketch[])[]) {
  const root = await temporaryFolder();
  const parts: CorpusPart[] = [];
  for (const [i, documents] of splits.entries()) {
    const id = String(i).padStart(5, '0');
    const sink = hypergraph('shards', { shardBytes: 4096 });
    const { artefacts } = await writeAll([sink], patchesOf(documents), root, id);
    parts.push(
      ...partsOf(
        root,
        id,
        artefacts.map((artefact) => artefact.path),
      ),
    );
  }
  const db = await openSqlite(path.join(root, 'corpus.db'));
  const counts = await buildCorpus(db, { parts, pause: () => {} });
  db.close();
  return { parts, counts, db: opened(root, 'corpus.db') };
}

describe('the database of a whole run', () => {
  it('has the rows that a sidecar has where one shard holds everything', async () => {
    await fc.assert(
      fc.asyncProperty(viewed, async (documents) => {
        const { db } = await corpusOf([documents]);
        const { root, artefacts } = await writeAll([hypergraph()], patchesOf(documents));
        if (artefacts.length === 0) return;
        const whole = opened(root, artefacts[0]?.path ?? '');
        for (const table of tables) expect(rowsOf(db, table), table).toEqual(rowsOf(whole, table));
      }),
      { numRuns: 20 },
    );
  });

  it('puts splits one behind the other, and keeps records of different splits apart', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(viewed, { minLength: 2, maxLength: 3 }), async (splits) => {
        const { db, counts } = await corpusOf(splits);
        const before = { documents: 0, segments: 0, patches: 0, bytes: 0, nodes: 0, hyperedges: 0, sphere_edges: 0 };
        const sameSource: unknown[] = [];
        for (const documents of splits) {
          const { root, artefacts } = await writeAll([hypergraph()], patchesOf(documents));
          if (artefacts.length === 0) continue;
          const whole = opened(root, artefacts[0]?.path ?? '');
          for (const { data } of whole.prepare<[], { data: Buffer }>('SELECT data FROM hyperedges').iterate()) {
            const { vertices, label } = decodeEdge(data);
            if (label === 'same_source') sameSource.push(vertices.map((vertex) => vertex + before.nodes).join());
          }
          const rows = rowsOf(whole, 'sphere_patches') as [number, number, number][];
          const there = db
            .prepare('SELECT * FROM sphere_patches WHERE patch_idx >= ? ORDER BY 1 LIMIT ?')
            .raw()
            .all(before.patches, rows.length);
          expect(there).toEqual(rows.map(([node, patch, p]) => [node + before.nodes, patch + before.patches, p]));
          before.patches += rows.length;
          before.nodes += rowsOf(whole, 'nodes').length;
          before.documents += rowsOf(whole, 'documents').length;
        }
        expect(counts).toMatchObject({ documents: before.documents, patches: before.patches, nodes: before.nodes });
        const edges = (rowsOf(db, 'hyperedges') as [number, Buffer, Buffer][]).map(([, , data]) => decodeEdge(data));
        const found = edges.filter(({ label }) => label === 'same_source').map(({ vertices }) => vertices.join());
        expect(found.sort()).toEqual(sameSource.sort());
        expect(edges.length).toBe(counts.hyperedges);
      }),
      { numRuns: 10 },
    );
  });

  it('says which shard holds which part of it', async () => {
    const long = { segments: [Array(200).fill(9)] };
    const { db, parts } = await corpusOf([[{ segments: [[1, 2]] }, long], [{ segments: [[]] }]]);
    const shards = db.prepare<[], Record<string, number | string>>('SELECT * FROM shards ORDER BY shard').all();
    expect(shards.map((row) => row.path)).toEqual(parts.map((part) => part.path));
    let [patches, bytes] = [0, 0];
    for (const [i, row] of shards.entries()) {
      expect(row).toMatchObject({ shard: i, first_patch: patches, first_byte: bytes });
      patches += Number(row.patches);
      bytes += Number(row.bytes);
    }
    expect([patches, bytes]).toEqual([202, 1803]);
    // the long one goes on through all shards behind the one that it begins in
    expect(shards.map((row) => row.first_document)).toEqual([0, ...shards.slice(2).map(() => 1), 2]);
    expect(db.prepare('SELECT doc_id, part, complete, patches, bytes FROM documents').raw().all()).toEqual([
      ['doc-0', 0, 1, 2, 3],
      ['doc-1', 0, 1, 200, 1800],
      ['doc-0', 0, 1, 0, 0],
    ]);
  });

  it('is the same file however many workers make it, and made again', async () => {
    const splits = [0, 1, 2].map((seed) =>
      Array.from({ length: 9 }, (_, i) => ({ segments: [Array(20 + 7 * i + seed).fill(3)], record: `r${i % 4}` })),
    );
    const options = { shardBytes: 8192, semantic: true, into: 'graph.db' };
    const outputs = [];
    for (const workers of [1, 2, 2]) {
      outputs.push(await runGraph(sketched(splits, 8, undefined), options, workers));
    }
    const [first, ...others] = await Promise.all(outputs.map((output) => hashTree(output)));
    expect(Object.keys(first ?? {}).filter((file) => file.endsWith('.hypergraph.db')).length).toBeGreaterThan(10);
    expect(first).toHaveProperty(['graph.db']);
    for (const other of others) expect(other).toEqual(first);
  });

  it('is made anew where it is gone, and where the run was interrupted', async () => {
    const source = sketched([[{ segments: [[3, 4]] }], [{ segments: [[5]] }]]);
    const output = path.join(await temporaryFolder(), 'out');
    const pipeline = definePipeline('graph', source)
      .pipe(map((patches) => patches))
      .to(hypergraph('shards', { into: 'graph.db' }));
    const interrupted = new AbortController();
    const onEvent = ({ type }: RunEvent): void => {
      if (type === 'stage') interrupted.abort(new Error('enough'));
    };
    await expect(run(pipeline, { output, onEvent, signal: interrupted.signal })).rejects.toThrow('enough');
    expect(await readdir(output)).not.toContain('graph.db');
    await run(pipeline, { output });
    const first = await hashTree(output);
    await rm(path.join(output, 'graph.db'));
    await rm(path.join(output, 'commits/shards/corpus-0.json'));
    await run(pipeline, { output });
    expect(await hashTree(output)).toEqual(first);
  });

  it('stops midway where nobody waits any more', async () => {
    const { parts } = await corpusOf([[{ segments: [Array(300).fill(9)] }]]);
    let left = 2;
    const pause = (): void => {
      if (left-- === 0) throw new Error('nobody waits');
    };
    const db = await openSqlite(':memory:');
    await expect(buildCorpus(db, { parts, pause })).rejects.toThrow('nobody waits');
    db.close();
  });

  it('is refused where a sidecar is none, or does not go on where the one before ends', async () => {
    const { parts } = await corpusOf([[{ segments: [Array(300).fill(9)] }]]);
    const build = async (some: readonly CorpusPart[]) => {
      const db = await openSqlite(':memory:');
      try {
        return await buildCorpus(db, { parts: some, pause: () => {} });
      } finally {
        db.close();
      }
    };
    await expect(build(parts.slice(1))).rejects.toMatchObject({
      code: 'BAD_SIDECAR',
      path: parts[1]?.file,
      message: expect.stringContaining("goes on with document 'doc-0'"),
    });
    const file = path.join(await temporaryFolder(), 'old.db');
    const old = await openSqlite(file);
    old.exec("CREATE TABLE meta(key TEXT, value TEXT); INSERT INTO meta VALUES ('schema_version', '2')");
    old.close();
    await expect(build([{ file, path: 'old.db', split: '00000', shard: 0 }])).rejects.toMatchObject({
      code: 'BAD_SIDECAR',
      message: expect.stringContaining("schema version '2'"),
    });
  });

  it('is made of nothing where the run has no patches', async () => {
    const output = await runGraph(sketched([[], []]), { into: 'graph.db', semantic: true });
    expect((await readdir(output)).sort()).toEqual(['commits', 'graph.db', 'manifest.json', 'plan.json']);
    const db = opened(output, 'graph.db');
    for (const table of tables) expect(rowsOf(db, table)).toEqual([]);
  });
});

describe('semantic edges of a whole run', () => {
  const splits = [0, 1].map(() => Array.from({ length: 30 }, () => ({ segments: [Array(12).fill(4)] })));
  const options = { shardBytes: 16_384, semantic: { threshold: 0.7, neighbours: 3 }, into: 'graph.db' };

  it('are those of its shards, with numbers of the run', async () => {
    const output = await runGraph(sketched(splits, 8, clusters(1, 5, 8)), options, 1);
    const db = opened(output, 'graph.db');
    const expected: unknown[] = [];
    for (const [, file, , , , firstPatch] of rowsOf(db, 'shards') as [
      number,
      string,
      string,
      number,
      number,
      number,
    ][]) {
      const edges = opened(output, file).prepare<[], [number, number, number]>(
        "SELECT src_patch, dst_patch, weight FROM sphere_edges WHERE label = 'semantic' ORDER BY id",
      );
      for (const [from, to, weight] of edges.raw().all()) expected.push([from + firstPatch, to + firstPatch, weight]);
    }
    expect(expected.length).toBeGreaterThan(300);
    const found = db.prepare(
      "SELECT src_patch, dst_patch, weight FROM sphere_edges WHERE label = 'semantic' ORDER BY id",
    );
    expect(found.raw().all()).toEqual(expected);
  });

  it('link documents by the mean of their states, each to a bounded number of others, in both directions', async () => {
    const documents = [0, 1].map(() => Array.from({ length: 60 }, () => ({ segments: [[5]] })));
    const semantic = { documents: { threshold: 0.9, neighbours: 2 } };
    const output = await runGraph(sketched(documents, 8, clusters(2, 6, 8, 0.05)), { ...options, semantic }, 1);
    const db = opened(output, 'graph.db');
    const rows = rowsOf(db, 'document_edges') as [number, number, string, number][];
    const edges = new Map(rows.map(([a, b, label, weight]) => [`${a} ${b} ${label}`, weight]));
    const degrees = new Map<number, number>();
    expect(rows.length).toBeGreaterThan(150);
    for (const [a, b, label, weight] of rows) {
      expect(edges.get(`${b} ${a} ${label}`)).toBe(weight);
      expect(weight).toBeGreaterThanOrEqual(Math.fround(0.9));
      // of one cluster: every sixth
      expect(Math.abs(a - b) % 6).toBe(0);
      degrees.set(a, (degrees.get(a) ?? 0) + 1);
    }
    expect(Math.max(...degrees.values())).toBe(2);
    expect(rows.some(([a, b]) => a < 60 && b >= 60)).toBe(true);
    const trunks = db.prepare<[], number>('SELECT node_id FROM documents ORDER BY document').pluck().all();
    const hyperedges = (rowsOf(db, 'hyperedges') as [number, Buffer, Buffer][])
      .map(([, , data]) => decodeEdge(data))
      .filter(({ label, vertices }) => label === 'semantic' && trunks.includes(vertices[0] ?? -1));
    expect(hyperedges.map(({ vertices, weight }) => `${vertices} ${weight}`)).toEqual(
      rows
        .filter(([a, b]) => a < b)
        .sort(([a, b], [c, d]) => b - d || a - c)
        .map(([a, b, , weight]) => `${trunks[a]},${trunks[b]} ${weight}`),
    );
  });

  it('compare a document with its block and the one before, and none further back', async () => {
    const root = await temporaryFolder();
    const documents = Array.from({ length: 40 }, () => ({ segments: [[5]] }));
    const values = patchesOf(documents, 8).map((value) => ({
      ...value,
      embeddings: Float32Array.from([9, 1, 2, 0, 0, 3, 1, 1]),
    }));
    const semantic = { space: 'plain', documents: { neighbours: 3 } } as const;
    const { artefacts } = await writeAll([hypergraph('shards', { semantic, into: 'graph.db' })], values, root);
    const parts = partsOf(
      root,
      '00000',
      artefacts.map((artefact) => artefact.path),
    );
    const db = await openSqlite(':memory:');
    await buildCorpus(db, { parts, pause: () => {}, block: 10 });
    const rows = rowsOf(db, 'document_edges') as [number, number][];
    const block = (document: number): number => Math.floor(document / 10);
    expect(rows.length).toBeGreaterThan(60);
    expect(rows.every(([a, b]) => Math.abs(block(a) - block(b)) <= 1)).toBe(true);
    expect(rows.some(([a, b]) => block(a) < block(b))).toBe(true);
    db.close();
  });
});
