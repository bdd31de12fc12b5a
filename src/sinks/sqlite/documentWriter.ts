import { PipelineError } from '../../errors.ts';
import { SQLITE_DOCUMENTS_FORMAT } from '../../formats/names.ts';
import type { Document } from '../../records.ts';
import type { SinkContext, SinkWriter } from '../sink.ts';
import { cellsOf } from '../table/columns.ts';
import { rowBytes } from '../table/packedRows.ts';
import { storedColumns, type TypedColumn } from '../table/typedColumns.ts';
import { DOCUMENT_BYTES } from './rowBytes.ts';
import { documentTables } from './schema.ts';
import { type TableFileOptions, TableFiles } from './tableFiles.ts';

/** Text on its way into a database is a string, and JavaScript has none that are longer. */
const LARGEST = 2 ** 29 - 2 ** 10;

/** Writes documents into one table. */
export function documentWriter(
  context: SinkContext,
  options: TableFileOptions,
  typed: readonly TypedColumn[],
): SinkWriter<Document> {
  const tables = documentTables(storedColumns(typed));
  const files = new TableFiles(
    context,
    options,
    { format: SQLITE_DOCUMENTS_FORMAT, tables },
    { documents: 0, bytes: 0 },
  );
  return {
    async write(document) {
      if (document.bytes.length > LARGEST) throw tooLarge(document);
      const cells = cellsOf(document, typed);
      const size = rowBytes(cells, DOCUMENT_BYTES);
      if (files.isFull(size)) await files.close();
      files.reserve(size);
      files.add(0, cells);
      files.count({ documents: 1, bytes: document.bytes.length });
    },
    finish: () => files.finish(),
  };
}

function tooLarge({ id, bytes, source }: Document): PipelineError {
  return new PipelineError(`document '${id}' has ${bytes.length} bytes, and a row can hold ${LARGEST}`, {
    code: 'DOCUMENT_TOO_LARGE',
    path: source.uri,
    position: source.position,
    hint: "lower the source's limit on records, or write documents with jsonl()",
  });
}
