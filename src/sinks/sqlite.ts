import { PipelineError } from '../errors.ts';
import { SQLITE_DOCUMENTS_FORMAT, SQLITE_PATCHES_FORMAT } from '../formats/names.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Document, Patches } from '../records.ts';
import { eitherWriter } from './eitherWriter.ts';
import { checkedCutBytes } from './shardCut.ts';
import { checkedFolder, checkedName } from './shardName.ts';
import type { Sink } from './sink.ts';
import { documentWriter } from './sqlite/documentWriter.ts';
import { gatherTables } from './sqlite/gatherStage.ts';
import { patchWriter } from './sqlite/patchWriter.ts';
import { documentTables, patchTables, type TableSpec } from './sqlite/schema.ts';
import type { StoredColumn } from './table/columns.ts';
import { storedColumns, type TypedColumn, type TypedColumns, typedColumns } from './table/typedColumns.ts';

export interface SqliteOptions {
  /** Members of `meta` to write as typed columns of `documents` besides, as `parquet` has them. Default: none. */
  readonly columns?: TypedColumns | undefined;
  /** Bytes after which a file ends and the next begins, counting 1024 for a document and 256 for a patch. Default 64 MiB. */
  readonly fileBytes?: number | undefined;
  /**
   * Name of one database in the output folder for all splits, such as `documents.db`. It is put together when the last split
   * is done, and takes as much room once more until the run ends; then it takes the place of the others.
   */
  readonly into?: string | undefined;
}

/** Rows as they were gathered, with room to grow, and numbers among them as they cross to the thread that builds the file. */
const COPIES = 5;
/** SQLite's page cache. */
const BESIDES = 4 << 20;

/**
 * Writes SQLite databases, `<dir>/<split>-<n>.db`, each built at once in a worker thread.
 *
 * Documents become rows of a table `documents`, with the columns that `parquet` writes and a number, `document`. Patches
 * become rows of a table `patches` (`patch`, `document`, `patch_index`, `segment`, `modality`, `derived`, `offset`, `bytes`,
 * `prominence`, `entropy`, `coherence`, `embedding` as little-endian f32), and their documents rows of `documents` (`id`,
 * `record`, `uri`, `part`, `complete`, `modality`, `derived`, `num_patches`, `total_bytes`, `embed_dim`, position, `meta`).
 * Numbers count from 0 within the file. Integers of 64 bits are exact, flags are 0 and 1, timestamps milliseconds; SQLite has no
 * NaN and no -0, so they become null and 0.
 * What `quantize` has quantized has a column of bytes for each of its parts instead, such as `embedding_codes`, and `quantization`
 * in `meta` tells how to read them.
 *
 *     sqlite('tables', { columns: { lang: 'string?' }, into: 'documents.db' })
 *
 * @param dir folder within the output folder. Default `tables`
 * @throws PipelineError `BAD_FOLDER`, `BAD_FILE_BYTES` (below 4096 bytes), `BAD_NAME`, `RESERVED_COLUMN`, `UNKNOWN_KIND`; the flow
 * fails with `COLUMN_TYPE`, `DOCUMENT_TOO_LARGE` (512 MiB), `QUANTIZER_FILE` as that of `safetensors`, `MIXED_VALUES` or `WRONG_VALUES`, and with OutputError `MISSING_PACKAGE`
 * without better-sqlite3
 */
export function sqlite(dir = 'tables', options: SqliteOptions = {}): Sink<Document | Patches> {
  requireOptions('sqlite', options, { columns: true, fileBytes: true, into: true });
  const folder = checkedFolder(dir);
  const { columns = {}, into } = options;
  const fileBytes = checkedCutBytes('fileBytes', 'BAD_FILE_BYTES', options.fileBytes ?? 64 << 20);
  const files = { dir: folder, fileBytes, temporary: into !== undefined };
  const typed = checkedColumns(columns, documentTables([]));
  const typedOfPatches = (): TypedColumn[] => checkedColumns(columns, patchTables([]).slice(0, 1));
  const sink: Sink<Document | Patches> = {
    kind: 'sqlite',
    // As a list, for the order of the columns is part of what the files are.
    options: {
      dir: folder,
      columns: Object.entries(columns),
      fileBytes,
      ...(into === undefined ? {} : { into: checkedName(into) }),
    },
    holds: COPIES * fileBytes + BESIDES,
    open: async (context) =>
      eitherWriter('sqlite', {
        documents: () => documentWriter(context, files, typed),
        patches: (first) => patchWriter(context, files, typedOfPatches(), first),
      }),
  };
  if (into === undefined) return sink;
  const tables = new Map([
    [SQLITE_DOCUMENTS_FORMAT, () => documentTables(storedColumns(typed))],
    [SQLITE_PATCHES_FORMAT, () => patchTables(storedColumns(typedOfPatches()))],
  ]);
  return { ...sink, after: [gatherTables(folder, into, tables)] };
}

/** Typed columns of names that a database can have beside those of its tables; it takes names without regard to case. */
function checkedColumns(declared: TypedColumns, tables: readonly TableSpec[]): TypedColumn[] {
  const taken: StoredColumn[] = tables.flatMap(({ key, columns }) => [{ element: { name: key } }, ...columns]);
  const names = Object.keys(declared);
  const twice = names.find((name, i) => names.findIndex((other) => sameName(name, other)) < i || name.includes('\0'));
  if (twice !== undefined) {
    throw new PipelineError(`a typed column cannot be called '${twice}'`, {
      code: 'RESERVED_COLUMN',
      hint: 'SQLite takes names without regard to case, and without NUL',
    });
  }
  return typedColumns(declared, taken);
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
