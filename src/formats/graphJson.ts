import { SluiceError } from '../errors.ts';
import { decodeEdge, decodeNode, type HypergraphNode, nodeJson } from './hypergraphSchema.ts';
import type { EdgeRow, NodeRow } from './sidecarRows.ts';
import { openSqlite, sqliteError } from './sqlite.ts';

/** Where text goes, a piece of at most about 256 KiB at a time; the next one waits until this one was taken. */
export interface WritableLike {
  write(chunk: Uint8Array): void | Promise<void>;
}

const PIECE = 256 << 10;

const tags = { trunk: 'Trunk', branch: 'Branch', leaf: 'Leaf' } as const satisfies Record<
  HypergraphNode['kind'],
  string
>;

/**
 * Writes the graph of a hypergraph database (a sidecar of schema 2 or 3, or that of a corpus) as one JSON object, as earlier
 * programs exported it:
 *
 *     {"nodes": [{"Trunk": {"source_hash": "...", "total_bytes": 9}}, {"Branch": {...}}, {"Leaf": {"label": ..., "metadata": ...}}],
 *      "edges": [{"label": "contains", "weight": 1}],
 *      "topology": {"edges": [[0, [0, 1]]]},
 *      "sharding": null, "replication": null}
 *
 * A node's number is its place in `nodes`, an edge's its place in `edges`; `topology` has the nodes of each edge. `sharding` and
 * `replication` are what the database says under `sharding_info` and `replication_spec`, else null. One node or edge is a
 * line; rows are streamed.
 *
 *     await writeGraphJson('out/shards/00000-000000.hypergraph.db', file);
 *
 * @throws OutputError `SQLITE_...` where the file cannot be read, SluiceError `BAD_SIDECAR` where it is no hypergraph,
 *   `BAD_BINCODE` for a blob that cannot be decoded
 */
export async function writeGraphJson(file: string, out: WritableLike): Promise<void> {
  const db = await openSqlite(file, { readonly: true, fileMustExist: true });
  try {
    const text = new Pieces(out);
    const meta = db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck();
    const nodes = db.prepare<[], NodeRow>('SELECT * FROM nodes ORDER BY id');
    const edges = db.prepare<[], EdgeRow>('SELECT * FROM hyperedges ORDER BY id');
    const sharding = jsonOrNull(meta.get('sharding_info'));
    const replication = jsonOrNull(meta.get('replication_spec'));
    await text.list('{"nodes":[', nodes.iterate(), nodeText);
    await text.list('],\n"edges":[', edges.iterate(), edgeText);
    await text.list('],\n"topology":{"edges":[', edges.iterate(), topologyText);
    await text.add(`]},\n"sharding":${sharding},\n"replication":${replication}}\n`);
    await text.flush();
  } catch (error) {
    throw sidecarError(error, file);
  } finally {
    db.close();
  }
}

function nodeText({ data, metadata }: NodeRow): string {
  const node = decodeNode(data);
  // earlier schemas have no such column
  return `{"${tags[node.kind]}":${metadata ?? memberJson(node)}}`;
}

/** What a leaf does not have is null in the older form. */
function memberJson(node: HypergraphNode): string {
  if (node.kind !== 'leaf') return nodeJson(node);
  const { label = null, metadata = null } = JSON.parse(nodeJson(node));
  return JSON.stringify({ label, metadata: metadata && { ...metadata, extra: metadata.extra ?? null } });
}

function edgeText({ data }: EdgeRow): string {
  const { label, weight } = decodeEdge(data);
  return `{"label":${JSON.stringify(label)},"weight":${shortest(weight)}}`;
}

function topologyText({ data }: EdgeRow, index: number): string {
  return `[${index},[${decodeEdge(data).vertices.join()}]]`;
}

/** A float32 number with no more digits than tell it from its neighbours. */
function shortest(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return JSON.stringify(value);
}

function jsonOrNull(text: string | undefined): string {
  if (text === undefined) return 'null';
  return JSON.stringify(JSON.parse(text));
}

function sidecarError(error: unknown, file: string): unknown {
  if (error instanceof SluiceError && error.path !== undefined) return error;
  const known = sqliteError(error, file);
  const code = error instanceof SluiceError ? error.code : 'BAD_SIDECAR';
  if (known !== error && (error as { code: string }).code !== 'SQLITE_ERROR') return known;
  return new SluiceError(`${file} is no hypergraph: ${(error as Error).message}`, {
    code,
    path: file,
    hint: 'give a .hypergraph.db that sluice wrote, or a sidecar of schema 2',
    cause: error,
  });
}

/** Text that leaves in pieces. */
class Pieces {
  readonly #out: WritableLike;
  #parts: string[] = [];
  #length = 0;

  constructor(out: WritableLike) {
    this.#out = out;
  }

  async list<R>(head: string, rows: IterableIterator<R>, textOf: (row: R, index: number) => string): Promise<void> {
    await this.add(head);
    let index = 0;
    for (const row of rows) {
      const full = this.#put(`${index === 0 ? '\n' : ',\n'}${textOf(row, index)}`);
      index++;
      if (full) await this.flush();
    }
    await this.add(index === 0 ? '' : '\n');
  }

  async add(text: string): Promise<void> {
    if (this.#put(text)) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#parts.join(''));
    this.#parts = [];
    this.#length = 0;
    if (bytes.length > 0) await this.#out.write(bytes);
  }

  #put(text: string): boolean {
    this.#parts.push(text);
    this.#length += text.length;
    return this.#length >= PIECE;
  }
}
