import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { graphDocuments, openOldSidecar, readJsonGraph } from '../../src/layouts/index.ts';
import { decodeOldNode } from '../../src/layouts/oldNode.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { bincode, ingestSidecar, jsonGraph, oldDocument, oldNode, patchLeaf, sidecar2 } from '../support/oldLayouts.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const document = oldDocument([3, 1, 4]);
const hash = 'ab'.repeat(32);

const inFolder = async (name: string): Promise<string> => path.join(await temporaryFolder(), name);

describe('nodes of older sidecars', () => {
  it('are what the bytes of real files say', () => {
    const name = Buffer.from('openai/gdpval:item_0').toString('hex');
    expect(decodeOldNode(hex(`00 14 ${name} 00`))).toEqual({
      kind: 'trunk',
      sourceHash: 'openai/gdpval:item_0',
      totalBytes: 0,
    });
    const char = Buffer.from('char').toString('hex');
    expect(decodeOldNode(hex(`02 01 04 ${char} 01 00 01 0000803f 01 01 04 ${char} 01 54`))).toEqual({
      kind: 'leaf',
      label: 'char',
      startOffset: 0,
      endOffset: 1,
      confidence: 1,
      extra: { char: 'T' },
    });
    expect(decodeOldNode(hex('02 00 01 00 fb0204 0000803f 00'))).toMatchObject({ startOffset: 0, endOffset: 1026 });
    expect(decodeOldNode(hex('02 00 00'))).toEqual({ kind: 'leaf' });
  });

  it('hold what patches were given, and null for what was no number and took no bytes', () => {
    expect(decodeOldNode(patchLeaf(4, 1000, 300))).toEqual({
      kind: 'leaf',
      label: 'patch_4',
      startOffset: 1000,
      endOffset: 1300,
      confidence: 1,
      extra: { coherence_score: 2.5, mean_entropy: 0.75, patch_index: 4, patch_length: 300 },
    });
    expect(decodeOldNode(patchLeaf(4, 1000, 300, null))).toMatchObject({
      extra: { coherence_score: null, mean_entropy: 0.75, patch_index: 4, patch_length: 300 },
    });
  });

  it('hold lists and objects of known types', () => {
    const box = ['x1', 'x2', 'y1', 'y2'].flatMap((key, i) => [bincode.string(key), bincode.f64(i + 0.5)]);
    const leaf = oldNode.leaf({
      range: [0, 9],
      extra: [
        ['bbox_areas', Buffer.concat([bincode.uint(2), bincode.f64(1.5), bincode.f64(2)])],
        ['bbox_count', bincode.uint(2)],
        ['bounding_boxes', Buffer.concat([bincode.uint(1), bincode.uint(4), ...box])],
        ['column', bincode.string('image')],
        ['is_named', Buffer.from([1])],
      ],
    });
    expect(decodeOldNode(leaf)).toMatchObject({
      extra: {
        bbox_areas: [1.5, 2],
        bbox_count: 2,
        bounding_boxes: [{ x1: 0.5, x2: 1.5, y1: 2.5, y2: 3.5 }],
        column: 'image',
        is_named: true,
      },
    });
  });

  it('whose extra values have unknown types keep everything else', () => {
    const leaf = oldNode.leaf({ label: 'x', range: [3, 7], extra: [['novelty', Buffer.from([1, 2, 3])]] });
    expect(decodeOldNode(leaf)).toEqual({
      kind: 'leaf',
      label: 'x',
      startOffset: 3,
      endOffset: 7,
      confidence: 1,
      unknownExtra: 'novelty',
    });
  });

  it.each([
    ['of no kind', '03'],
    ['that end early', '00 14 61'],
    ['with bytes too many', '00 01 61 00 00'],
    ['whose extra values end elsewhere', '02 00 01 00 01 0000803f 01 01 04 63686172 05 54'],
  ])('%s are refused', (_, bytes) => {
    expect(() => decodeOldNode(hex(bytes))).toThrowError(expect.objectContaining({ code: 'BAD_BINCODE' }));
  });
});

