import type { Position } from './errors.ts';
import type { Quantizer } from './quantization/quantizer.ts';
import type { Encoded as QuantizedRows } from './quantization/scheme.ts';

export const MODALITIES = ['text', 'code', 'image', 'audio', 'video', 'pdf', 'archive', 'binary'] as const;

/** What kind of content bytes are; `binary` is whatever no detector knows. */
export type Modality = (typeof MODALITIES)[number];

/** Values that travel with a document: the typed columns of a table, or facts a source knows. */
export type MetaValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly MetaValue[]
  | { readonly [key: string]: MetaValue };
export type Meta = { readonly [key: string]: MetaValue };

/**
 * A file that a row holds or points to: its bytes, or where it lies (a path or URL), or both, in which case the bytes count.
 * As Hugging Face datasets store images and audio.
 */
export type FileRef = { readonly bytes: Uint8Array | null; readonly path: string | null };

export interface SourceRef {
  readonly split: string;
  /** File path relative to the source's root with `/`, or `archive.tar!/member`. */
  readonly uri: string;
  readonly position: Position;
  /**
   * What paths in the document are relative to: a folder of this machine, or a URL. For stages alone: it is never written
   * to an output.
   */
  readonly base?: string | undefined;
}

/** One record of a source: the unit that is kept, rejected, deduplicated and listed in the output. */
export interface Document<M extends Meta = Meta> {
  readonly id: string;
  /** Name of the record (row, sample) that this document is one of several views of: its text, its image. Absent where it is one by itself. */
  readonly record?: string | undefined;
  readonly source: SourceRef;
  /** The record's own bytes. Stages may keep views of it but never write to it. */
  readonly bytes: Uint8Array;
  /** Set where the source knows better than detection by content. */
  readonly modality?: Modality | undefined;
  readonly meta: M;
}

/** What is left of a document once its bytes have been cut into segments. */
export interface DocumentHead<M extends Meta = Meta> {
  readonly id: string;
  /** See {@link Document.record}. */
  readonly record?: string | undefined;
  readonly source: SourceRef;
  readonly byteLength: number;
  /** SHA-256 of the document's bytes, lower-case hex, where the stage that cut it has taken it. */
  readonly sha256?: string | undefined;
  readonly meta: M;
}

/** How a segment's bytes relate to its document's: the same bytes at a range, or derived from that range. */
export interface Origin {
  readonly start: number;
  readonly end: number;
  /** The derivation, such as `utf-16le -> utf-8`; absent where the bytes are the document's own. */
  readonly derived?: string;
}

/** A typed piece of a document that the model sees without interruption. */
export interface Segment<M extends Meta = Meta> {
  readonly document: DocumentHead<M>;
  /** Position among the segments of its document, from 0. */
  readonly index: number;
  /** True on the last segment of its document. */
  readonly last: boolean;
  readonly bytes: Uint8Array;
  readonly label: string;
  readonly modality: Modality;
  readonly mediaType: string;
  readonly origin: Origin;
  readonly meta: Meta;
}

/** Documents, or segments, for a consumer that takes many at once: see `similarityBatch`. Each is still a context by itself. */
export interface Batch<T> {
  /** Position among the batches of the flow, from 0. */
  readonly index: number;
  /** Segments of one document stand together, in order. */
  readonly values: readonly T[];
  /** How many documents these are. */
  readonly units: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Bytes of the longest document. */
  readonly longest: number;
  /** Mean estimated Jaccard similarity of pairs of them, 0 to 1. Absent where there is only one. */
  readonly similarity?: number | undefined;
}

/**
 * What the entropy model says about a run of bytes of one segment (byte view: `entropies[i]` is the uncertainty about
 * byte i given all bytes before it, `norms[i]` the L2 norm of the state at byte i).
 * A long segment arrives as several of these, in order; a short one as exactly one.
 */
export interface Encoded<M extends Meta = Meta> {
  readonly segment: Segment<M>;
  /** Offset of the first byte within `segment.bytes`. */
  readonly offset: number;
  /** View of `segment.bytes`. */
  readonly bytes: Uint8Array;
  /** True on the last run of its segment. */
  readonly last: boolean;
  /** f32[T], nats. */
  readonly entropies: Float32Array;
  /** f32[T]. */
  readonly norms: Float32Array;
  /** f32[T * dim] row by row: the residual stream before the final norm. Absent when not asked for. */
  readonly preNorm?: Float32Array | undefined;
  /** In place of them, where `patch` follows at once and the model's device can pool: see {@link PooledStates}. */
  readonly pooled?: PooledStates | undefined;
  readonly dim: number;
  /** The model's calibrated threshold for the segment's modality, in nats: what `patch({ threshold: 'auto' })` uses. Absent where it has none. */
  readonly autoThreshold?: number | undefined;
}

/** States of a run, averaged over the parts that patches divide it into. */
export interface PooledStates {
  /** Offsets into the run at which patches end, in order. */
  readonly ends: Int32Array;
  /** f32[ends + 1, dim]: means of the bytes before each end, and of those behind the last; zeros where there are none. */
  readonly means: Float32Array;
}

/** Whole patches of one segment, in order; together those of a segment cover its bytes exactly once. */
export interface Patches<M extends Meta = Meta> {
  readonly segment: Segment<M>;
  /** Offset of the first patch's first byte within `segment.bytes`. */
  readonly offset: number;
  /** The bytes these patches hold, in order. */
  readonly bytes: Uint8Array;
  /** True on the last value of its segment. */
  readonly last: boolean;
  /** i32[P] byte lengths; they sum to `bytes.length`. */
  readonly lengths: Int32Array;
  /** f32[P * dim]: mean of the pre-norm states of the patch's bytes. */
  readonly embeddings: Float32Array;
  readonly dim: number;
  /** f32[P]: aggregated norm. */
  readonly prominence: Float32Array;
  /** f32[P]: mean entropy in nats. */
  readonly entropy: Float32Array;
  /** f32[P]: prominence^2 / (entropy + 1e-6). */
  readonly coherence: Float32Array;
  /** Per-byte signals of the same bytes. */
  readonly entropies: Float32Array;
  readonly norms: Float32Array;
  /**
   * What `quantize` has made of some of the above, which are still there: sinks write it in their place, or beside them.
   * The same fields in the same order in all values of a flow.
   */
  readonly quantized?: readonly QuantizedField[] | undefined;
}

export const QUANTIZED_FIELDS = ['embeddings', 'prominence', 'entropy', 'entropies', 'norms'] as const;

/** What can be quantized: `embeddings` has `dim` columns and a row a patch; a signal of patches or of bytes has one column. */
export type QuantizedFieldName = (typeof QUANTIZED_FIELDS)[number];

/** Rows of one field of {@link Patches} in fewer bytes. */
export interface QuantizedField {
  readonly field: QuantizedFieldName;
  /** How the bytes were made and can be read again; the same object in all values of a flow. */
  readonly quantizer: Quantizer;
  /** True where the float32 values are to be written as well. */
  readonly keep: boolean;
  /** For each of `quantizer.parts` the bytes of all rows. */
  readonly encoded: QuantizedRows;
}
