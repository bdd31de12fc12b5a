import Database from 'better-sqlite3';

/**
 * The rules by which the known consumer of these files reads them, in our own words and without our own readers, so that
 * a mistake on both sides of a format cannot hide.
 */
export interface Loaded {
  readonly patches: number;
  readonly dim: number;
  readonly embeddings: Float32Array;
  readonly prominence: Float32Array;
  readonly entropies: Float32Array | undefined;
  /** The bytes of every patch. */
  readonly pieces: Buffer[];
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Safetensors as the format's description says: contiguous from 0, no hole, no overlap, size as the shape needs. */
export function parseSafetensors(file: Buffer): {
  metadata: Record<string, string>;
  entries: Map<string, Entry>;
  data: Buffer;
} {
  const length = Number(file.readBigUInt64LE(0));
  if (length % 8 !== 0) throw new Error('header is not padded to 8');
  const json: Record<string, unknown> = JSON.parse(file.toString('utf8', 8, 8 + length));
  const { __metadata__: metadata = {}, ...rest } = json as { __metadata__?: Record<string, string> };
  if (Object.values(metadata).some((value) => typeof value !== 'string')) throw new Error('metadata holds no string');
  const data = file.subarray(8 + length);
  const entries = new Map(Object.entries(rest as unknown as Record<string, Entry>));
  const sizes: Record<string, number> = { F32: 4, I32: 4, U8: 1, I64: 8, F16: 2, I8: 1 };
  let end = 0;
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    if (data_offsets[0] !== end) throw new Error(`${name} does not begin where the one before it ends`);
    end = data_offsets[1];
    if (end - data_offsets[0] !== shape.reduce((a, b) => a * b, sizes[dtype] ?? Number.NaN))
      throw new Error(`${name} has another size`);
  }
  if (end !== data.length) throw new Error('bytes behind the last tensor');
  return { metadata, entries, data };
}

/** Little-endian values of one tensor, which must exist with this type. */
export function tensor(file: Buffer, name: string, dtype: string): { shape: number[]; bytes: Buffer } {
  const { entries, data } = parseSafetensors(file);
  const entry = entries.get(name);
  if (entry === undefined) throw new Error(`tensor ${name} is missing`);
  if (entry.dtype !== dtype) throw new Error(`tensor ${name} is ${entry.dtype}`);
  return { shape: entry.shape, bytes: Buffer.from(data.subarray(...entry.data_offsets)) };
}

export function floats(bytes: Buffer): Float32Array {
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

/** `load_blt_safetensors`: which tensors must be there, with which types and ranks, and how patches lie in the bytes. */
export function loadPatches(file: Buffer): Loaded {
  const embeddings = tensor(file, 'embeddings', 'F32');
  const [patches, dim] =
    embeddings.shape.length === 3 && embeddings.shape[0] === 1 ? embeddings.shape.slice(1) : embeddings.shape;
  if (patches === undefined || dim === undefined) throw new Error(`embeddings have the shape ${embeddings.shape}`);
  const prominence = tensor(file, 'prominence', 'F32');
  const bytes = tensor(file, 'bytes', 'U8').bytes;
  const lengths = tensor(file, 'patch_lengths', 'I32').bytes;
  if (lengths.length / 4 !== patches) throw new Error(`${lengths.length / 4} patch lengths for ${patches} embeddings`);
  if (prominence.shape.at(-1) !== patches) throw new Error('prominence has another length');
  const pieces: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < patches; i++) {
    const length = lengths.readInt32LE(4 * i);
    if (at + length > bytes.length) throw new Error(`patch ${i} runs past the bytes`);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  // The mean entropies of patches are preferred; per-byte entropies in this file would be taken for them.
  const { entries } = parseSafetensors(file);
  const name = entries.has('patch_entropies') ? 'patch_entropies' : 'entropies';
  const entropies = entries.has(name) ? floats(tensor(file, name, 'F32').bytes) : undefined;
  if (entropies !== undefined && entropies.length !== patches) throw new Error('entropies have another length');
  return {
    patches,
    dim,
    embeddings: floats(embeddings.bytes),
    prominence: floats(prominence.bytes),
    entropies,
    pieces,
  };
}

export interface Graph {
  readonly prominence: Map<number, number>;
  readonly edges: { src: number; dst: number; weight: number; label: string }[];
}

/** A sidecar beside `file`: its name is the file's with the extension replaced, and only the `sphere_` tables are read. */
export function loadSidecar(safetensorsPath: string, patches: number): Graph {
  const db = new Database(safetensorsPath.replace(/\.[^./]*$/, '.hypergraph.db'), { readonly: true });
  try {
    const exists = db
      .prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'sphere_patches'")
      .pluck()
      .get();
    if (exists !== 1) throw new Error('no sphere_patches: the sidecar would be read by the legacy rules');
    const rows = db
      .prepare<[], { patch_idx: number; prominence: number }>('SELECT patch_idx, prominence FROM sphere_patches')
      .all();
    const edges = db
      .prepare<[], Graph['edges'][number]>('SELECT src_patch AS src, dst_patch AS dst, weight, label FROM sphere_edges')
      .all();
    const known = new Set(['next', 'contains', 'same_source', 'semantic']);
    return {
      prominence: new Map(rows.filter((row) => row.patch_idx < patches).map((row) => [row.patch_idx, row.prominence])),
      edges: edges.filter(({ src, dst, label }) => src < patches && dst < patches && known.has(label)),
    };
  } finally {
    db.close();
  }
}
