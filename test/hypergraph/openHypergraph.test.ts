import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import { type Hypergraph, type Neighbour, openHypergraph } from 'sluice/hypergraph';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { patchesOf, type Sketch, temporaryFolder } from '../sinks/flow.ts';
import { clusters, runGraph, sketched } from '../support/graphs.ts';

const DIM = 8;
const documents: Sketch[] = [
  { segments: [[3, 4], [2]], record: 'row' },
  { segments: [[]] },
  { segments: [Array(150).fill(7), [5, 5]] },
  { segments: [[6, 6, 6]], record: 'row' },
  { segments: [[1, 2]], derived: 'utf-16le -> utf-8', meta: { big: 2n ** 60n } },
];
const splits: Sketch[][] = [documents, [...documents.slice(2), { segments: [Array(20).fill(3)] }]];
const sizes = splits.map((list) => patchesOf(list, DIM).reduce((sum, { lengths }) => sum + lengths.length, 0));

let output: string;
let sidecarsOnly: string;
beforeAll(async () => {
  const options = { shardBytes: 8192, semantic: { threshold: 0.7, documents: { threshold: 0.2 } } };
  output = await runGraph(sketched(splits, DIM, clusters(1, 5, DIM)), { ...options, into: 'graph.db' }, 1);
  sidecarsOnly = await runGraph(sketched(splits, DIM, clusters(1, 5, DIM)), options, 1);
});
afterAll(async () => {
  for (const root of [output, sidecarsOnly]) await rm(path.dirname(root), { recursive: true, force: true });
});

async function open(...where: string[]): Promise<Hypergraph> {
  const graph = await openHypergraph(path.join(...where));
  onTestFinished(() => graph.close());
  return graph;
}

/** Everything but the numbers, which differ where a divided document has several trunks. */
const contentOf = (graph: Hypergraph) =>
  [...graph.documents()].map(({ document: _, node: __, ...document }) => ({
    ...document,
    held: [...graph.patches(document.id, { bytes: true, embeddings: true })].map(
      ({ node: ___, document: ____, ...patch }) => patch,
    ),
  }));

