/** Rows of a sidecar's tables, as far as they are read; the tables are made in `sidecar.ts`. */

export interface DocumentRow {
  document: number;
  doc_id: string;
  node_id: number;
  first_patch: number;
  patches: number;
  first_byte: number;
  bytes: number;
  part: number;
  complete: number;
  patches_before: number;
  bytes_before: number;
  document_bytes: number;
  sha256: string | null;
  content_sha256: string;
}

export interface SegmentRow {
  document: number;
  node_id: number;
  label: string;
  modality: string;
  first_patch: number;
  patches: number;
  first_byte: number;
  bytes: number;
  start: number;
  segment_bytes: number;
  origin_start: number;
  derived: string | null;
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
