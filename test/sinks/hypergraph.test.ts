import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeEdge, decodeNode, decodeVertices, type HypergraphNode } from '../../src/formats/hypergraphSchema.ts';
import type { Patches } from '../../src/records.ts';
import { Pool } from '../../src/run/pool.ts';
import { hypergraph } from '../../src/sinks/hypergraph.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { clusters } from '../support/graphs.ts';
import { loadPatches, loadSidecar } from './consumer.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, writeAll } from './flow.ts';

const three: Sketch[] = [
  { segments: [[3, 4], [2]] },
  { segments: [[]] },
  { segments: [[5, 6]], meta: { b: 2n ** 60n, a: 'x' } },
];

function openOnly(root: string, name: string): Database.Database {
  const db = new Database(path.join(root, 'shards', name), { readonly: true });
  onTestFinished(() => {
    db.close();
  });
  return db;
}

interface Row {
  id: number;
  data: Buffer;
  vertices: Buffer;
  metadata: string;
}

describe('hypergraph sink', () => {
  it('gives its consumer the prominence of every patch and the edges between neighbours of one document', async () => {
    const values = patchesOf(three);
    const { root } = await writeAll([safetensors(), hypergraph()], values);
    const file = path.join(root, 'shards', '00000-000000.safetensors');
    const { patches, prominence } = loadPatches((await filesOf(root)).get('00000-000000.safetensors') as Buffer);
    const graph = loadSidecar(file, patches);
    expect([...graph.prominence]).toEqual([...prominence].map((value, index) => [index, value]));
    expect(graph.edges).toEqual([
      { src: 0, dst: 1, weight: 1, label: 'next' },
      { src: 1, dst: 2, weight: 1, label: 'next' },
      { src: 3, dst: 4, weight: 1, label: 'next' },
    ]);
  });

  it('stores the tree of every document as nodes and edges in the order of the schema', async () => {
    const { root } = await writeAll([hypergraph()], patchesOf(three));
    const db = openOnly(root, '00000-000000.hypergraph.db');
    const nodes = db.prepare<[], Row>('SELECT id, data FROM nodes ORDER BY id').all();
    expect(nodes.map((row) => row.id)).toEqual(nodes.map((_, i) => i));
    const kinds = nodes.map((row) => describeNode(decodeNode(row.data)));
    expect(kinds).toEqual([
      'trunk 9',
      'branch part 0 text',
      'patch_0 0-3',
      'patch_1 3-7',
      'branch part 1 code',
      'patch_2 7-9',
      'trunk 0',
      'trunk 11',
      'branch part 0 text',
      'patch_0 0-5',
      'patch_1 5-11',
    ]);
    const edges = db.prepare<[], Row>('SELECT vertices, data FROM hyperedges ORDER BY id').all();
    for (const { vertices, data } of edges) expect(decodeEdge(data).vertices).toEqual(decodeVertices(vertices));
    expect(edges.map(({ data }) => `${decodeEdge(data).label} ${decodeEdge(data).vertices}`)).toEqual([
      'contains 0,1',
      'contains 1,2',
      'contains 1,3',
      'next 2,3',
      'contains 0,4',
      'contains 4,5',
      'next 3,5',
      'contains 7,8',
      'contains 8,9',
      'contains 8,10',
      'next 9,10',
    ]);
    const spheres = db.prepare('SELECT node_id, patch_idx FROM sphere_patches ORDER BY patch_idx').raw().all();
    expect(spheres).toEqual([2, 3, 5, 9, 10].map((node, patch) => [node, patch]));
  });

  it('tells the same about a node in JSON as in the blob', async () => {
    const { root } = await writeAll([hypergraph()], patchesOf(three));
    const rows = openOnly(root, '00000-000000.hypergraph.db')
      .prepare<[], Row>('SELECT data, metadata FROM nodes')
      .all();
    for (const { data, metadata } of rows) {
      const node = decodeNode(data);
      const json = JSON.parse(metadata);
      if (node.kind === 'trunk') expect(json).toEqual({ source_hash: node.sourceHash, total_bytes: node.totalBytes });
      if (node.kind === 'branch') expect(json).toEqual({ label: node.label, modality: node.modality });
      if (node.kind !== 'leaf') continue;
      const { startOffset, endOffset, confidence, extra } = node.metadata ?? {};
      expect(json).toEqual({
        label: node.label,
        metadata: { start_offset: startOffset, end_offset: endOffset, confidence, extra },
      });
    }
  });

  it('carries what the model said about a patch in its leaf', async () => {
    const [value] = patchesOf([{ segments: [[3, 4]] }]);
    const { root } = await writeAll([hypergraph()], value === undefined ? [] : [value]);
    const db = openOnly(root, '00000-000000.hypergraph.db');
    const blob = db.prepare<[], Buffer>('SELECT data FROM nodes WHERE id = 3').pluck().get() as Buffer;
    expect(decodeNode(blob)).toEqual({
      kind: 'leaf',
      label: 'patch_1',
      metadata: {
        startOffset: 3,
        endOffset: 7,
        confidence: 1,
        extra: {
          coherence_score: value?.coherence[1],
          mean_entropy: value?.entropy[1],
          patch_index: 1,
          patch_length: 4,
        },
      },
    });
  });

  it('lists documents and segments with their place in the shard and in the source', async () => {
    const values = patchesOf(three);
    const { root } = await writeAll([hypergraph()], values);
    const db = openOnly(root, '00000-000000.hypergraph.db').defaultSafeIntegers(false);
    const sha256 = (...bytes: Uint8Array[]) => createHash('sha256').update(Buffer.concat(bytes)).digest('hex');
    const [a, b, c, d] = values.map((value) => value.bytes) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const common = {
      part: 0,
      complete: 1,
      patches_before: 0,
      bytes_before: 0,
      row: null,
      member: null,
      byte: null,
      record_part: null,
      record: null,
      whole_sha256: null,
      modality: 'text',
    };
    expect(db.prepare('SELECT * FROM documents ORDER BY document').all()).toEqual([
      {
        ...common,
        document: 0,
        doc_id: 'doc-0',
        uri: 'in/0.txt',
        node_id: 0,
        first_patch: 0,
        patches: 3,
        first_byte: 0,
        bytes: 9,
        document_bytes: 9,
        sha256: sha256(a, b),
        content_sha256: sha256(a, b),
        ordinal: 0,
        line: 1,
        meta: '{"n":0}',
      },
      {
        ...common,
        document: 1,
        doc_id: 'doc-1',
        uri: 'in/1.txt',
        node_id: 6,
        first_patch: 3,
        patches: 0,
        first_byte: 9,
        bytes: 0,
        document_bytes: 0,
        sha256: sha256(c),
        content_sha256: sha256(c),
        ordinal: 1,
        line: 2,
        meta: '{"n":1}',
      },
      {
        ...common,
        document: 2,
        doc_id: 'doc-2',
        uri: 'in/2.txt',
        node_id: 7,
        first_patch: 3,
        patches: 2,
        first_byte: 9,
        bytes: 11,
        document_bytes: 11,
        sha256: sha256(d),
        content_sha256: sha256(d),
        ordinal: 2,
        line: 3,
        meta: '{"a":"x","b":1152921504606846976}',
      },
    ]);
    expect(
      db
        .prepare(
          'SELECT document, segment_index, node_id, label, modality, first_patch, patches, first_byte, bytes, start, segment_bytes, origin_start, origin_end, derived FROM segments',
        )
        .raw()
        .all(),
    ).toEqual([
      [0, 0, 1, 'part 0', 'text', 0, 2, 0, 7, 0, 7, 0, 7, null],
      [0, 1, 4, 'part 1', 'code', 2, 1, 7, 2, 0, 2, 7, 9, null],
      [2, 0, 8, 'part 0', 'text', 3, 2, 9, 11, 0, 11, 0, 11, null],
    ]);
    expect(db.prepare('SELECT key, value FROM meta ORDER BY key').raw().all()).toEqual([
      ['schema_version', '3'],
      ['shard', '0'],
      ['split', '00000'],
    ]);
  });

  it('goes on with a document that is larger than a shard: numbers, offsets and parts continue', async () => {
    const [value] = patchesOf([{ segments: [Array(400).fill(7)] }]);
    const { root, artefacts } = await writeAll(
      [hypergraph('shards', { shardBytes: 16_384 })],
      value === undefined ? [] : [value],
    );
    expect(artefacts.length).toBe(3);
    let patches = 0;
    artefacts.forEach((artefact, part) => {
      const db = openOnly(root, path.basename(artefact.path));
      const row = db.prepare<[], Record<string, number>>('SELECT * FROM documents').get() ?? {};
      expect(row).toMatchObject({ part, patches_before: patches, bytes_before: patches * 7, first_patch: 0 });
      expect(row.complete).toBe(part === 2 ? 1 : 0);
      const leaf = decodeNode(db.prepare<[], Buffer>('SELECT data FROM nodes WHERE id = 2').pluck().get() as Buffer);
      expect(describeNode(leaf)).toBe(`patch_${patches} ${patches * 7}-${patches * 7 + 7}`);
      patches += row.patches ?? 0;
    });
    expect(patches).toBe(400);
  });

  it('counts offsets of derived bytes within the segment, and says how they were derived', async () => {
    const { root } = await writeAll(
      [hypergraph()],
      patchesOf([{ segments: [[3], [4]], derived: 'utf-16le -> utf-8' }]),
    );
    const db = openOnly(root, '00000-000000.hypergraph.db');
    expect(db.prepare('SELECT sha256 FROM documents').pluck().all()).toEqual([null]);
    expect(db.prepare('SELECT derived FROM segments').pluck().all()).toEqual(Array(2).fill('utf-16le -> utf-8'));
    const leaf = decodeNode(db.prepare<[], Buffer>('SELECT data FROM nodes WHERE id = 4').pluck().get() as Buffer);
    expect(describeNode(leaf)).toBe('patch_1 0-4');
  });

  it('links the documents of one record: last patch of a view to the first of the next, and the trunks of all', async () => {
    const { root } = await writeAll(
      [hypergraph()],
      patchesOf([
        { segments: [[3, 4]], record: 'row-7' },
        { segments: [[1]] },
        { segments: [[]], record: 'row-7' },
        { segments: [[2]], record: 'row-10' },
        { segments: [[5, 6]], record: 'row-7' },
        { segments: [[9]], record: 'alone' },
        { segments: [[8]], record: 'row-10' },
      ]),
    );
    const db = openOnly(root, '00000-000000.hypergraph.db');
    expect(
      db
        .prepare("SELECT src_patch, dst_patch, weight FROM sphere_edges WHERE label = 'same_source' ORDER BY id")
        .raw()
        .all(),
    ).toEqual([
      [3, 7, 1],
      [1, 4, 1],
    ]);
    expect(db.prepare('SELECT record FROM documents ORDER BY document').pluck().all()).toEqual([
      'row-7',
      null,
      'row-7',
      'row-10',
      'row-7',
      'alone',
      'row-10',
    ]);
    const trunks = db.prepare<[], number>('SELECT node_id FROM documents ORDER BY document').pluck().all();
    const leaves = db.prepare<[], number>('SELECT node_id FROM sphere_patches ORDER BY patch_idx').pluck().all();
    const edges = db.prepare<[], Buffer>('SELECT data FROM hyperedges ORDER BY id').pluck().all().map(decodeEdge);
    // records in the order of their names
    expect(edges.filter(({ label }) => label === 'same_source').map(({ vertices }) => vertices)).toEqual([
      [leaves[3], leaves[7]],
      [trunks[3], trunks[6]],
      [leaves[1], leaves[4]],
      [trunks[0], trunks[2], trunks[4]],
    ]);
  });

  it('divides the edge over a record of very many views', async () => {
    const views = Array.from({ length: 2100 }, () => ({ segments: [[1]], record: 'book' }));
    const { root } = await writeAll([hypergraph()], patchesOf(views));
    const db = openOnly(root, '00000-000000.hypergraph.db');
    const trunks = db.prepare<[], number>('SELECT node_id FROM documents ORDER BY document').pluck().all();
    const edges = db.prepare<[], Buffer>('SELECT data FROM hyperedges ORDER BY id').pluck().all().map(decodeEdge);
    const over = edges.filter(({ label, vertices }) => label === 'same_source' && vertices.length > 2);
    expect(over.map(({ vertices }) => vertices)).toEqual([
      trunks.slice(0, 1024),
      trunks.slice(1023, 2047),
      trunks.slice(2046),
    ]);
    expect(db.prepare("SELECT count(*) FROM sphere_edges WHERE label = 'same_source'").pluck().get()).toBe(2099);
  });

  it('says the hash of a divided document so far, in each of its shards', async () => {
    const [value] = patchesOf([{ segments: [Array(400).fill(7)] }]);
    const { root, artefacts } = await writeAll(
      [hypergraph('shards', { shardBytes: 16_384 })],
      value === undefined ? [] : [value],
    );
    const hash = createHash('sha256');
    for (const [i, artefact] of artefacts.entries()) {
      const db = openOnly(root, path.basename(artefact.path));
      const row = db
        .prepare<[], { bytes: number; bytes_before: number; whole_sha256: string }>('SELECT * FROM documents')
        .get();
      const { bytes = 0, bytes_before: before = 0, whole_sha256: whole } = row ?? {};
      hash.update(value?.bytes.subarray(before, before + bytes) ?? '');
      expect(whole).toBe(i === 0 ? null : hash.copy().digest('hex'));
    }
    expect(artefacts.length).toBe(3);
  });

  describe('with semantic edges', () => {
    const dim = 8;
    const values = (documents: number, patches: number): Patches[] => {
      const next = clusters(3, 7, dim);
      return patchesOf(
        Array.from({ length: documents }, () => ({ segments: [Array(patches).fill(4)] })),
        dim,
      ).map((value) => ({
        ...value,
        embeddings: Float32Array.from(Array.from({ length: patches }, () => [...next()]).flat()),
      }));
    };

    it('gives its consumer pairs of alike patches, each in a bounded number, none where order links them', async () => {
      const flow = values(20, 30);
      const { root } = await writeAll([safetensors(), hypergraph('shards', { semantic: { neighbours: 3 } })], flow);
      const graph = loadSidecar(path.join(root, 'shards', '00000-000000.safetensors'), 600);
      const semantic = graph.edges.filter(({ label }) => label === 'semantic');
      expect(semantic.length).toBeGreaterThan(600);
      const degrees = new Uint8Array(600);
      for (const { src, dst, weight } of semantic) {
        expect(weight).toBeGreaterThanOrEqual(Math.fround(0.8));
        expect(weight).toBeLessThanOrEqual(1);
        expect(src).toBeLessThan(dst);
        // clusters come in turn, so that neighbours are of different ones
        expect((dst - src) % 7).toBe(0);
        degrees[src]!++;
        degrees[dst]!++;
      }
      expect(Math.max(...degrees)).toBe(3);
      const db = openOnly(root, '00000-000000.hypergraph.db');
      const leaves = db.prepare<[], number>('SELECT node_id FROM sphere_patches ORDER BY patch_idx').pluck().all();
      const edges = db.prepare<[], Buffer>('SELECT data FROM hyperedges ORDER BY id').pluck().all().map(decodeEdge);
      expect(edges.filter(({ label }) => label === 'semantic')).toEqual(
        semantic.map(({ src, dst, weight, label }) => ({ vertices: [leaves[src], leaves[dst]], label, weight })),
      );
    });

    it('never links a patch to the next of its document, and does to the first of the next document', async () => {
      const same = Float32Array.from(Array(6).fill([1, 2, 3, 4]).flat());
      const flow = patchesOf([{ segments: [[4, 4, 4]] }, { segments: [[4, 4, 4]] }]).map((value) => ({
        ...value,
        embeddings: same.slice(0, 12),
      }));
      const { root } = await writeAll([hypergraph('shards', { semantic: { neighbours: 32 } })], flow);
      const pairs = openOnly(root, '00000-000000.hypergraph.db')
        .prepare("SELECT src_patch, dst_patch FROM sphere_edges WHERE label = 'semantic'")
        .raw()
        .all();
      expect(pairs).toContainEqual([2, 3]);
      expect(pairs.length).toBe(15 - 4);
      for (const pair of [
        [0, 1],
        [1, 2],
        [3, 4],
        [4, 5],
      ])
        expect(pairs).not.toContainEqual(pair);
    });

    it('writes the same bytes however the flow is divided', async () => {
      const flow = values(10, 20);
      const sink = hypergraph('shards', { semantic: true, shardBytes: 8192 });
      const [whole, pieces] = [await writeAll([sink], flow), await writeAll([sink], divided(flow, [1, 3, 2]))];
      expect(await filesOf(pieces.root)).toEqual(await filesOf(whole.root));
      expect((await filesOf(whole.root)).size).toBeGreaterThan(2);
    });

    it('fails where patches have no embeddings, or some that are not finite', async () => {
      const [value] = values(1, 5);
      const flow = (embeddings: Float32Array, width: number) =>
        value === undefined ? [] : [{ ...value, embeddings, dim: width }];
      const write = (patches: Patches[]) => writeAll([hypergraph('shards', { semantic: true })], patches);
      await expect(write(flow(new Float32Array(0), 0))).rejects.toMatchObject({ code: 'NO_EMBEDDINGS' });
      await expect(write(flow(new Float32Array(5).fill(Number.NaN), 1))).rejects.toMatchObject({ code: 'BAD_VECTOR' });
    });
  });

  it.each([
    [{ semantic: { threshold: 1 } }, 'BAD_THRESHOLD'],
    [{ semantic: { documents: { threshold: 0 } } }, 'BAD_THRESHOLD'],
    [{ semantic: { neighbours: 33 } }, 'BAD_OPTION'],
    [{ semantic: { bits: 100 } }, 'BAD_OPTION'],
    [{ semantic: { space: 'curved' as 'plain' } }, 'BAD_OPTION'],
    [{ into: 'a/b.db' }, 'BAD_NAME'],
  ])('refuses %j', (options, code) => {
    expect(() => hypergraph('shards', options)).toThrow(expect.objectContaining({ code }));
  });

  it('writes the same bytes however the flow is divided, and whichever thread builds the file', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const pools = [new Pool({ threads: 1 }), new Pool({ threads: 1 })];
    onTestFinished(async () => {
      for (const pool of pools) await pool.close();
    });
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300 }), at, async (documents, cuts) => {
        const values = patchesOf(documents);
        const [whole, pieces] = await Promise.all([
          writeAll([hypergraph('shards', { shardBytes: 8192, pool: pools[0] })], values),
          writeAll([hypergraph('shards', { shardBytes: 8192, pool: pools[1] })], divided(values, cuts)),
        ]);
        expect(await filesOf(pieces.root)).toEqual(await filesOf(whole.root));
      }),
      { numRuns: 8 },
    );
  });

  it('leaves neither journal nor temporary file behind', async () => {
    const root = await temporaryFolder();
    await writeAll([hypergraph()], patchesOf(three), root);
    expect([...(await filesOf(root)).keys()]).toEqual(['00000-000000.hypergraph.db']);
    expect(await readdir(root)).toEqual(['shards']);
  });

  it('fails with an error of the output where the file cannot be made', async () => {
    const sink = hypergraph();
    const file = {
      temporary: await temporaryFolder(),
      write: async () => {},
      publish: async () => Promise.reject(new Error('published')),
    };
    const writer = await sink.open({ split: { id: '00000', bytes: 0, spec: null }, file: async () => file });
    for (const value of patchesOf(three)) await writer.write(value);
    await expect(writer.finish()).rejects.toMatchObject({ name: 'OutputError', code: 'SQLITE_CANTOPEN' });
  });
});

function describeNode(node: HypergraphNode): string {
  if (node.kind === 'trunk') return `trunk ${node.totalBytes}`;
  if (node.kind === 'branch') return `branch ${node.label} ${node.modality}`;
  return `${node.label} ${node.metadata?.startOffset}-${node.metadata?.endOffset}`;
}
