import type { CompressionCodec } from 'hyparquet';
import { PipelineError } from '../errors.ts';
import { PARQUET_DOCUMENTS_FORMAT } from '../formats/names.ts';
import type { Document } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import { cellsOf, documentColumns, type StoredColumn } from './parquet/columns.ts';
import { ParquetFile } from './parquet/file.ts';
import { RowGroup, rowBytes } from './parquet/rowGroup.ts';
import { type TypedColumn, type TypedColumns, typedColumns } from './parquet/typedColumns.ts';
import { checkedFolder } from './shardName.ts';
import type { Sink, SinkContext, SinkWriter } from './sink.ts';

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
}

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

/**
 * Writes documents as Parquet, `<dir>/<split>-<n>.parquet`, losslessly: `id`, `uri`, the bytes as `text` where they are
 * valid UTF-8 and else as `bytes`, `modality`, the position in the source (`ordinal`, `byte`, `line`, `row`, `member`,
 * `record_part`), and `meta` as JSON with sorted keys. What a document does not have is null. docs/output.md has the types.
 * Half of a surrogate pair, which UTF-8 cannot say, becomes U+FFFD in an id or uri.
 *
 * Row groups and files are cut by what text and bytes a row has, and 1024 for each document. A document is never divided:
 * one that is larger than a row group has one to itself, and is in memory about four times meanwhile.
 *
 *     parquet('documents', { columns: { lang: 'string', score: 'double?' } })
 *
 * @param dir folder within the output folder. Default `documents`
 * @throws PipelineError `BAD_FOLDER`, `BAD_FILE_BYTES`, `BAD_ROW_GROUP_BYTES`, `BAD_COMPRESSION`, `RESERVED_COLUMN`,
 * `UNKNOWN_KIND`; the flow fails with `COLUMN_TYPE` where a document's metadata are not what `columns` declares, and
 * `DOCUMENT_TOO_LARGE` beyond 2 GiB
 */
export function parquet(dir = 'documents', options: ParquetOptions = {}): Sink<Document> {
  const folder = checkedFolder(dir);
  const { columns = {}, fileBytes = 256 << 20, rowGroupBytes = 16 << 20, compression = 'zstd' } = options;
  requireBytes('fileBytes', 'BAD_FILE_BYTES', fileBytes);
  requireBytes('rowGroupBytes', 'BAD_ROW_GROUP_BYTES', rowGroupBytes);
  if (!Object.hasOwn(codecs, compression)) {
    throw new PipelineError(`files cannot be compressed with '${compression}'`, {
      code: 'BAD_COMPRESSION',
      hint: didYouMean(compression, Object.keys(codecs)),
    });
  }
  const layout: Layout = {
    folder,
    typed: typedColumns(columns, documentColumns),
    fileBytes,
    rowGroupBytes,
    codec: codecs[compression],
  };
  return {
    kind: 'parquet',
    // As a list, for the order of the columns is part of what the files are.
    options: { dir: folder, columns: Object.entries(columns), fileBytes, rowGroupBytes, compression },
    holds: COPIES * rowGroupBytes + BESIDES,
    open: async (context) => new DocumentsWriter(context, layout),
  };
}

function requireBytes(name: string, code: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 1) return;
  throw new PipelineError(`${name} is ${bytes}`, { code, hint: 'give a whole number of bytes, at least 1' });
}

interface Layout {
  readonly folder: string;
  readonly typed: readonly TypedColumn[];
  readonly fileBytes: number;
  readonly rowGroupBytes: number;
  readonly codec: CompressionCodec;
}

class DocumentsWriter implements SinkWriter<Document> {
  readonly #context: SinkContext;
  readonly #layout: Layout;
  readonly #columns: readonly StoredColumn[];
  #group: RowGroup;
  #file: ParquetFile | undefined;
  #files = 0;
  #inFile = { documents: 0, bytes: 0 };
  readonly #counts = { documents: 0, bytes: 0 };

  constructor(context: SinkContext, layout: Layout) {
    this.#context = context;
    this.#layout = layout;
    this.#columns = [...documentColumns, ...layout.typed.map(({ element }) => ({ element }))];
    this.#group = new RowGroup(this.#columns);
  }

  async write(document: Document): Promise<void> {
    const { typed, fileBytes, rowGroupBytes } = this.#layout;
    const cells = cellsOf(document, typed);
    const bytes = rowBytes(cells);
    if (this.#inFile.documents > 0 && this.#inFile.bytes + bytes > fileBytes) await this.#close();
    else if (this.#group.rows > 0 && this.#group.bytes + bytes > rowGroupBytes) await this.#flush();
    this.#group.add(cells, bytes);
    this.#inFile.documents++;
    this.#inFile.bytes += bytes;
    this.#counts.documents++;
    this.#counts.bytes += document.bytes.length;
  }

  async finish(): Promise<Record<string, number>> {
    await this.#close();
    return this.#counts;
  }

  async #flush(): Promise<void> {
    if (this.#group.rows === 0) return;
    const group = this.#group;
    this.#group = new RowGroup(this.#columns);
    this.#file ??= await this.#open();
    await this.#file.add(group);
  }

  async #open(): Promise<ParquetFile> {
    const { folder, codec } = this.#layout;
    const { id } = this.#context.split;
    const number = String(this.#files++).padStart(6, '0');
    const file = await this.#context.file(`${folder}/${id}-${number}.parquet`);
    return new ParquetFile(file, this.#columns, codec, [
      { key: 'format', value: PARQUET_DOCUMENTS_FORMAT },
      { key: 'split', value: id },
    ]);
  }

  async #close(): Promise<void> {
    await this.#flush();
    const { documents } = this.#inFile;
    await this.#file?.publish({ format: PARQUET_DOCUMENTS_FORMAT, split: this.#context.split.id, documents });
    this.#file = undefined;
    this.#inFile = { documents: 0, bytes: 0 };
  }
}