describe('a sidecar of schema 2', () => {
  it('numbers nodes from 0 in edges, whatever their rows are called', async () => {
    const file = await inFolder('a.hypergraph.db');
    ingestSidecar(file, hash, document);
    const graph = await openOldSidecar(file);
    const nodes = [...graph.nodes()];
    expect(graph.schema).toBe('2');
    expect(nodes.map(({ kind }) => kind)).toEqual(['trunk', 'branch', 'leaf', 'leaf', 'leaf']);
    expect([...graph.edges()].map(({ label, vertices, weight }) => [label, ...vertices, weight])).toEqual([
      ['contains', 0, 1, 1],
      ['contains', 1, 2, 1],
      ['contains', 1, 3, 1],
      ['next', 2, 3, 1],
      ['contains', 1, 4, 1],
      ['next', 3, 4, 1],
    ]);
    expect([...graphDocuments(graph)]).toEqual([
      { sourceHash: hash, totalBytes: 8, modality: 'text_raw', label: 'text_raw', leaves: 3 },
    ]);
    graph.close();
  });

  it('has the edge of a real file, byte for byte', async () => {
    const file = await inFolder('a.hypergraph.db');
    sidecar2(file, [oldNode.trunk(hash, 0), oldNode.branch('text')], [{ nodes: [0, 1], label: 'contains' }]);
    const graph = await openOldSidecar(file);
    expect([...graph.edges()]).toEqual([{ vertices: [0, 1], label: 'contains', weight: 1 }]);
    graph.close();
  });

  it('is refused with an edge to a node that is not there, another schema, or no table', async () => {
    const beyond = await inFolder('a.hypergraph.db');
    sidecar2(beyond, [oldNode.trunk(hash, 0)], [{ nodes: [0, 1], label: 'next' }]);
    const graph = await openOldSidecar(beyond);
    expect(() => [...graph.edges()]).toThrowError(expect.objectContaining({ code: 'BAD_GRAPH' }));
    graph.close();
    const other = await inFolder('b.hypergraph.db');
    sidecar2(other, [], [], { schema_version: '1' });
    await expect(openOldSidecar(other)).rejects.toMatchObject({ code: 'BAD_SIDECAR' });
    const none = await inFolder('c.hypergraph.db');
    await writeFile(none, 'no database');
    await expect(openOldSidecar(none)).rejects.toMatchObject({ code: 'BAD_SIDECAR', path: none });
    await expect(openOldSidecar(await inFolder('d.hypergraph.db'))).rejects.toMatchObject({ code: 'BAD_SIDECAR' });
  });

  it('names the node that cannot be decoded', async () => {
    const file = await inFolder('a.hypergraph.db');
    sidecar2(file, [oldNode.trunk(hash, 0), Buffer.from([9])]);
    const graph = await openOldSidecar(file);
    expect(() => [...graph.nodes()]).toThrowError(/node 1 /);
    graph.close();
  });
});

describe('a graph as JSON', () => {
  it('is the same graph', async () => {
    const folder = await temporaryFolder();
    jsonGraph(path.join(folder, 'a.hypergraph.json'), document, hash);
    ingestSidecar(path.join(folder, 'a.hypergraph.db'), hash, document);
    const json = await readJsonGraph(path.join(folder, 'a.hypergraph.json'));
    const sidecar = await openOldSidecar(path.join(folder, 'a.hypergraph.db'));
    expect([...json.nodes()]).toEqual([...sidecar.nodes()]);
    const contains = [...sidecar.edges()].filter(({ label }) => label === 'contains');
    expect([...json.edges()]).toEqual(contains);
    sidecar.close();
  });

  it.each([
    ['no JSON', '{', 'BAD_JSON'],
    ['no object', '[]', 'BAD_GRAPH'],
    ['no nodes', '{"edges": [], "topology": {"edges": []}}', 'BAD_GRAPH'],
    ['a node of no kind', '{"nodes": [{"Twig": {}}], "edges": [], "topology": {"edges": []}}', 'BAD_GRAPH'],
    [
      'a trunk without size',
      '{"nodes": [{"Trunk": {"source_hash": "x"}}], "edges": [], "topology": {"edges": []}}',
      'BAD_GRAPH',
    ],
    ['an edge that is not listed', '{"nodes": [], "edges": [], "topology": {"edges": [[0, []]]}}', 'BAD_GRAPH'],
    [
      'a vertex that is not there',
      '{"nodes": [], "edges": [{"label": "x", "weight": 1}], "topology": {"edges": [[0, [0]]]}}',
      'BAD_GRAPH',
    ],
  ])('is refused: %s', async (_, text, code) => {
    const file = await inFolder('x.hypergraph.json');
    await writeFile(file, text);
    await expect(readJsonGraph(file)).rejects.toMatchObject({ code, path: file });
  });
});
