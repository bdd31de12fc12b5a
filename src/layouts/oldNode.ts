import { SluiceError } from '../errors.ts';
import { BincodeReader } from '../formats/bincode.ts';
import type { JsonValue } from '../json.ts';

/** A node of an older sidecar or JSON graph; members are named as there. */
export type OldNode =
  | { readonly kind: 'trunk'; readonly sourceHash: string; readonly totalBytes: number }
  | { readonly kind: 'branch'; readonly label: string; readonly modality: string }
  | OldLeaf;

export interface OldLeaf {
  readonly kind: 'leaf';
  readonly label?: string | undefined;
  readonly startOffset?: number | undefined;
  readonly endOffset?: number | undefined;
  readonly confidence?: number | undefined;
  readonly extra?: { readonly [key: string]: JsonValue } | undefined;
  /** A key of `extra` whose type is not known: neither it nor what stands behind it could be read. */
  readonly unknownExtra?: string | undefined;
}

type Scalar = 'string' | 'uint' | 'f64' | 'bool' | 'null';
type Type = Scalar | readonly [Type] | { readonly [key: string]: Type };

/**
 * Types of the keys of `extra`, which bincode stores without: the likeliest first. A number that is not finite was stored
 * as null, in no bytes at all, so every number may also be that. What a leaf really holds is the first reading that ends
 * where the blob does.
 */
const number: readonly Type[] = ['f64', 'null'];
const point = { cx: 'f64', cy: 'f64' } as const;
const box = { x1: 'f64', x2: 'f64', y1: 'f64', y2: 'f64' } as const;
const pixels = { x1: 'uint', x2: 'uint', y1: 'uint', y2: 'uint' } as const;

const keyTypes = new Map<string, readonly Type[]>([
  ...['char', 'token', 'column', 'source', 'kind', 'hash', 'node_type'].map((key) => [key, ['string']] as const),
  ...['index', 'frame_index', 'bbox_count', 'patch_index', 'patch_length', 'page', 'x', 'y', 'width', 'height'].map(
    (key) => [key, ['uint']] as const,
  ),
  ...['coherence_score', 'mean_entropy', 'local_entropy', 'duration_ms', 'timestamp'].map(
    (key) => [key, number] as const,
  ),
  ['is_named', ['bool']],
  ['bbox_areas', [['f64']]],
  ['bbox_centroids', [[point]]],
  ['bounding_boxes', [[box], [pixels]]],
]);

/** Readings that are tried for one leaf at most. */
const MOST_READINGS = 256;

/**
 * Reads a blob of `nodes.data` of an older sidecar.
 * @throws SluiceError `BAD_BINCODE` where it is not exactly one node
 */
export function decodeOldNode(blob: Uint8Array): OldNode {
  const from = new BincodeReader(blob);
  const variant = from.uint();
  if (variant === 0) return whole(from, { kind: 'trunk', sourceHash: from.string(), totalBytes: from.uint() });
  if (variant === 1) return whole(from, { kind: 'branch', label: from.string(), modality: from.string() });
  if (variant !== 2) throw new SluiceError(`no node has variant ${variant}`, { code: 'BAD_BINCODE' });
  const label = from.bool() ? { label: from.string() } : {};
  if (!from.bool()) return whole(from, { kind: 'leaf', ...label });
  const leaf = {
    kind: 'leaf',
    ...label,
    startOffset: from.uint(),
    endOffset: from.uint(),
    confidence: from.f32(),
  } as const;
  return from.bool() ? { ...leaf, ...extraFrom(blob.subarray(from.offset)) } : whole(from, leaf);
}

function whole<T extends OldNode>(from: BincodeReader, node: T): T {
  from.end();
  return node;
}

function extraFrom(bytes: Uint8Array): Pick<OldLeaf, 'extra' | 'unknownExtra'> {
  const from = new BincodeReader(bytes);
  const count = from.uint();
  const reading = new Readings(bytes);
  const found = reading.members(from.offset, count);
  if (found !== undefined) return { extra: found };
  if (reading.unknown !== undefined) return { unknownExtra: reading.unknown };
  throw new SluiceError('the extra values of a leaf do not end where its blob does', { code: 'BAD_BINCODE' });
}

type Extra = { readonly [key: string]: JsonValue };

/** Tries the types that keys may have, one after the other, until a reading ends with the last byte. */
class Readings {
  /** The first key that has no type. */
  unknown: string | undefined;
  readonly #bytes: Uint8Array;
  #tried = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  members(at: number, left: number): Extra | undefined {
    if (left === 0) return at === this.#bytes.length ? {} : undefined;
    const key = this.#try(at, (from) => from.string());
    if (key === undefined) return undefined;
    const types = keyTypes.get(key.value);
    if (types === undefined) this.unknown ??= key.value;
    for (const type of types ?? []) {
      const member = this.#try(key.end, (from) => valueFrom(from, type));
      const rest = member === undefined ? undefined : this.members(member.end, left - 1);
      if (member !== undefined && rest !== undefined) return { [key.value]: member.value, ...rest };
    }
    return undefined;
  }

  #try<T>(at: number, read: (from: BincodeReader) => T): { readonly value: T; readonly end: number } | undefined {
    if (this.#tried++ > MOST_READINGS) return undefined;
    const from = new BincodeReader(this.#bytes.subarray(at));
    try {
      return { value: read(from), end: at + from.offset };
    } catch (error) {
      if (error instanceof SluiceError) return undefined;
      throw error;
    }
  }
}

function valueFrom(from: BincodeReader, type: Type): JsonValue {
  switch (type) {
    case 'string':
      return from.string();
    case 'uint':
      return from.uint();
    case 'bool':
      return from.bool();
    case 'null':
      return null;
    case 'f64': {
      const value = from.f64();
      if (!Number.isFinite(value)) throw new SluiceError('no number', { code: 'BAD_BINCODE' });
      return value;
    }
  }
  if (isList(type)) {
    const list: JsonValue[] = [];
    for (let left = from.uint(); left > 0; left--) list.push(valueFrom(from, type[0]));
    return list;
  }
  const count = from.uint();
  const members: Record<string, JsonValue> = {};
  for (let left = count; left > 0; left--) {
    const key = from.string();
    const member = type[key];
    if (member === undefined) throw new SluiceError(`no type for '${key}'`, { code: 'BAD_BINCODE' });
    members[key] = valueFrom(from, member);
  }
  return members;
}

function isList(type: Exclude<Type, Scalar>): type is readonly [Type] {
  return Array.isArray(type);
}
