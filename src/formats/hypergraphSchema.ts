import { SluiceError } from '../errors.ts';
import { BincodeReader, BincodeWriter } from './bincode.ts';

/** Root of a document's tree. */
interface TrunkNode {
  readonly kind: 'trunk';
  /** SHA-256 of the source bytes, lower-case hex. */
  readonly sourceHash: string;
  readonly totalBytes: number;
}

/** A segment of a document: a run of bytes the model saw without interruption. */
interface BranchNode {
  readonly kind: 'branch';
  readonly label: string;
  readonly modality: string;
}

interface LeafMetadata {
  /** Byte range within the document. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** f32. */
  readonly confidence: number;
  /** Values by name; only names in `extraTypes` can be stored. */
  readonly extra?: Readonly<Record<string, ExtraValue>> | undefined;
}

/** A patch, or whatever smaller piece another writer made a leaf. */
interface LeafNode {
  readonly kind: 'leaf';
  readonly label?: string | undefined;
  readonly metadata?: LeafMetadata | undefined;
}

export type HypergraphNode = TrunkNode | BranchNode | LeafNode;
type ExtraValue = string | number | boolean;

export interface Hyperedge {
  readonly vertices: readonly number[];
  readonly label: string;
  /** f32. */
  readonly weight: number;
}

type ExtraType = 'string' | 'uint' | 'f64' | 'bool';

/**
 * bincode stores `extra` without type tags, so each name has its type here: the four a patch carries, and the scalar ones
 * that earlier sidecars of this schema hold.
 */
const extraTypes = new Map<string, ExtraType>([
  ...(['char', 'token', 'column', 'source', 'kind', 'hash', 'node_type'] as const).map(
    (name) => [name, 'string'] as const,
  ),
  ...(
    ['index', 'frame_index', 'bbox_count', 'patch_index', 'patch_length', 'page', 'x', 'y', 'width', 'height'] as const
  ).map((name) => [name, 'uint'] as const),
  ...(['coherence_score', 'mean_entropy', 'local_entropy', 'duration_ms', 'timestamp'] as const).map(
    (name) => [name, 'f64'] as const,
  ),
  ['is_named', 'bool'],
]);

/** A node as the blob of `nodes.data`: variant number (trunk 0, branch 1, leaf 2), then the fields in order. */
export function encodeNode(node: HypergraphNode, to = new BincodeWriter()): Uint8Array {
  if (node.kind === 'trunk') return to.byte(0).string(node.sourceHash).uint(node.totalBytes).take();
  if (node.kind === 'branch') return to.byte(1).string(node.label).string(node.modality).take();
  to.byte(2);
  if (node.label === undefined) to.byte(0);
  else to.byte(1).string(node.label);
  if (node.metadata === undefined) return to.byte(0).take();
  const { startOffset, endOffset, confidence, extra } = node.metadata;
  to.byte(1).uint(startOffset).uint(endOffset).f32(confidence);
  if (extra === undefined) return to.byte(0).take();
  const names = Object.keys(extra).sort();
  to.byte(1).uint(names.length);
  for (const name of names) encodeExtra(to.string(name), name, extra[name]);
  return to.take();
}

function encodeExtra(to: BincodeWriter, name: string, value: ExtraValue | undefined): void {
  const type = extraTypes.get(name);
  if (type === 'string' && typeof value === 'string') to.string(value);
  else if (type === 'uint' && typeof value === 'number') to.uint(value);
  else if (type === 'bool' && typeof value === 'boolean') to.byte(value ? 1 : 0);
  // A number that is not finite would become null, which takes no bytes at all and shifts everything behind it.
  else if (type === 'f64' && typeof value === 'number' && Number.isFinite(value)) to.f64(value);
  else
    throw new SluiceError(`a leaf cannot hold ${name} = ${value}`, { code: 'BAD_NODE', hint: `its type is ${type}` });
}

