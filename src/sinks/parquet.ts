import type { CompressionCodec } from 'hyparquet';
import { PipelineError } from '../errors.ts';
import { PARQUET_DOCUMENTS_FORMAT } from '../formats/names.ts';
import { requireOptions } from '../knownOptions.ts';
import { PATCH_FIELDS } from '../quantization/fieldTensors.ts';
import type { Document, Patches } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import { eitherWriter } from './eitherWriter.ts';
import { type PatchTable, patchedDocumentTable, patchTable } from './parquet/patchTables.ts';
import { type Table, type TableLayout, TableWriter } from './parquet/tableWriter.ts';
import { byDocument } from './patchDocument.ts';
import { openQuantized, quantizationMetadata, quantizedInfo } from './quantizedColumns.ts';
import { checkedFolder } from './shardName.ts';
import type { Sink, SinkContext, SinkWriter } from './sink.ts';
import { cellsOf, documentColumns } from './table/columns.ts';
import { storedColumns, type TypedColumn, type TypedColumns, typedColumns } from './table/typedColumns.ts';

export interface ParquetOptions {
  /** Members of `meta` to write as typed columns besides. Default: none. */
  readonly columns?: TypedColumns | undefined;
  /** Bytes after which a file ends and the next begins, before compression. Default 256 MiB. */
  readonly fileBytes?: number | undefined;
  /** Bytes of a row group before compression; one is in memory at a time. Default 16 MiB. */
  readonly rowGroupBytes?: number | undefined;
  /**
   * Default `zstd`: smaller than `snappy` and written faster. The bytes of `zstd` and `gzip` files depend on the release
   * of Node that compresses them, those of `snappy` and `none` do not.
   */
  readonly compression?: keyof typeof codecs | undefined;
  /** What a row is where patches arrive: a patch (default), or a document with lists. */
  readonly rows?: keyof typeof tables | undefined;
}

const OPTIONS = { columns: true, fileBytes: true, rowGroupBytes: true, compression: true, rows: true } as const;

const codecs = {
  zstd: 'ZSTD',
  snappy: 'SNAPPY',
  gzip: 'GZIP',
  none: 'UNCOMPRESSED',
} as const satisfies Record<string, CompressionCodec>;

/**
 * Measured, for documents of 20 bytes, where it is most: rows as they were gathered, the objects that stand for them while
 * they are encoded, pages before and after compression, and what of all this is not collected yet.
 */
const COPIES = 8;
/** What does not grow with row groups. */
const BESIDES = 16 << 20;
/** The least that a document may count for before it is divided. */
const LEAST_DOCUMENT = 4096;

const tables = { patch: patchTable, document: patchedDocumentTable } as const;

/**
 * Writes documents as Parquet, `<dir>/<split>-<n>.parquet`, losslessly: `id`, `record`, `uri`, the bytes as `text` where they
 * are valid UTF-8 and else as `bytes`, `modality`, the position in the source (`ordinal`, `byte`, `line`, `row`, `member`,
 * `record_part`), and `meta` as JSON with sorted keys. What a document does not have is null.
 * Half of a surrogate pair, which UTF-8 cannot say, becomes U+FFFD in an id or uri.
 *
 * Patches become one row each (`rows: 'patch'`): `doc_id`, `record`, `uri`, `patch_index`, `segment`, `modality`, `derived`,
 * `offset`, `bytes`, `prominence`, `entropy`, `coherence`, `embedding`. Or one row a document (`rows: 'document'`), with the lists
 * `patch_lengths`, `prominence`, `patch_entropies`, `coherence` and `embeddings` (f32 [P, D] row by row), its `bytes`, position
 * and `meta`. docs/output.md has the types.
 *
 * What `quantize` has quantized has a column of bytes for each of its parts instead, such as `embedding_codes` and
 * `embedding_scales`, or `embeddings_codes` in rows of documents, and `quantization` in the file's metadata tells how to read them.
 *
 * Row groups and files are cut by what bytes a row has, and 1024 for each document or 384 for each patch. A row is never divided: one that is larger than a row group has one to itself, and is in memory about four times
 * meanwhile. Of patches a document that counts for more than half a row group goes on in further rows.
 *
 *     parquet('documents', { columns: { lang: 'string', score: 'double?' } })
 *
 * @param dir folder within the output folder. Default `documents`
 * @throws PipelineError `BAD_FOLDER`, `BAD_FILE_BYTES`, `BAD_ROW_GROUP_BYTES`, `BAD_COMPRESSION`, `BAD_ROWS`,
 * `RESERVED_COLUMN`, `UNKNOWN_KIND`; the flow fails with `COLUMN_TYPE` where a document's metadata are not what `columns`
 * declares, `DOCUMENT_TOO_LARGE` beyond 2 GiB, `RESERVED_COLUMN` for a name that a table of patches has, `QUANTIZER_FILE` as that of
 * `safetensors`, and `MIXED_VALUES` or
 * `WRONG_VALUES` where values are not all documents or all patches
 */
