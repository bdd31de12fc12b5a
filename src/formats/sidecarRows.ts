/** Rows of a sidecar's tables, as far as they are read; the tables are made in `sidecar.ts`. */

export interface DocumentRow {
  document: number;
  doc_id: string;
  uri: string;
  /** Absent in files that earlier versions wrote. */
  record?: string | null;
  node_id: number;
  first_patch: number;
  patches: number;
  first_byte: number;
  bytes: number;
  modality: string;
  part: number;
  complete: number;
  patches_before: number;
  bytes_before: number;
  document_bytes: number;
  sha256: string | null;
  content_sha256: string;
  /** Absent in files that earlier versions wrote. */
  whole_sha256?: string | null;
  ordinal: number;
  byte: number | null;
  line: number | null;
  row: number | null;
  member: string | null;
  record_part: number | null;
  meta: string;
}

export interface SegmentRow {
  segment: number;
  document: number;
  segment_index: number;
  node_id: number;
  label: string;
  modality: string;
  media_type: string;
  first_patch: number;
  patches: number;
  first_byte: number;
  bytes: number;
  start: number;
  segment_bytes: number;
  origin_start: number;
  origin_end: number;
  derived: string | null;
  meta: string;
}

export interface NodeRow {
  id: number;
  data: Uint8Array;
  metadata: string;
}

export interface EdgeRow {
  id: number;
  vertices: Uint8Array;
  data: Uint8Array;
}

export interface SpherePatchRow {
  node_id: number;
  patch_idx: number;
  prominence: number;
}

export interface SphereEdgeRow {
  src_patch: number;
  dst_patch: number;
  weight: number;
  label: string;
}