/** A node as the JSON text of `nodes.metadata`: what the blob says, for readers without its schema. */
export function nodeJson(node: HypergraphNode): string {
  if (node.kind === 'trunk') return JSON.stringify({ source_hash: node.sourceHash, total_bytes: node.totalBytes });
  if (node.kind === 'branch') return JSON.stringify({ label: node.label, modality: node.modality });
  const { label, metadata } = node;
  if (metadata === undefined) return JSON.stringify({ label });
  const { startOffset, endOffset, confidence, extra } = metadata;
  return JSON.stringify({ label, metadata: { start_offset: startOffset, end_offset: endOffset, confidence, extra } });
}

/**
 * Reads a blob of `nodes.data`.
 * @throws SluiceError `BAD_BINCODE` where the blob is not exactly one node, or holds an extra whose type is unknown
 */
export function decodeNode(blob: Uint8Array): HypergraphNode {
  const from = new BincodeReader(blob);
  const node = nodeFrom(from);
  from.end();
  return node;
}

function nodeFrom(from: BincodeReader): HypergraphNode {
  const variant = from.uint();
  if (variant === 0) return { kind: 'trunk', sourceHash: from.string(), totalBytes: from.uint() };
  if (variant === 1) return { kind: 'branch', label: from.string(), modality: from.string() };
  if (variant !== 2) throw new SluiceError(`no node has variant ${variant}`, { code: 'BAD_BINCODE' });
  const label = from.bool() ? from.string() : undefined;
  if (!from.bool()) return { kind: 'leaf', label };
  const range = { startOffset: from.uint(), endOffset: from.uint(), confidence: from.f32() };
  if (!from.bool()) return { kind: 'leaf', label, metadata: range };
  const extra: Record<string, ExtraValue> = {};
  for (let left = from.uint(); left > 0; left--) {
    const name = from.string();
    extra[name] = decodeExtra(from, name);
  }
  return { kind: 'leaf', label, metadata: { ...range, extra } };
}

function decodeExtra(from: BincodeReader, name: string): ExtraValue {
  const type = extraTypes.get(name);
  if (type === 'string') return from.string();
  if (type === 'uint') return from.uint();
  if (type === 'f64') return from.f64();
  if (type === 'bool') return from.bool();
  throw new SluiceError(`a leaf holds '${name}', whose type is unknown`, { code: 'BAD_BINCODE' });
}

/** `hyperedges.vertices`: how many, then their node numbers from 0. */
export function encodeVertices(vertices: readonly number[], to = new BincodeWriter()): Uint8Array {
  return putVertices(vertices, to).take();
}

/** `hyperedges.data`: the vertices again, then the label and the weight. */
export function encodeEdge({ vertices, label, weight }: Hyperedge, to = new BincodeWriter()): Uint8Array {
  return putVertices(vertices, to).string(label).f32(weight).take();
}

function putVertices(vertices: readonly number[], to: BincodeWriter): BincodeWriter {
  to.uint(vertices.length);
  for (const vertex of vertices) to.uint(vertex);
  return to;
}

/**
 * Reads a blob of `hyperedges.vertices`.
 * @throws SluiceError `BAD_BINCODE`
 */
export function decodeVertices(blob: Uint8Array): number[] {
  const from = new BincodeReader(blob);
  const vertices = takeVertices(from);
  from.end();
  return vertices;
}

/**
 * Reads a blob of `hyperedges.data`.
 * @throws SluiceError `BAD_BINCODE`
 */
export function decodeEdge(blob: Uint8Array): Hyperedge {
  const from = new BincodeReader(blob);
  const edge = { vertices: takeVertices(from), label: from.string(), weight: from.f32() };
  from.end();
  return edge;
}

function takeVertices(from: BincodeReader): number[] {
  const vertices: number[] = [];
  for (let left = from.uint(); left > 0; left--) vertices.push(from.uint());
  return vertices;
}
