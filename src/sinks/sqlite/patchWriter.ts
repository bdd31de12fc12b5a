import { SQLITE_PATCHES_FORMAT } from '../../formats/names.ts';
import { PATCH_FIELDS } from '../../quantization/fieldTensors.ts';
import type { DocumentHead, Patches } from '../../records.ts';
import { headMetaJson } from '../metaJson.ts';
import { byDocument, type PatchDocument } from '../patchDocument.ts';
import { openQuantized, quantizationMetadata, quantizedInfo } from '../quantizedColumns.ts';
import type { SinkContext, SinkWriter } from '../sink.ts';
import { positionCells } from '../table/columns.ts';
import { type PatchedDocument, patchedDocumentCells, patchRows } from '../table/patchRows.ts';
import { storedColumns, type TypedColumn } from '../table/typedColumns.ts';
import { DOCUMENT_BYTES, PATCH_BYTES } from './rowBytes.ts';
import { patchTables } from './schema.ts';
import { type TableFileOptions, TableFiles } from './tableFiles.ts';

const DOCUMENTS = 0;
const PATCHES = 1;
/**
 * Part of a file that a document is taken in at a time; only between two of them can it go on in the next file. Rows of
 * patches of one byte count for ten times what those patches do.
 */
const PIECES = 8;
const LEAST_PIECE = 4096;

/** Writes patches into two tables: a row for each patch, and a row for each document, or for what a file has of one. */
export function patchWriter(
  context: SinkContext,
  options: TableFileOptions,
  typed: readonly TypedColumn[],
  first: Patches,
): SinkWriter<Patches> {
  const none = { rows: 0, documents: 0, patches: 0, bytes: 0 };
  const quantized = openQuantized(first, PATCH_FIELDS, { sink: 'sqlite', learned: 'reference' });
  const content = {
    format: SQLITE_PATCHES_FORMAT,
    tables: patchTables(storedColumns(typed), quantized),
    meta: quantizationMetadata(quantized),
    info: quantizedInfo(quantized),
  };
  const files = new TableFiles(context, options, content, none);
  /** What the file at hand has of the document that has not ended. */
  let open: PatchedDocument | undefined;
  const endDocument = (): void => {
    if (open === undefined) return;
    const { document: head, part, patches, bytes } = open;
    const cells = [
      ...patchedDocumentCells(open),
      ...positionCells(head),
      Buffer.from(headMetaJson(head)),
      ...typed.map((column) => column.cell(head)),
    ];
    files.add(DOCUMENTS, cells);
    files.count({ rows: 1, documents: part === 0 ? 1 : 0, patches, bytes });
    open = undefined;
  };
  const take = async (piece: PatchDocument): Promise<void> => {
    // A document may have been broken off.
    if (piece.part === 0) endDocument();
    const size = headBytes(piece.document) + piece.patches * (PATCH_BYTES + 4 * piece.dim) + piece.bytes;
    let part = open?.part ?? 0;
    if (files.isFull(size)) {
      if (open !== undefined) part++;
      endDocument();
      await files.close();
    }
    const number = BigInt(files.rows(DOCUMENTS));
    files.reserve(size);
    for (const { cells } of patchRows(piece)) files.add(PATCHES, [number, ...cells]);
    open = joinedTo(open, { ...piece, part });
    if (piece.complete) endDocument();
  };
  const documents = byDocument('sqlite', Math.max(LEAST_PIECE, Math.floor(options.fileBytes / PIECES)), take);
  return {
    write: (value) => documents.write(value),
    async finish() {
      await documents.finish();
      endDocument();
      const { rows: _, ...counts } = await files.finish();
      return counts;
    },
  };
}

function headBytes(head: DocumentHead): number {
  return (
    DOCUMENT_BYTES +
    [head.id, head.source.uri, headMetaJson(head)].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  );
}

/** A document of two pieces, the first of which is already there, if any. */
function joinedTo(before: PatchedDocument | undefined, piece: PatchDocument): PatchedDocument {
  if (before === undefined) return piece;
  return {
    ...piece,
    modality: before.modality,
    patches: before.patches + piece.patches,
    bytes: before.bytes + piece.bytes,
    derived: [...new Set([...before.derived, ...piece.derived])].sort(),
  };
}
