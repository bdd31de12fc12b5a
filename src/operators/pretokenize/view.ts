import type { Meta, Modality } from '../../records.ts';

/**
 * Segments of a view in columns: a picture has thousands, and they come from another process. Segments follow one
 * another in the bytes they are cut from, without gap.
 */
export interface SegmentTable {
  /** Where each segment ends, in bytes; the last one at the end. */
  readonly ends: Float64Array;
  /** First byte, and the one behind the last, of the range that a derived segment stands for; absent: of everything. */
  readonly origins?: Float64Array | undefined;
  readonly labels: readonly string[];
  /** Which label a segment has; absent: the first. */
  readonly labelOf?: Uint16Array | undefined;
  /** What all segments have in common. */
  readonly meta: Meta;
  /** A number for each segment; NaN where it has none. */
  readonly columns?: Readonly<Record<string, Float64Array>> | undefined;
  /** What else is known of single segments. */
  readonly metas?: readonly (Meta | undefined)[] | undefined;
  /** Which of `metas` a segment has, where many have the same; absent: the one at its own place. */
  readonly metaOf?: Uint32Array | undefined;
}

/**
 * What a record, or a member of one, becomes: a document with its segments. A record may have several (views).
 * Everything here crosses a process boundary: plain values and typed arrays, no functions.
 */
export interface View {
  /** What is added to the document's id: nothing, `#page-images`, `!/path/in/archive`, `!/scan.pdf#text`. */
  readonly suffix: string;
  /** Path of the member in its archive, archives in archives joined by `!/`. */
  readonly member?: string | undefined;
  /**
   * Views of one record have `same_source` edges: the part of the suffix that names the record (`''`, `!/scan.pdf`).
   * Absent where it is one by itself.
   */
  readonly record?: string | undefined;
  /** Facts of the view, added to those of the document. */
  readonly meta?: Meta | undefined;
  readonly modality: Modality;
  readonly mediaType: string;
  /** The bytes that ranges count in, where they are not those of the document itself: those of a member. */
  readonly content?: Uint8Array | undefined;
  /** How many bytes a member has, of which `content` is absent where segments were derived. */
  readonly contentBytes?: number | undefined;
  /** How segments were derived, with the decoder and its version: `jpeg -> rgb8 (libvips 8.18.7)`. Absent where they are the bytes themselves. */
  readonly derived?: string | undefined;
  /** The bytes of all segments, where they were derived. */
  readonly bytes?: Uint8Array | undefined;
  readonly segments: SegmentTable;
}

/** A record, view or member that could not be taken apart. */
export interface Refused {
  readonly suffix: string;
  readonly member?: string | undefined;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export type Cut = View | Refused;

export const isRefused = (cut: Cut): cut is Refused => 'code' in cut;