export function parquet(dir = 'documents', options: ParquetOptions = {}): Sink<Document | Patches> {
  requireOptions('parquet', options, OPTIONS);
  const folder = checkedFolder(dir);
  const { columns = {}, fileBytes = 256 << 20, rowGroupBytes = 16 << 20 } = options;
  const { compression = 'zstd', rows = 'patch' } = options;
  requireBytes('fileBytes', 'BAD_FILE_BYTES', fileBytes);
  requireBytes('rowGroupBytes', 'BAD_ROW_GROUP_BYTES', rowGroupBytes);
  requireOneOf(compression, codecs, 'BAD_COMPRESSION', 'files cannot be compressed with');
  requireOneOf(rows, tables, 'BAD_ROWS', 'there are no rows of');
  const typed = typedColumns(columns, documentColumns);
  const layout: TableLayout = { folder, fileBytes, rowGroupBytes, codec: codecs[compression] };
  return {
    kind: 'parquet',
    // As a list, for the order of the columns is part of what the files are.
    options: { dir: folder, columns: Object.entries(columns), fileBytes, rowGroupBytes, compression, rows },
    // Of patches also a document that is being gathered, and joined.
    holds: (COPIES + 1) * rowGroupBytes + BESIDES,
    open: async (context) =>
      eitherWriter('parquet', {
        documents: () => documentWriter(context, layout, typed),
        patches: (first) => patchWriter(context, layout, tables[rows], columns, first),
      }),
  };
}

function requireOneOf(name: string, known: object, code: string, what: string): void {
  if (Object.hasOwn(known, name)) return;
  throw new PipelineError(`${what} '${name}'`, { code, hint: didYouMean(name, Object.keys(known)) });
}

function requireBytes(name: string, code: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 1) return;
  throw new PipelineError(`${name} is ${bytes}`, { code, hint: 'give a whole number of bytes, at least 1' });
}

function documentWriter(
  context: SinkContext,
  layout: TableLayout,
  typed: readonly TypedColumn[],
): SinkWriter<Document> {
  const columns = [...documentColumns, ...storedColumns(typed)];
  const table = { format: PARQUET_DOCUMENTS_FORMAT, columns, rowBytes: 1024 };
  const rows = new TableWriter(context, layout, table, { documents: 0, bytes: 0 });
  return {
    write: (document) => rows.add(cellsOf(document, typed), { documents: 1, bytes: document.bytes.length }),
    finish: () => rows.finish(),
  };
}

function patchWriter(
  context: SinkContext,
  layout: TableLayout,
  { rowsOf, columns: columnsOf, format, rowBytes }: PatchTable,
  declared: TypedColumns,
  first: Patches,
): SinkWriter<Patches> {
  const quantized = openQuantized(first, PATCH_FIELDS, { sink: 'parquet', learned: 'reference' });
  const own = columnsOf(quantized);
  // names of columns that are not there this time are taken as well
  const typed = typedColumns(declared, [...columnsOf([]), ...own]);
  const table: Table = {
    format,
    rowBytes,
    columns: [...own, ...storedColumns(typed)],
    metadata: quantizationMetadata(quantized),
    info: quantizedInfo(quantized),
  };
  const rows = new TableWriter(context, layout, table, { rows: 0, patches: 0, bytes: 0 });
  const counts = { documents: 0, patches: 0, bytes: 0 };
  // A document is in memory besides the row group that it goes into.
  const documentBytes = Math.max(LEAST_DOCUMENT, layout.rowGroupBytes >> 1);
  const documents = byDocument('parquet', documentBytes, async (document) => {
    const { part, patches, bytes } = document;
    if (part === 0) counts.documents++;
    counts.patches += patches;
    counts.bytes += bytes;
    for (const row of rowsOf(document, typed)) {
      await rows.add(row.cells, { rows: 1, patches: row.patches, bytes: row.bytes });
    }
  });
  return {
    write: (value) => documents.write(value),
    async finish() {
      await documents.finish();
      await rows.finish();
      return counts;
    },
  };
}
