import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeGraphJson } from '../../src/formats/graphJson.ts';
import {
  decodeEdge,
  decodeNode,
  encodeEdge,
  encodeNode,
  encodeVertices,
  type HypergraphNode,
} from '../../src/formats/hypergraphSchema.ts';
import { hypergraph } from '../../src/sinks/hypergraph.ts';
import { patchesOf, sketches, temporaryFolder, writeAll } from '../sinks/flow.ts';

async function graphOf(file: string): Promise<{ text: string; pieces: number }> {
  const pieces: Buffer[] = [];
  await writeGraphJson(file, {
    write: async (chunk) => {
      pieces.push(Buffer.from(chunk));
    },
  });
  return { text: Buffer.concat(pieces).toString(), pieces: pieces.length };
}

describe('a graph as JSON', () => {
  it('has nodes under their kind, edges by label and weight, and the nodes of every edge', async () => {
    const { root } = await writeAll([hypergraph()], patchesOf([{ segments: [[3, 4]] }]));
    const { text } = await graphOf(path.join(root, 'shards/00000-000000.hypergraph.db'));
    const leaf = (patch: number, start: number, end: number): string =>
      `{"Leaf":{"label":"patch_${patch}","metadata":{"start_offset":${start},"end_offset":${end},"confidence":1,"extra":{"coherence_score":_,"mean_entropy":_,"patch_index":${patch},"patch_length":${end - start}}}}}`;
    expect(text.replace(/[0-9a-f]{64}/, 'HASH').replace(/("(coherence_score|mean_entropy)":)[0-9.]+/g, '$1_')).toBe(
      [
        '{"nodes":[',
        '{"Trunk":{"source_hash":"HASH","total_bytes":7}},',
        '{"Branch":{"label":"part 0","modality":"text"}},',
        `${leaf(0, 0, 3)},`,
        leaf(1, 3, 7),
        '],',
        '"edges":[',
        '{"label":"contains","weight":1},',
        '{"label":"contains","weight":1},',
        '{"label":"contains","weight":1},',
        '{"label":"next","weight":1}',
        '],',
        '"topology":{"edges":[',
        '[0,[0,1]],',
        '[1,[1,2]],',
        '[2,[1,3]],',
        '[3,[2,3]]',
        ']},',
        '"sharding":null,',
        '"replication":null}',
        '',
      ].join('\n'),
    );
  });

  it('says what the blobs of any sidecar say', async () => {
    await fc.assert(
      fc.asyncProperty(sketches({ maxPatches: 300 }), async (documents) => {
        const { root, artefacts } = await writeAll([hypergraph()], patchesOf(documents));
        if (artefacts.length === 0) return;
        const file = path.join(root, 'shards/00000-000000.hypergraph.db');
        const graph = JSON.parse((await graphOf(file)).text);
        const db = new Database(file, { readonly: true });
        const nodes = db.prepare<[], Buffer>('SELECT data FROM nodes ORDER BY id').pluck().all().map(decodeNode);
        const edges = db.prepare<[], Buffer>('SELECT data FROM hyperedges ORDER BY id').pluck().all().map(decodeEdge);
        db.close();
        expect(graph.nodes.map((node: object) => Object.keys(node))).toEqual(
          nodes.map(({ kind }) => [kind[0]?.toUpperCase() + kind.slice(1)]),
        );
        expect(graph.topology.edges).toEqual(edges.map(({ vertices }, i) => [i, vertices]));
        expect(graph.edges).toEqual(edges.map(({ label, weight }) => ({ label, weight })));
      }),
      { numRuns: 10 },
    );
  });

  it('is written from sidecars of schema 2, which count nodes from 1 and have no JSON of their own', async () => {
    const file = path.join(await temporaryFolder(), 'old.hypergraph.db');
    const db = new Database(file);
    db.exec(`CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
      CREATE TABLE nodes(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
      CREATE TABLE hyperedges(id INTEGER PRIMARY KEY, vertices BLOB NOT NULL, data BLOB NOT NULL);
      INSERT INTO meta VALUES ('schema_version', '2'), ('sharding_info', '{"axis": 1}');`);
    const nodes: HypergraphNode[] = [
      { kind: 'trunk', sourceHash: 'openai/gdpval:item_0', totalBytes: 0 },
      { kind: 'leaf', label: 'char', metadata: { startOffset: 0, endOffset: 1, confidence: 1, extra: { char: 'T' } } },
      { kind: 'leaf', metadata: { startOffset: 0, endOffset: 1, confidence: 0.5 } },
      { kind: 'leaf' },
    ];
    for (const node of nodes) db.prepare('INSERT INTO nodes(data) VALUES (?)').run(encodeNode(node));
    const edge = { vertices: [0, 1, 2], label: 'same_source', weight: Math.fround(0.8) };
    db.prepare('INSERT INTO hyperedges VALUES (1, ?, ?)').run(encodeVertices(edge.vertices), encodeEdge(edge));
    db.close();
    expect(JSON.parse((await graphOf(file)).text)).toEqual({
      nodes: [
        { Trunk: { source_hash: 'openai/gdpval:item_0', total_bytes: 0 } },
        {
          Leaf: {
            label: 'char',
            metadata: { start_offset: 0, end_offset: 1, confidence: 1, extra: { char: 'T' } },
          },
        },
        { Leaf: { label: null, metadata: { start_offset: 0, end_offset: 1, confidence: 0.5, extra: null } } },
        { Leaf: { label: null, metadata: null } },
      ],
      edges: [{ label: 'same_source', weight: 0.8 }],
      topology: { edges: [[0, [0, 1, 2]]] },
      sharding: { axis: 1 },
      replication: null,
    });
  });

  it('leaves in pieces, and waits for whoever takes them', async () => {
    const { root } = await writeAll([hypergraph()], patchesOf([{ segments: [Array(4000).fill(1)] }]));
    const file = path.join(root, 'shards/00000-000000.hypergraph.db');
    let inHand = 0;
    let largest = 0;
    let pieces = 0;
    await writeGraphJson(file, {
      write: async (chunk) => {
        expect(++inHand).toBe(1);
        await new Promise(setImmediate);
        largest = Math.max(largest, chunk.length);
        pieces++;
        inHand--;
      },
    });
    expect(pieces).toBeGreaterThan(3);
    expect(largest).toBeLessThan(300_000);
  });

  it('is refused for what is no hypergraph, with the file and what to do', async () => {
    const folder = await temporaryFolder();
    const other = path.join(folder, 'other.db');
    const db = new Database(other);
    db.exec('CREATE TABLE t(x)');
    db.close();
    await expect(graphOf(other)).rejects.toMatchObject({ code: 'BAD_SIDECAR', path: other, hint: expect.any(String) });
    const text = path.join(folder, 'text.db');
    await writeFile(text, 'no database at all, but long enough to have a header'.repeat(40));
    await expect(graphOf(text)).rejects.toMatchObject({ code: 'SQLITE_NOTADB', path: text });
    const none = path.join(folder, 'none.db');
    await expect(graphOf(none)).rejects.toMatchObject({ code: 'SQLITE_CANTOPEN', path: none });
  });
});
