import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';

/**
 * Writers of every older layout, from its description alone: none of our own encoders is used, so that a mistake in one
 * of those cannot hide behind its twin.
 */
type Dtype = 'F32' | 'I32' | 'U8';

export interface TestTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly values: readonly number[] | Float32Array | Int32Array | Uint8Array;
}

/** A safetensors file; `forged` replaces members of the header after it was made. */
export function tensorFile(
  tensors: Readonly<Record<string, TestTensor>>,
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  const rank: Record<Dtype, number> = { F32: 0, I32: 1, U8: 2 };
  const names = Object.keys(tensors).sort((a, b) => {
    const [x, y] = [tensors[a], tensors[b]];
    return rank[x?.dtype ?? 'U8'] - rank[y?.dtype ?? 'U8'] || (a < b ? -1 : 1);
  });
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  const parts: Buffer[] = [];
  let at = 0;
  for (const name of names) {
    const { dtype, shape, values } = tensors[name] ?? { dtype: 'U8', shape: [0], values: [] };
    const bytes = Buffer.alloc(values.length * (dtype === 'U8' ? 1 : 4));
    values.forEach((value: number, i: number) => {
      if (dtype === 'F32') bytes.writeFloatLE(value, 4 * i);
      else if (dtype === 'I32') bytes.writeInt32LE(value, 4 * i);
      else bytes[i] = value;
    });
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    parts.push(bytes);
    at += bytes.length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...parts]);
}

/** A document as the model of an older program saw it: what it said about every byte, and where patches start. */
export interface OldDocument {
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
  readonly dim: number;
  /** [bytes][dim]. */
  readonly states: readonly (readonly number[])[];
  readonly norms: readonly number[];
  readonly entropies: readonly number[];
}

/** Numbers that are exact in float32, so that means can be compared. */
export function oldDocument(lengths: readonly number[], dim = 3, seed = 1): OldDocument {
  const count = lengths.reduce((sum, length) => sum + length, 0);
  const number = (i: number, of: number): number => ((seed * 7 + i * 13) % of) / 8;
  return {
    bytes: Uint8Array.from({ length: count }, (_, i) => (seed * 11 + i * 29) % 256),
    lengths,
    dim,
    states: Array.from({ length: count }, (_, i) =>
      Array.from({ length: dim }, (_, d) => number(i * dim + d, 101) - 6),
    ),
    norms: Array.from({ length: count }, (_, i) => 1 + number(i, 97)),
    entropies: Array.from({ length: count }, (_, i) => number(i, 43)),
  };
}

const starts = (lengths: readonly number[]): number[] => {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return at - length;
  });
};

const f32 = (shape: readonly number[], values: readonly number[]): TestTensor => ({ dtype: 'F32', shape, values });
const i32 = (shape: readonly number[], values: readonly number[]): TestTensor => ({ dtype: 'I32', shape, values });

