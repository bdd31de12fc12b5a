import { existsSync } from 'node:fs';
import type Sqlite from 'better-sqlite3';
import { SluiceError } from '../errors.ts';
import { decodeEdge, decodeVertices, type Hyperedge } from '../formats/hypergraphSchema.ts';
import { openSqlite } from '../formats/sqlite.ts';
import { decodeOldNode, type OldNode } from './oldNode.ts';

/** Documents of a graph in the order of their patches: what is known of where patches came from. */
export interface GraphDocument {
  readonly sourceHash: string;
  readonly totalBytes: number;
  /** Of its first branch; absent where it has none. */
  readonly modality?: string | undefined;
  readonly label?: string | undefined;
  /** Leaves below it. */
  readonly leaves: number;
}

/** A graph as older programs wrote it, in a sidecar or as JSON. Vertex numbers count nodes from 0, in the order of `nodes`. */
export interface OldGraph {
  readonly path: string;
  /** `2` or `3` of a sidecar; absent for JSON. */
  readonly schema?: string | undefined;
  readonly meta: Readonly<Record<string, string>>;
  nodes(): Iterable<OldNode>;
  /** @throws SluiceError `BAD_GRAPH` at an edge whose vertices do not exist, or differ between its two copies */
  edges(): Iterable<Hyperedge>;
  close(): void;
}

/**
 * Opens an older sidecar: schema 2, or schema 3 of an exported corpus. Rows of SQLite count from 1 there, vertices of
 * edges from 0: a node's number is its place.
 *
 * @throws SluiceError `BAD_SIDECAR` where it is no database, has no nodes table, or another schema
 */
export async function openOldSidecar(path: string): Promise<OldGraph> {
  if (!existsSync(path)) throw bad(path, 'BAD_SIDECAR', 'does not exist');
  const db = await openSqlite(path, { readonly: true, fileMustExist: true });
  try {
    const rows = db.prepare<[], { key: string; value: string }>('SELECT key, value FROM meta').all();
    const meta = Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    const schema = meta['schema_version'];
    if (schema !== '2' && schema !== '3')
      throw bad(path, 'BAD_SIDECAR', `has schema version '${schema ?? ''}', not 2 or 3`);
    const nodes = db.prepare<[], number>('SELECT count(*) FROM nodes').pluck().get() ?? 0;
    db.prepare('SELECT id, vertices, data FROM hyperedges LIMIT 1').get();
    return new Sidecar(path, db, meta, schema, nodes);
  } catch (cause) {
    db.close();
    if (cause instanceof SluiceError) throw cause;
    throw bad(path, 'BAD_SIDECAR', `cannot be read: ${(cause as Error).message}`, cause);
  }
}

class Sidecar implements OldGraph {
  readonly path: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly schema: string;
  readonly #db: Sqlite.Database;
  readonly #nodes: number;

  constructor(
    path: string,
    db: Sqlite.Database,
    meta: Readonly<Record<string, string>>,
    schema: string,
    nodes: number,
  ) {
    this.path = path;
    this.meta = meta;
    this.schema = schema;
    this.#db = db;
    this.#nodes = nodes;
  }

  *nodes(): Generator<OldNode, void, undefined> {
    let place = 0;
    for (const data of this.#db.prepare<[], Uint8Array>('SELECT data FROM nodes ORDER BY id').pluck().iterate()) {
      try {
        yield decodeOldNode(data);
      } catch (cause) {
        if (!(cause instanceof SluiceError)) throw cause;
        throw bad(this.path, cause.code, `has a node ${place} that cannot be decoded: ${cause.message}`, cause);
      }
      place++;
    }
  }

  *edges(): Generator<Hyperedge, void, undefined> {
    type Row = { readonly vertices: Uint8Array; readonly data: Uint8Array };
    const rows = this.#db.prepare<[], Row>('SELECT vertices, data FROM hyperedges ORDER BY id').iterate();
    let place = 0;
    for (const { vertices, data } of rows) {
      const edge = decodeEdge(data);
      if (decodeVertices(vertices).join() !== edge.vertices.join())
        throw bad(this.path, 'BAD_GRAPH', `has two lists of vertices for edge ${place}`);
      requireVertices(this.path, place, edge, this.#nodes);
      yield edge;
      place++;
    }
  }

  close(): void {
    this.#db.close();
  }
}

export function requireVertices(path: string, place: number, edge: Hyperedge, nodes: number): void {
  const beyond = edge.vertices.find((vertex) => vertex >= nodes);
  if (beyond !== undefined) throw bad(path, 'BAD_GRAPH', `has edge ${place} to node ${beyond} of ${nodes}`);
}

/** The documents of a graph: each trunk, and what stands behind it up to the next. */
export function* graphDocuments(graph: OldGraph): Generator<GraphDocument, void, undefined> {
  let open: GraphDocument | undefined;
  for (const node of graph.nodes()) {
    if (node.kind === 'trunk') {
      if (open !== undefined) yield open;
      open = { sourceHash: node.sourceHash, totalBytes: node.totalBytes, leaves: 0 };
    } else if (open === undefined) {
      throw bad(graph.path, 'BAD_GRAPH', `begins with a ${node.kind} and not with a trunk`);
    } else if (node.kind === 'branch') {
      open = open.modality === undefined ? { ...open, modality: node.modality, label: node.label } : open;
    } else {
      open = { ...open, leaves: open.leaves + 1 };
    }
  }
  if (open !== undefined) yield open;
}

export function bad(path: string, code: string, what: string, cause?: unknown): SluiceError {
  return new SluiceError(`'${path}' ${what}`, { code, path, cause });
}
