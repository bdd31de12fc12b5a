import { readFile, stat } from 'node:fs/promises';
import type { Hyperedge } from '../formats/hypergraphSchema.ts';
import type { JsonValue } from '../json.ts';
import { bad, type OldGraph, requireVertices } from './oldGraph.ts';
import type { OldLeaf, OldNode } from './oldNode.ts';

/** JSON is read whole, and takes several times its size as objects. */
const MAX_JSON = 256 << 20;

/**
 * Reads a graph as JSON, `<name>.hypergraph.json`: nodes tagged from outside (`{"Trunk": {...}}`), edges with label and
 * weight, and their vertices in `topology.edges`.
 *
 * @throws SluiceError `UNREADABLE`, `TOO_LARGE` beyond 256 MiB, `BAD_GRAPH`
 */
export async function readJsonGraph(path: string): Promise<OldGraph> {
  const value = await readJson(path);
  const { nodes, edges, topology } = members(path, value, 'it');
  const { edges: places } = members(path, topology, 'topology');
  const list = listOf(path, nodes, 'nodes').map((node, i) => nodeFrom(path, node, `nodes[${i}]`));
  const labels = listOf(path, edges, 'edges').map((edge, i) => members(path, edge, `edges[${i}]`));
  const joined = listOf(path, places, 'topology.edges').map((entry, i): Hyperedge => {
    const [index, vertices] = listOf(path, entry, `topology.edges[${i}]`);
    const edge = typeof index === 'number' ? labels[index] : undefined;
    if (edge === undefined) throw bad(path, 'BAD_GRAPH', `has no edge ${String(index)} for topology.edges[${i}]`);
    const numbers = listOf(path, vertices, `topology.edges[${i}][1]`).map((vertex) => {
      if (typeof vertex === 'number' && Number.isSafeInteger(vertex) && vertex >= 0) return vertex;
      throw bad(path, 'BAD_GRAPH', `has a vertex ${JSON.stringify(vertex)} in topology.edges[${i}]`);
    });
    const joint = {
      vertices: numbers,
      label: textOf(path, edge['label'], 'a label'),
      weight: numberOf(path, edge['weight'], 'a weight'),
    };
    requireVertices(path, i, joint, list.length);
    return joint;
  });
  return { path, meta: {}, nodes: () => list, edges: () => joined, close: () => {} };
}

/** A JSON file as a value, whose size is looked at first. */
export async function readJson(path: string, most = MAX_JSON): Promise<unknown> {
  try {
    const { size } = await stat(path);
    if (size > most) throw bad(path, 'TOO_LARGE', `has ${size} bytes; ${most} are read at most`);
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw bad(path, 'BAD_JSON', `is no JSON: ${cause.message}`, cause);
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw bad(path, 'UNREADABLE', `cannot be read: ${(cause as Error).message}`, cause);
  }
}

function nodeFrom(path: string, value: unknown, where: string): OldNode {
  const tagged = members(path, value, where);
  const [tag, ...others] = Object.keys(tagged);
  const fields = members(path, tagged[tag ?? ''], `${where}.${tag ?? ''}`);
  if (others.length === 0 && tag === 'Trunk') {
    return {
      kind: 'trunk',
      sourceHash: textOf(path, fields['source_hash'], `${where}.source_hash`),
      totalBytes: numberOf(path, fields['total_bytes'], `${where}.total_bytes`),
    };
  }
  if (others.length === 0 && tag === 'Branch') {
    const text = (key: string): string => textOf(path, fields[key], `${where}.${key}`);
    return { kind: 'branch', label: text('label'), modality: text('modality') };
  }
  if (others.length > 0 || tag !== 'Leaf') throw bad(path, 'BAD_GRAPH', `has ${where}, which is no node`);
  return leafFrom(path, fields, where);
}

function leafFrom(path: string, fields: Members, where: string): OldLeaf {
  const label = fields['label'] == null ? {} : { label: textOf(path, fields['label'], `${where}.label`) };
  if (fields['metadata'] == null) return { kind: 'leaf', ...label };
  const metadata = members(path, fields['metadata'], `${where}.metadata`);
  const number = (key: string): number => numberOf(path, metadata[key], `${where}.metadata.${key}`);
  const { extra } = metadata;
  return {
    kind: 'leaf',
    ...label,
    startOffset: number('start_offset'),
    endOffset: number('end_offset'),
    confidence: number('confidence'),
    // JSON.parse gives JSON values and nothing else.
    ...(extra == null
      ? {}
      : { extra: members(path, extra, `${where}.metadata.extra`) as { [key: string]: JsonValue } }),
  };
}

type Members = { readonly [key: string]: unknown };

function members(path: string, value: unknown, what: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw bad(path, 'BAD_GRAPH', `is no graph: ${what} is no object`);
}

function listOf(path: string, value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw bad(path, 'BAD_GRAPH', `is no graph: ${what} is no list`);
}

function textOf(path: string, value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw bad(path, 'BAD_GRAPH', `is no graph: ${what} is no text`);
}

function numberOf(path: string, value: unknown, what: string): number {
  if (typeof value === 'number') return value;
  throw bad(path, 'BAD_GRAPH', `is no graph: ${what} is no number`);
}