describe('a graph of a whole run', () => {
  it('yields documents in order, with the patches and bytes that went in', async () => {
    const graph = await open(output);
    expect(graph.files).toEqual([path.join(output, 'graph.db')]);
    const wanted = splits.flatMap((list, split) =>
      list.map((sketch, i) => ({
        sketch,
        id: `0000${split}-${i}`,
        values: patchesOf(list, DIM).filter((value) => value.segment.document.id === `doc-${i}`),
      })),
    );
    const found = [...graph.documents()];
    expect(found.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
    expect(found.map(({ document }) => document)).toEqual(found.map((_, i) => i));
    let patch = 0;
    for (const [i, document] of found.entries()) {
      const { sketch, values } = wanted[i] as (typeof wanted)[number];
      expect(document).toMatchObject({ record: sketch.record ?? null, firstPatch: patch, complete: true, part: 0 });
      const patches = [...graph.patches(document, { bytes: true })];
      expect(patches.map((one) => one.patch)).toEqual(patches.map((_, at) => patch + at));
      expect(patches.map((one) => one.index)).toEqual(patches.map((_, at) => at));
      expect(patches.map((one) => one.length)).toEqual(values.flatMap(({ lengths }) => [...lengths]));
      expect(Buffer.concat(patches.map((one) => one.bytes ?? new Uint8Array(0)))).toEqual(
        Buffer.concat(values.map(({ bytes }) => bytes)),
      );
      const dims = [...graph.patches(document, { embeddings: true })].map(({ embedding }) => embedding?.length);
      expect(dims).toEqual(patches.map(() => DIM));
      expect(patches.map((one) => one.prominence)).toEqual(values.flatMap(({ prominence }) => [...prominence]));
      expect(patches.map((one) => one.entropy)).toEqual(values.flatMap(({ entropy }) => [...entropy]));
      expect(patches.map((one) => `${one.label} ${one.modality}`)).toEqual(
        values.flatMap(({ segment, lengths }) => [...lengths].map(() => `${segment.label} ${segment.modality}`)),
      );
      patch += patches.length;
    }
    expect(patch).toBe(sizes[0]! + sizes[1]!);
  });

  it('is the same graph as that of the sidecars, read one behind the other', async () => {
    const [whole, parts] = [await open(output), await open(sidecarsOnly)];
    expect(parts.files.length).toBeGreaterThan(5);
    expect(contentOf(parts)).toEqual(contentOf(whole));
    expect(parts.counts().patches).toBe(whole.counts().patches);
  });

  it('finds documents by id and number, and those of a patch', async () => {
    for (const graph of [await open(output), await open(sidecarsOnly)]) {
      for (const document of graph.documents()) {
        expect(graph.document(document.id)).toEqual(document);
        expect(graph.document(document.document)).toEqual(document);
        for (const patch of graph.patches(document)) {
          expect(graph.documentOf(patch.patch)).toEqual(document);
          expect(graph.patch(patch.patch)).toEqual(patch);
        }
      }
      expect(graph.document('no such')).toBeUndefined();
      expect(graph.document(-1)).toBeUndefined();
      expect(graph.patch(1e9)).toBeUndefined();
      expect(() => graph.patches('no such')).toThrow(expect.objectContaining({ code: 'NO_DOCUMENT' }));
    }
  });

  it('filters documents, and begins and ends where it is told to', async () => {
    const graph = await open(output);
    const ids = (options: Parameters<Hypergraph['documents']>[0]) => [...graph.documents(options)].map(({ id }) => id);
    expect(ids({ record: 'row' })).toEqual(['00000-0', '00000-3', '00001-1']);
    expect(ids({ uri: 'in/1.txt' })).toEqual(['00000-1', '00001-1']);
    expect(ids({ from: 2, limit: 2 })).toEqual(['00000-2', '00000-3']);
    expect(ids({ modality: 'pdf' })).toEqual([]);
    const [big] = [...graph.documents({ from: 4, limit: 1 })];
    expect(big?.meta).toBe('{"big":1152921504606846976}');
    expect([...graph.patches('00000-2', { from: 149, limit: 2 })].map(({ index, length }) => [index, length])).toEqual([
      [149, 7],
      [150, 5],
    ]);
  });

  it('yields nodes and edges with their numbers', async () => {
    const graph = await open(output);
    const counts = graph.counts();
    const nodes = [...graph.nodes()];
    expect(nodes.map(({ node }) => node)).toEqual(nodes.map((_, i) => i));
    expect(counts).toMatchObject({ nodes: nodes.length, documents: 9, patches: sizes[0]! + sizes[1]! });
    expect(graph.node(0)).toMatchObject({ kind: 'trunk', totalBytes: 9 });
    expect(graph.node(nodes.length)).toBeUndefined();
    const edges = [...graph.edges()];
    expect(edges.length).toBe(counts.edges);
    for (const label of ['contains', 'next', 'same_source', 'semantic'] as const) {
      const own = [...graph.edges({ label })];
      expect(own).toEqual(edges.filter((edge) => edge.label === label));
      expect(own.length).toBeGreaterThan(0);
    }
    expect([...graph.edges({ from: 5, limit: 2 })].map(({ edge }) => edge)).toEqual([5, 6]);
  });

  it('leads from any node to just those that its edges lead to', async () => {
    for (const graph of [await open(output), await open(sidecarsOnly)]) {
      const expected = new Map<number, Set<string>>();
      for (const { nodes, label } of graph.edges()) {
        for (const from of nodes) {
          for (const to of nodes) {
            if (from === to) continue;
            expected.set(from, (expected.get(from) ?? new Set()).add(`${to} ${label}`));
          }
        }
      }
      for (const { node } of graph.nodes()) {
        const labels = ['contains', 'next', 'same_source', 'semantic'] as const;
        const found = labels.flatMap((label) =>
          [...graph.neighbours({ node }, { label, limit: 1000 })].map((one) => `${one.node} ${one.label}`),
        );
        const wanted = expected.get(node) ?? new Set();
        // between sidecars, a document goes on without an edge in either
        const missing = [...wanted].filter((one) => !found.includes(one));
        expect(missing, `node ${node}`).toEqual([]);
        for (const one of found.filter((name) => !wanted.has(name))) expect(one).toMatch(/ (next|same_source)$/);
        if (graph.files.length === 1) expect(found.length).toBe(wanted.size);
      }
    }
  });

  it('goes on from neighbour to neighbour, breadth first, up to a depth and a number', async () => {
    const graph = await open(output);
    const start = graph.document('00000-2')?.firstPatch ?? 0;
    const next = (options: object): Neighbour[] => [
      ...graph.neighbours({ patch: start + 10 }, { label: 'next', ...options }),
    ];
    expect(next({}).map(({ patch }) => patch)).toEqual([start + 9, start + 11]);
    expect(next({ depth: 3 }).map(({ patch, depth }) => [(patch ?? 0) - start, depth])).toEqual([
      [9, 1],
      [11, 1],
      [8, 2],
      [12, 2],
      [7, 3],
      [13, 3],
    ]);
    expect(next({ depth: 1000, limit: 7 }).length).toBe(7);
    expect(next({ depth: 1000, limit: 1000 }).length).toBe(151);
    const near = [...graph.neighbours({ patch: start + 10 }, { label: 'semantic' })];
    expect(near.length).toBeGreaterThan(0);
    expect(near.map(({ weight }) => weight)).toEqual(near.map(({ weight }) => weight).sort((a, b) => b - a));
    for (const { patch = -1, weight } of near) {
      const back = [...graph.neighbours({ patch }, { label: ['semantic'] })].find((one) => one.patch === start + 10);
      expect(back?.weight).toBe(weight);
    }
    const views = [...graph.neighbours({ document: '00000-0' }, { label: 'same_source' })];
    expect(views.map(({ document }) => graph.document(document ?? -1)?.id)).toEqual(['00000-3']);
    expect(() => graph.neighbours({ patch: 1e6 })).toThrow(expect.objectContaining({ code: 'NO_PATCH' }));
    expect(() => graph.neighbours({ node: 1e6 })).toThrow(expect.objectContaining({ code: 'NO_NODE' }));
    expect(() => graph.neighbours({ document: 'x' })).toThrow(expect.objectContaining({ code: 'NO_DOCUMENT' }));
  });

  it('may be asked for several things at once, and given up midway', async () => {
    const graph = await openHypergraph(sidecarsOnly);
    let pairs = 0;
    for (const a of graph.documents()) for (const b of graph.documents()) pairs += a.id < b.id ? 1 : 0;
    expect(pairs).toBe(36);
    const begun = graph.patches('00000-2');
    begun.next();
    graph.close();
    expect(begun.next().value).toMatchObject({ index: 1 });
    graph.close();
  });
});

describe('a single sidecar', () => {
  it('holds the part of a document that its shard has', async () => {
    const graph = await open(sidecarsOnly, 'shards/00000-000001.hypergraph.db');
    const [first] = graph.documents();
    expect(first).toMatchObject({ id: '00000-2', document: 0, firstPatch: 0 });
    const patches = [...graph.patches(first?.id ?? '', { bytes: true })];
    expect(patches.length).toBe(first?.patches);
    expect(patches.every(({ bytes }) => bytes?.length === 7)).toBe(true);
  });

  it('tells nothing of bytes where no file of patches lies beside it', async () => {
    const folder = await temporaryFolder();
    await copyFile(path.join(output, 'shards/00000-000000.hypergraph.db'), path.join(folder, 'a.hypergraph.db'));
    const graph = await open(folder);
    const [patch] = graph.patches(0, { bytes: true, embeddings: true });
    expect(patch).toMatchObject({ length: 3, bytes: undefined, embedding: undefined });
  });
});

describe('what is no graph', () => {
  const made = async (name: string, ...statements: string[]): Promise<string> => {
    const file = path.join(await temporaryFolder(), name);
    const db = new Database(file);
    for (const statement of statements) db.exec(statement);
    db.close();
    return file;
  };

  it('is refused with the file and what to do', async () => {
    const folder = await temporaryFolder();
    await expect(openHypergraph(folder)).rejects.toMatchObject({ code: 'NO_GRAPH', path: folder });
    await expect(openHypergraph(path.join(folder, 'x.db'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const text = path.join(folder, 'text.db');
    await writeFile(text, 'no database at all, '.repeat(300));
    await expect(openHypergraph(text)).rejects.toMatchObject({
      code: 'BAD_SIDECAR',
      path: text,
      hint: expect.any(String),
    });
    const other = await made('other.db', 'CREATE TABLE t(x)');
    await expect(openHypergraph(other)).rejects.toMatchObject({
      code: 'BAD_SIDECAR',
      message: expect.stringContaining('lacks meta'),
    });
    const old = await made(
      'old.db',
      'CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT)',
      'CREATE TABLE nodes(id INTEGER PRIMARY KEY, data BLOB)',
      "INSERT INTO meta VALUES ('schema_version', '2')",
    );
    await expect(openHypergraph(old)).rejects.toMatchObject({ code: 'OLD_SCHEMA', path: old });
    const empty = path.join(folder, 'out');
    await mkdir(empty);
    await expect(openHypergraph(empty)).rejects.toMatchObject({ code: 'NO_GRAPH' });
  });

  it('is told of while it is read, where a file is damaged', async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, 'a.hypergraph.db');
    await copyFile(path.join(output, 'graph.db'), file);
    await truncate(file, 40_000);
    await expect(async () => {
      const graph = await open(file);
      for (const document of graph.documents()) for (const _ of graph.patches(document));
    }).rejects.toMatchObject({ code: 'BAD_SIDECAR', path: file });
    await copyFile(path.join(output, 'graph.db'), file);
    const db = new Database(file);
    db.exec('UPDATE documents SET first_patch = 9007199254740993 WHERE document = 1');
    db.close();
    const graph = await open(file);
    expect(() => graph.document(1)).toThrow(expect.objectContaining({ code: 'BAD_SIDECAR' }));
  });

  it('reads no file that a run does not write, whatever a database says', async () => {
    const file = path.join(await temporaryFolder(), 'graph.db');
    await copyFile(path.join(output, 'graph.db'), file);
    const db = new Database(file);
    db.exec("UPDATE shards SET path = '../out/shards/00000-000000.hypergraph.db'");
    db.close();
    const graph = await open(file);
    expect(graph.patch(0)).toMatchObject({ length: 3 });
    expect(() => graph.patch(0, { bytes: true })).toThrow(expect.objectContaining({ code: 'BAD_SIDECAR', path: file }));
  });
});
