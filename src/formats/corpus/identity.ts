import type { DocumentRow } from '../sidecarRows.ts';
import type { Identity } from './openDocument.ts';
import { type CorpusPart, SidecarFile } from './sidecarFile.ts';

/** The next sidecar's row of a document, where it goes on there. */
export function goesOn(before: DocumentRow, next: DocumentRow | undefined): next is DocumentRow {
  return next !== undefined && before.complete === 0 && next.part === before.part + 1 && next.doc_id === before.doc_id;
}

/**
 * Hashes of a document that the shard in hand may not end: what the sidecars behind it say of its last part. Its bytes are those
 * of the source record, whose hash is known then, where its segments are its own from the first byte to the last.
 *
 * @param behind sidecars behind the one in hand, of the same split
 */
export async function identityOf(
  row: DocumentRow,
  sidecar: SidecarFile,
  behind: Iterable<CorpusPart>,
): Promise<Identity> {
  let last = row;
  let end = ownBytes(row, sidecar, 0);
  for (const part of behind) {
    if (last.complete === 1) break;
    const next = await SidecarFile.open(part.file);
    try {
      const first = next.firstDocument();
      if (!goesOn(last, first)) break;
      last = first;
      end = ownBytes(first, next, end);
    } finally {
      next.close();
    }
  }
  const contentSha256 = last.whole_sha256 ?? last.content_sha256;
  const isWhole = last !== row && end === row.document_bytes && row.part === 0;
  return { sha256: row.sha256 ?? (isWhole ? contentSha256 : null), contentSha256 };
}

/** How far the source record is covered without gap, where it was up to `end`; NaN where it is not. */
function ownBytes({ document }: DocumentRow, sidecar: SidecarFile, end: number): number {
  let at = end;
  for (const { derived, origin_start, start, bytes } of sidecar.segmentsOf(document)) {
    at = derived === null && origin_start + start === at ? at + bytes : Number.NaN;
  }
  return at;
}
