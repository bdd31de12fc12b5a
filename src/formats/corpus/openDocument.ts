import { littleEndianBytes } from '../littleEndian.ts';
import type { DocumentRow, SegmentRow } from '../sidecarRows.ts';
import type { RowTarget } from '../sidecarTables.ts';

/** What is known of a whole document from the shards that it lies in. */
export interface Identity {
  readonly sha256: string | null;
  readonly contentSha256: string;
}

/** Numbers of the corpus that a document begins at. */
export interface Place {
  readonly document: number;
  readonly node: number;
  readonly patch: number;
  readonly byte: number;
}

/** A document that is put together from its rows in one sidecar or several. */
export class OpenDocument {
  readonly place: Place;
  /** Its row in the last sidecar so far. */
  last: DocumentRow;
  patches = 0;
  readonly #first: DocumentRow;
  readonly #identity: Identity;
  #bytes = 0;
  #segment: SegmentRow | undefined;
  /** The mean of its states so far, by bytes; exact where there is one part. */
  #vector: Float32Array | undefined;
  #weight = 0;

  constructor(first: DocumentRow, place: Place, identity: Identity) {
    this.#first = first;
    this.last = first;
    this.place = place;
    this.#identity = identity;
  }

  /** Its last segment so far, which may go on. */
  get segment(): SegmentRow | undefined {
    return this.#segment;
  }

  /** Adds what a sidecar has of it. */
  addPart(row: DocumentRow, vector: Float32Array | undefined): void {
    this.last = row;
    this.patches += row.patches;
    this.#bytes += row.bytes;
    if (vector === undefined) return;
    const before = this.#vector;
    const whole = this.#weight + row.bytes;
    this.#vector = before === undefined ? vector : meanOf(before, this.#weight / whole, vector, row.bytes / whole);
    this.#weight = whole;
  }

  /** Takes a segment with its numbers in the corpus; hands on the one before it, which is whole then. */
  addSegment(segment: SegmentRow, target: RowTarget): void {
    const open = this.#segment;
    if (open?.segment === segment.segment) {
      open.patches += segment.patches;
      open.bytes += segment.bytes;
      return;
    }
    this.#closeSegment(target);
    this.#segment = segment;
  }

  close(target: RowTarget): void {
    this.#closeSegment(target);
    const { last, place } = this;
    const first = this.#first;
    const { sha256, contentSha256 } = this.#identity;
    target
      .rows('documents')
      .add(
        place.document,
        first.doc_id,
        first.uri,
        first.record ?? null,
        place.node,
        place.patch,
        this.patches,
        place.byte,
        this.#bytes,
        first.modality,
        first.part,
        last.complete,
        first.patches_before,
        first.bytes_before,
        first.document_bytes,
        sha256,
        contentSha256,
        null,
        first.ordinal,
        first.byte,
        first.line,
        first.row,
        first.member,
        first.record_part,
        first.meta,
      );
    if (this.#vector !== undefined)
      target.rows('document_vectors').add(place.document, littleEndianBytes(this.#vector));
  }

  #closeSegment(target: RowTarget): void {
    const s = this.#segment;
    if (s === undefined) return;
    this.#segment = undefined;
    target
      .rows('segments')
      .add(
        s.segment,
        s.document,
        s.segment_index,
        s.node_id,
        s.label,
        s.modality,
        s.media_type,
        s.first_patch,
        s.patches,
        s.first_byte,
        s.bytes,
        s.start,
        s.segment_bytes,
        s.origin_start,
        s.origin_end,
        s.derived,
        s.meta,
      );
  }
}

function meanOf(a: Float32Array, shareOfA: number, b: Float32Array, shareOfB: number): Float32Array {
  return a.map((x, i) => shareOfA * x + shareOfB * (b[i] ?? 0));
}
