import type Sqlite from 'better-sqlite3';
import type { Position } from '../errors.ts';
import type { DocumentRow, SegmentRow } from '../formats/sidecarRows.ts';
import type { LayoutDocument, LayoutSegment } from './document.ts';
import { badLayout, type PatchTable } from './layout.ts';

/** Whether a sidecar is one of this program: it lists documents and segments. */
export function listsDocuments(db: Sqlite.Database): boolean {
  const tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('documents', 'segments')";
  return db.prepare<[], number>(tables).pluck().get() === 2;
}

/**
 * The documents of a shard of this program, in order, as its sidecar lists them; the segments of one at a time are held.
 * @throws SluiceError `COUNT_MISMATCH` where they do not cover the patches and bytes of the shard without gap
 */
export function* shardDocuments(db: Sqlite.Database, table: PatchTable): Generator<LayoutDocument, void, undefined> {
  const segments = db.prepare<[], SegmentRow>('SELECT * FROM segments ORDER BY segment').iterate();
  try {
    let next = segments.next();
    let patch = 0;
    let byte = 0;
    for (const row of db.prepare<[], DocumentRow>('SELECT * FROM documents ORDER BY document').iterate()) {
      if (row.first_patch !== patch || row.first_byte !== byte)
        throw apart(table, `document '${row.doc_id}' begins at patch ${row.first_patch}, not ${patch}`);
      const own: LayoutSegment[] = [];
      let patches = 0;
      let bytes = 0;
      for (; next.done !== true && next.value.document === row.document; next = segments.next()) {
        own.push(segmentOf(next.value));
        patches += next.value.patches;
        bytes += next.value.bytes;
      }
      if (patches !== row.patches || bytes !== row.bytes)
        throw apart(table, `document '${row.doc_id}' has other patches than its segments`);
      patch += patches;
      byte += bytes;
      yield documentOf(row, own, table);
    }
    if (next.done !== true) throw apart(table, 'it lists segments of no document');
    if (patch !== table.patches || byte !== table.bytes)
      throw apart(
        table,
        `it lists ${patch} patches of ${byte} bytes, and there are ${table.patches} of ${table.bytes}`,
      );
  } finally {
    segments.return?.();
  }
}

function apart(table: PatchTable, what: string) {
  return badLayout(
    table.path,
    'COUNT_MISMATCH',
    `and its sidecar do not belong together: ${what}`,
    'check the output with sluice verify',
  );
}

function documentOf(row: DocumentRow, segments: readonly LayoutSegment[], table: PatchTable): LayoutDocument {
  return {
    id: row.doc_id,
    record: row.record ?? undefined,
    uri: row.uri,
    format: table.format,
    position: positionOf(row),
    modality: row.modality,
    byteLength: row.document_bytes,
    sha256: row.sha256 ?? undefined,
    meta: row.meta,
    part: row.part,
    complete: row.complete === 1,
    firstPatch: row.first_patch,
    patches: row.patches,
    firstByte: row.first_byte,
    bytes: row.bytes,
    segments,
    table,
  };
}

function positionOf({ ordinal, byte, line, row, member, record_part: part }: DocumentRow): Position {
  return {
    ordinal,
    ...(byte === null ? {} : { byte }),
    ...(line === null ? {} : { line }),
    ...(row === null ? {} : { row }),
    ...(member === null ? {} : { member }),
    ...(part === null ? {} : { part }),
  };
}

function segmentOf(row: SegmentRow): LayoutSegment {
  return {
    index: row.segment_index,
    label: row.label,
    modality: row.modality,
    mediaType: row.media_type,
    patches: row.patches,
    bytes: row.bytes,
    start: row.start,
    segmentBytes: row.segment_bytes,
    originStart: row.origin_start,
    originEnd: row.origin_end,
    derived: row.derived,
    meta: row.meta,
  };
}