/** Mean, for each patch, of one number or one row a byte. */
export function pooled(lengths: readonly number[], values: readonly number[]): number[] {
  return starts(lengths).map((start, i) => {
    const own = values.slice(start, start + (lengths[i] ?? 0));
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
}

export function pooledStates({ lengths, states, dim }: OldDocument): number[] {
  const columns = Array.from({ length: dim }, (_, d) =>
    pooled(
      lengths,
      states.map((state) => state[d] ?? 0),
    ),
  );
  return lengths.flatMap((_, p) => columns.map((column) => column[p] ?? 0));
}

/** Single files: a token for the beginning and one for the end stand around the bytes, and each starts a patch. */
export function f1(document: OldDocument, special = true): Buffer {
  const { states, norms, lengths, dim } = document;
  const edge = special ? [Array<number>(dim).fill(99)] : [];
  const rows = [...edge, ...states, ...edge];
  const around = special ? [77] : [];
  const indices = special ? [0, ...starts(lengths).map((start) => start + 1)] : starts(lengths);
  const tokens = rows.length;
  const mask = Array.from({ length: tokens }, (_, i) => (indices.includes(i) ? 1 : 0));
  return tensorFile({
    embeddings: f32([1, tokens, dim], rows.flat()),
    prominence: f32([1, tokens], [...around, ...norms, ...around]),
    patch_indices: i32([indices.length], indices),
    patch_mask: i32([1, tokens], mask),
  });
}

const coherence = ({ norms, entropies }: OldDocument): number[] =>
  norms.map((norm, i) => Math.fround((norm * norm) / ((entropies[i] ?? 0) + 1e-6)));

/** `window` takes a slice of the tokens and leaves `patch_indices` as they are, as parts and shards had it. */
export function f2(document: OldDocument, window: readonly [number, number] = [0, document.bytes.length]): Buffer {
  const { states, norms, entropies, lengths, dim } = document;
  const [from, to] = window;
  const indices = starts(lengths);
  const mask = Array.from({ length: to - from }, (_, i) => (indices.includes(from + i) ? 1 : 0));
  const row = (values: readonly number[]): TestTensor => f32([1, to - from], values.slice(from, to));
  return tensorFile(
    {
      embeddings: f32([1, to - from, dim], states.slice(from, to).flat()),
      prominence: row(norms),
      entropies: row(entropies),
      coherence_scores: row(coherence(document)),
      patch_indices: i32([indices.length], indices),
      patch_mask: i32([1, to - from], mask),
    },
    { metadata_file: 'item.hypergraph.db' },
  );
}

export function f3(document: OldDocument, id = 'task/7'): Buffer {
  const { bytes, states, norms, entropies, lengths, dim } = document;
  const count = bytes.length;
  return tensorFile(
    {
      tokens: i32(
        [1, count],
        [...bytes].map((byte) => byte + 4),
      ),
      embeddings: f32([1, count, dim], states.flat()),
      prominence: f32([1, count], norms),
      entropies: f32([1, count], entropies),
      coherence_scores: f32([1, count], coherence(document)),
      patch_indices: i32([lengths.length], starts(lengths)),
      patch_lengths: i32([lengths.length], lengths),
      mask: i32([1, count], Array(count).fill(1)),
    },
    { sample_id: id, embedding_dim: String(dim), metadata_file: `${id}.hypergraph.db` },
  );
}

const bytesAndLengths = ({ bytes, lengths }: OldDocument): Record<string, TestTensor> => ({
  bytes: { dtype: 'U8', shape: [bytes.length], values: bytes },
  patch_lengths: i32([lengths.length], lengths),
});

export function f4(document: OldDocument, metadataFile?: string): Buffer {
  const { bytes, entropies, lengths } = document;
  return tensorFile(
    { ...bytesAndLengths(document), entropies: f32([entropies.length], entropies) },
    {
      format: 'blt_patches_v2',
      num_patches: String(lengths.length),
      total_bytes: String(bytes.length),
      ...(metadataFile === undefined ? {} : { metadata_file: metadataFile }),
    },
  );
}

/** Per patch: mean of the states, greatest norm, mean entropy. */
function patchTensors(document: OldDocument): Record<string, TestTensor> {
  const { lengths, norms, entropies, dim } = document;
  const count = lengths.length;
  const greatest = starts(lengths).map((start, i) => Math.max(...norms.slice(start, start + (lengths[i] ?? 0))));
  return {
    embeddings: f32([count, dim], pooledStates(document)),
    prominence: f32([count], greatest),
    patch_entropies: f32([count], pooled(lengths, entropies)),
  };
}

export function f5(document: OldDocument, metadataFile = 'item.hypergraph.db'): Buffer {
  const { bytes, entropies, lengths, dim } = document;
  return tensorFile(
    { ...patchTensors(document), ...bytesAndLengths(document), entropies: f32([entropies.length], entropies) },
    {
      format: 'blt_patches_v3',
      num_patches: String(lengths.length),
      total_bytes: String(bytes.length),
      embed_dim: String(dim),
      metadata_file: metadataFile,
    },
  );
}

/** The export of a corpus: `n_patches`, and bytes only where there were any. */
export function corpus(document: OldDocument, withBytes = true): Buffer {
  const { bytes, lengths, dim } = document;
  return tensorFile(
    { ...patchTensors(document), ...(withBytes ? bytesAndLengths(document) : {}) },
    {
      format: 'blt_patches_v3',
      embed_dim: String(dim),
      n_patches: String(lengths.length),
      ...(withBytes ? { total_bytes: String(bytes.length) } : {}),
    },
  );
}

/** One archive; every member is a plain file of mode 0644 and time 0, as GNU tar writes it. */
export function tarOf(members: readonly (readonly [string, Uint8Array | string])[]): Buffer {
  const blocks = members.flatMap(([name, content]) => {
    const body = Buffer.from(content);
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write('0000644\0', 100);
    head.write('0000000\0', 108);
    head.write('0000000\0', 116);
    head.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    head.write('00000000000\0', 136);
    head.write('        ', 148);
    head.write('0', 156);
    head.write('ustar  \0', 257);
    const sum = head.reduce((total, byte) => total + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A WebDataset shard of older samples: `<id>.safetensors`, then `<id>.json`. */
export function webdataset(documents: readonly { id: string; document: OldDocument }[], gzip = true): Buffer {
  const members = documents.flatMap(
    ({ id, document: { bytes, lengths }, document }): [string, Uint8Array | string][] => [
      [`${id}.safetensors`, f4(document)],
      [
        `${id}.json`,
        JSON.stringify(
          { doc_id: id, original_len: bytes.length, num_patches: lengths.length, total_bytes: bytes.length },
          undefined,
          2,
        ),
      ],
    ],
  );
  const tar = tarOf(members);
  return gzip ? gzipSync(tar) : tar;
}

/** bincode 2, standard configuration, by hand. */
export const bincode = {
  uint(value: number): Buffer {
    if (value < 251) return Buffer.from([value]);
    const wide = value < 2 ** 16 ? 2 : value < 2 ** 32 ? 4 : 8;
    const out = Buffer.alloc(1 + wide);
    out[0] = wide === 2 ? 251 : wide === 4 ? 252 : 253;
    if (wide === 8) out.writeBigUInt64LE(BigInt(value), 1);
    else out.writeUIntLE(value, 1, wide);
    return out;
  },
  string: (text: string): Buffer => Buffer.concat([bincode.uint(Buffer.byteLength(text)), Buffer.from(text)]),
  f64(value: number): Buffer {
    const out = Buffer.alloc(8);
    out.writeDoubleLE(value);
    return out;
  },
  f32(value: number): Buffer {
    const out = Buffer.alloc(4);
    out.writeFloatLE(value);
    return out;
  },
};

export interface OldLeafSketch {
  readonly label?: string;
  readonly range?: readonly [number, number];
  /** Encoded members of `extra`, in the order of their keys. */
  readonly extra?: readonly (readonly [string, Buffer])[];
}

export const oldNode = {
  trunk: (hash: string, bytes: number): Buffer =>
    Buffer.concat([Buffer.from([0]), bincode.string(hash), bincode.uint(bytes)]),
  branch: (label: string, modality = label): Buffer =>
    Buffer.concat([Buffer.from([1]), bincode.string(label), bincode.string(modality)]),
  leaf({ label, range, extra }: OldLeafSketch): Buffer {
    const parts: Buffer[] = [Buffer.from([2, label === undefined ? 0 : 1])];
    if (label !== undefined) parts.push(bincode.string(label));
    parts.push(Buffer.from([range === undefined ? 0 : 1]));
    if (range === undefined) return Buffer.concat(parts);
    parts.push(
      bincode.uint(range[0]),
      bincode.uint(range[1]),
      bincode.f32(1),
      Buffer.from([extra === undefined ? 0 : 1]),
    );
    if (extra === undefined) return Buffer.concat(parts);
    parts.push(bincode.uint(extra.length));
    for (const [key, value] of extra) parts.push(bincode.string(key), value);
    return Buffer.concat(parts);
  },
};

/** Null stands for a number that was not finite: it took no bytes. */
export function patchLeaf(index: number, start: number, length: number, score: number | null = 2.5): Buffer {
  return oldNode.leaf({
    label: `patch_${index}`,
    range: [start, start + length],
    extra: [
      ['coherence_score', score === null ? Buffer.alloc(0) : bincode.f64(score)],
      ['mean_entropy', bincode.f64(0.75)],
      ['patch_index', bincode.uint(index)],
      ['patch_length', bincode.uint(length)],
    ],
  });
}

const vertices = (nodes: readonly number[]): Buffer =>
  Buffer.concat([bincode.uint(nodes.length), ...nodes.map((node) => bincode.uint(node))]);

export interface OldEdgeSketch {
  readonly nodes: readonly number[];
  readonly label: string;
}

/** A sidecar of schema 2: rows count from 1, vertices from 0. */
export function sidecar2(
  file: string,
  nodes: readonly Uint8Array[],
  edges: readonly OldEdgeSketch[] = [],
  meta: Readonly<Record<string, string>> = { schema_version: '2' },
): void {
  const db = new Database(file);
  db.exec(`CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE nodes(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE hyperedges(id INTEGER PRIMARY KEY, vertices BLOB NOT NULL, data BLOB NOT NULL);`);
  for (const [key, value] of Object.entries(meta)) db.prepare('INSERT INTO meta VALUES (?, ?)').run(key, value);
  for (const node of nodes) db.prepare('INSERT INTO nodes(data) VALUES (?)').run(node);
  for (const { nodes: ends, label } of edges) {
    const head = vertices(ends);
    const data = Buffer.concat([head, bincode.string(label), bincode.f32(1)]);
    db.prepare('INSERT INTO hyperedges(vertices, data) VALUES (?, ?)').run(head, data);
  }
  db.close();
}

/** The sidecar that `ingest` wrote for one document: trunk, branch, a leaf for each patch. */
export function ingestSidecar(
  file: string,
  hash: string,
  { bytes, lengths }: OldDocument,
  modality = 'text_raw',
): void {
  const leaves = starts(lengths).map((start, i) => patchLeaf(i, start, lengths[i] ?? 0));
  const edges: OldEdgeSketch[] = [{ nodes: [0, 1], label: 'contains' }];
  for (let i = 0; i < lengths.length; i++) {
    edges.push({ nodes: [1, 2 + i], label: 'contains' });
    if (i > 0) edges.push({ nodes: [1 + i, 2 + i], label: 'next' });
  }
  sidecar2(file, [oldNode.trunk(hash, bytes.length), oldNode.branch(modality), ...leaves], edges);
}

/** A corpus database with the columns that its readers name. */
export function corpusDb(
  file: string,
  documents: readonly { id: string; document: OldDocument; status?: string; twice?: boolean }[],
  withBytes = true,
): void {
  const db = new Database(file);
  db.exec(`CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents(doc_id TEXT PRIMARY KEY, status TEXT NOT NULL, byte_count INTEGER, patch_count INTEGER, created_at INTEGER, completed_at INTEGER);
CREATE TABLE embeddings(id INTEGER PRIMARY KEY, doc_id TEXT NOT NULL, patch_idx INTEGER NOT NULL, embedding BLOB NOT NULL, prominence REAL, entropy REAL, theta REAL, phi REAL, r REAL, partition_id INTEGER);
CREATE TABLE patch_bytes(id INTEGER PRIMARY KEY, doc_id TEXT NOT NULL, raw_bytes BLOB NOT NULL, patch_lengths BLOB NOT NULL);`);
  db.prepare('INSERT INTO meta VALUES (?, ?)').run('embed_dim', String(documents[0]?.document.dim ?? 0));
  db.prepare('INSERT INTO meta VALUES (?, ?)').run('schema_version', '2');
  const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
  for (const { id, document, status = 'complete', twice = false } of documents) {
    const { bytes, lengths, dim } = document;
    const tensors = patchTensors(document);
    const column = (name: string, i: number): number => Number(tensors[name]?.values[i]);
    db.prepare('INSERT INTO documents VALUES (?, ?, ?, ?, 0, 0)').run(id, status, bytes.length, lengths.length);
    for (let round = 0; round < (twice ? 2 : 1); round++) {
      for (const i of lengths.keys()) {
        const state = pooledStates(document).slice(i * dim, (i + 1) * dim);
        db.prepare(
          'INSERT INTO embeddings(doc_id, patch_idx, embedding, prominence, entropy) VALUES (?, ?, ?, ?, ?)',
        ).run(id, i, floats(state), column('prominence', i), column('patch_entropies', i));
      }
    }
    if (!withBytes) continue;
    const packed = Buffer.from(Int32Array.from(lengths).buffer);
    db.prepare('INSERT INTO patch_bytes(doc_id, raw_bytes, patch_lengths) VALUES (?, ?, ?)').run(
      id,
      Buffer.from(bytes),
      packed,
    );
  }
  db.close();
}

/** The same graph as `ingest --export-json-metadata` wrote it. */
export function jsonGraph(file: string, { bytes, lengths }: OldDocument, hash: string): void {
  const leaves = starts(lengths).map((start, i) => ({
    Leaf: {
      label: `patch_${i}`,
      metadata: {
        start_offset: start,
        end_offset: start + (lengths[i] ?? 0),
        confidence: 1.0,
        extra: { coherence_score: 2.5, mean_entropy: 0.75, patch_index: i, patch_length: lengths[i] },
      },
    },
  }));
  const contains = lengths.map((_, i) => [1, 2 + i]);
  writeFileSync(
    file,
    JSON.stringify(
      {
        nodes: [
          { Trunk: { source_hash: hash, total_bytes: bytes.length } },
          { Branch: { label: 'text_raw', modality: 'text_raw' } },
          ...leaves,
        ],
        edges: [[0, 1], ...contains].map(() => ({ label: 'contains', weight: 1.0 })),
        topology: { edges: [[0, 1], ...contains].map((nodes, i) => [i, nodes]) },
        sharding: null,
        replication: null,
      },
      undefined,
      2,
    ),
  );
}
