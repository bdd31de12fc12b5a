import type { Position } from '../errors.ts';
import type { LayoutFormat, PatchTable } from './layout.ts';

/** A segment of a document, as far as it lies in this file. */
export interface LayoutSegment {
  /** Number within the document. */
  readonly index: number;
  readonly label: string;
  readonly modality: string;
  readonly mediaType: string;
  readonly patches: number;
  readonly bytes: number;
  /** Offset, within the segment, of the first byte that lies here. */
  readonly start: number;
  readonly segmentBytes: number;
  readonly originStart: number;
  readonly originEnd: number;
  readonly derived: string | null;
  /** JSON. */
  readonly meta: string;
}

/** A document, or the part of one that a file holds. What is not known is absent. */
export interface LayoutDocument {
  readonly id: string;
  /** Name of the record that it is a view of. */
  readonly record?: string | undefined;
  /** Of the source record where it is known; else the file, or the member of the archive, that holds the patches. */
  readonly uri: string;
  readonly format: LayoutFormat;
  readonly position?: Position | undefined;
  /** Of its first segment. */
  readonly modality?: string | undefined;
  readonly label?: string | undefined;
  /** Of the whole source record. */
  readonly byteLength?: number | undefined;
  /** Of the source record, lower-case hex. */
  readonly sha256?: string | undefined;
  /** JSON. */
  readonly meta: string;
  /** How many files before this one hold parts of it. */
  readonly part: number;
  /** Whether it ends in this file. */
  readonly complete: boolean;
  /** Its patches in `table`. */
  readonly firstPatch: number;
  readonly patches: number;
  /** Offset of its first byte there. */
  readonly firstByte: number;
  readonly bytes: number;
  /** Absent where the file does not tell: all of it is one. */
  readonly segments?: readonly LayoutSegment[] | undefined;
  readonly table: PatchTable;
  /** A sidecar that lies where this file's should, and is another's. */
  readonly foreignSidecar?: string | undefined;
}

/** The one document that a file without any further knowledge is. */
export function wholeDocument(id: string, uri: string, table: PatchTable): LayoutDocument {
  const { format, patches, bytes } = table;
  return {
    id,
    uri,
    format,
    meta: '{}',
    part: 0,
    complete: true,
    firstPatch: 0,
    patches,
    firstByte: 0,
    bytes,
    table,
  };
}
