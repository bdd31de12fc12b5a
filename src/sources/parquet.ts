import { type FileMetaData, parquetMetadataAsync } from 'hyparquet';
import { RecordError } from '../errors.ts';
import type { Document, MetaValue } from '../records.ts';
import { sharedPool, workerModule } from '../run/pool.ts';
import {
  type Columns,
  documentId,
  parseTable,
  type RowDocument,
  type Table,
  type TableOptions,
  tableJson,
} from './columns.ts';
import { Failure } from './failure.ts';
import { type Format, fileSource, type Piece, type Range, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import type { Inputs, ListOptions } from './list.ts';
import { type OpenFile, openPlanned, readRange } from './open-file.ts';
import type { RowChunk, RowGroupTask } from './parquet.worker.ts';
import { columnBytes, physicalTable } from './parquet-schema.ts';
import type { PlanContext, Source } from './source.ts';
import type { FoundFile } from './walk.ts';

export interface ParquetLimits {
  /** Uncompressed bytes of the needed columns of one row group at most; all of them are in memory at once. Default: 1 GiB. */
  readonly maxRowGroupBytes?: number | undefined;
}

export interface ParquetOptions<C extends Columns, T extends string>
  extends TableOptions<C, T>,
    ListOptions,
    ParquetLimits {}

export const isParquet = (uri: string): boolean => /\.(parquet|pq)$/i.test(uri);

const WORKER = workerModule(import.meta.url, './parquet.worker');
const ENDS_WELL = 'PAR1';
const ENDS_ENCRYPTED = 'PARE';
/** Magic, footer length and magic: the least a Parquet file has. */
const LEAST = 12;

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** @throws Failure `NOT_PARQUET`, `TRUNCATED`, `ENCRYPTED`, `CORRUPT_FOOTER`. */
async function footer(file: OpenFile): Promise<FileMetaData> {
  const head = latin1(await readRange(file, 0, Math.min(4, file.size)));
  const tail = latin1(await readRange(file, Math.max(0, file.size - 4), file.size));
  if (tail === ENDS_ENCRYPTED || head === ENDS_ENCRYPTED) {
    throw new Failure('ENCRYPTED', `'${file.uri}' is encrypted`, 'Decrypt the file first.');
  }
  if (head !== ENDS_WELL) throw new Failure('NOT_PARQUET', `'${file.uri}' is not a Parquet file`);
  if (tail !== ENDS_WELL || file.size < LEAST) {
    throw new Failure(
      'TRUNCATED',
      `'${file.uri}' is a Parquet file without its end, where its table of contents is`,
      'Copy the file again.',
    );
  }
  try {
    return await parquetMetadataAsync(
      {
        byteLength: file.size,
        slice: async (start, end = file.size) => (await readRange(file, start, end)).buffer,
      },
      { geoparquet: false },
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(
      'CORRUPT_FOOTER',
      `the table of contents of '${file.uri}' cannot be read: ${reason}`,
      'Copy the file again.',
      error,
    );
  }
}

type Row = Document<Document['meta']>;

export interface ParquetConfig {
  readonly table: Table;
  readonly maxRowGroupBytes: number;
}

export function parquetConfig(table: Table, limits: ParquetLimits): ParquetConfig {
  return { table, maxRowGroupBytes: checkedLimit('maxRowGroupBytes', limits.maxRowGroupBytes ?? 1 << 30, 1) };
}

/** Runs of row groups, each about `splitBytes` of needed columns. */
function runs(config: ParquetConfig, metadata: FileMetaData, file: FoundFile, splitBytes: number): Piece[] {
  physicalTable(config.table, metadata, file.uri);
  const needed = new Set([config.table.text.name, ...config.table.columns.map((column) => column.name)]);
  const pieces: Piece[] = [];
  let range = { first: 0, last: 0, row: 0, held: 0 };
  let bytes = 0;
  let row = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const size = columnBytes(metadata, index, needed, file.size);
    if (size > config.maxRowGroupBytes) {
      throw new Failure(
        'ROW_GROUP_TOO_LARGE',
        `row group ${index} of '${file.uri}' holds ${size} bytes, more than ${config.maxRowGroupBytes}`,
        'Set maxRowGroupBytes higher if there is memory for it, or write the file with smaller row groups.',
      );
    }
    if (bytes > 0 && bytes + size > splitBytes) {
      pieces.push({ bytes, range });
      range = { first: index, last: index, row, held: 0 };
      bytes = 0;
    }
    range = { ...range, last: index + 1, held: Math.max(range.held, size) };
    bytes += size;
    row += Number(group.num_rows);
  }
  if (row === 0) throw new Failure('NO_ROWS', `'${file.uri}' has no rows`);
  pieces.push({ bytes, range });
  return pieces;
}

function* documents(chunk: RowChunk, firstRow: number, table: Table, file: OpenFile, reading: Reading): Generator<Row> {
  const bad = new Map(chunk.bad.map((entry) => [entry.row, entry]));
  for (let index = 0; index < chunk.rows; index++) {
    const row = firstRow + index;
    const position = { ordinal: reading.ordinal(), row };
    const failure = bad.get(index);
    if (failure !== undefined) {
      reading.reject(
        new RecordError(failure.message, { code: failure.code, path: file.uri, position, hint: failure.hint }),
      );
      continue;
    }
    const meta: Record<string, MetaValue> = {};
    for (const [column, { name }] of table.columns.entries()) meta[name] = chunk.values[column]?.[index] ?? null;
    yield {
      id: documentId(table.id === undefined ? undefined : meta[table.id], file.uri, row),
      source: { split: reading.split, uri: file.uri, position },
      bytes: chunk.text.subarray(chunk.offsets[index], chunk.offsets[index + 1]),
      meta,
    };
  }
}

/** Parquet row groups, decoded one at a time in a worker thread. */
export function parquetFormat(config: ParquetConfig): Format<Row> {
  const { table } = config;
  return {
    name: 'parquet',
    async *pieces(file: FoundFile, context: PlanContext): AsyncGenerator<Piece> {
      try {
        if (file.size === 0) throw new Failure('EMPTY_FILE', `'${file.uri}' is empty`);
        const open = await openPlanned(file);
        try {
          yield* runs(config, await footer(open), file, context.splitBytes);
        } finally {
          await open.handle.close();
        }
      } catch (error) {
        if (error instanceof RecordError) context.reject(error);
        else if (error instanceof Failure) context.reject(error.at(file.uri));
        else throw error;
      }
    },
    // Decoded pages, and the packed copy of them that leaves the worker.
    holds: ({ held = 0 }) => 2 * held + (1 << 20),
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      const metadata = await footer(file);
      const { text, columns } = physicalTable(table, metadata, file.uri);
      const { first = 0, last = metadata.row_groups.length } = range;
      let { row = 0 } = range;
      for (const group of metadata.row_groups.slice(first, last)) {
        const rows = Number(group.num_rows);
        if (rows === 0) continue;
        const task: RowGroupTask = {
          path: file.path,
          size: file.size,
          mtimeMs: file.mtimeMs,
          rowStart: row,
          rowEnd: row + rows,
          text,
          columns,
        };
        let chunks: RowChunk[] | undefined;
        try {
          chunks = await sharedPool().run<RowChunk[]>(WORKER, task, [], reading.signal);
        } catch (error) {
          if (reading.signal.aborted) return;
          const reason = error instanceof Error ? error.message : String(error);
          const position = { ordinal: reading.ordinal(), row };
          // The rows keep their numbers, so that those behind them are the same whether or not this group is read.
          for (let skipped = 1; skipped < rows; skipped++) reading.ordinal();
          reading.reject(
            new RecordError(`rows ${row} to ${row + rows - 1} of '${file.uri}' cannot be decoded: ${reason}`, {
              code: 'CORRUPT_ROW_GROUP',
              path: file.uri,
              position,
              hint: 'Copy the file again; the other row groups were read.',
              cause: error,
            }),
          );
        }
        let at = row;
        for (let chunk = chunks?.shift(); chunk !== undefined; chunk = chunks?.shift()) {
          yield [...documents(chunk, at, table, file, reading)];
          at += chunk.rows;
        }
        row += rows;
      }
    },
  };
}

/**
 * Local Parquet files: a file, a folder, a glob, or a list of them, in splits of whole row groups.
 *
 * Only the needed columns are read. The text column gives its stored bytes (UTF-8 or binary) without a JavaScript string
 * being made; `int64` and decimals (as `string`) are exact. A document's `id` is its id column, else `<uri>#<row>`;
 * `position.row` is the row in the file, from 0. Codecs: none, Snappy, gzip, Brotli, Zstandard.
 *
 * Decoding is hyparquet's with Node's decompressors, in a worker thread. nodejs-polars is not used: it refuses binary and
 * decimal values, rounds int64, and hands text over as JavaScript strings only. Measured on Zstandard files with 2 KB
 * texts, in MB of document bytes per CPU second: this source 200 to 360, nodejs-polars by row groups 140 to 200,
 * hyparquet with strings 140 to 190 (bench/sources.bench.ts).
 *
 *     parquet('data/*.parquet', { columns: { id: 'string', text: 'string', score: 'double' } })
 *
 * @throws PipelineError for a wrong declaration of columns (see `parseTable`); SourceError at plan time `NOT_FOUND`,
 * `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. Rejects: docs/rejects.md.
 */
export function parquet<const C extends Columns = Record<never, never>, const T extends string = 'text'>(
  path: Inputs,
  options: ParquetOptions<C, T> = {},
): Source<RowDocument<C, T>> {
  const config = parquetConfig(parseTable(options), options);
  const format = parquetFormat(config);
  const source = fileSource({
    kind: 'parquet',
    inputs: path,
    list: options,
    options: { ...tableJson(config.table), maxRowGroupBytes: config.maxRowGroupBytes },
    formats: [format],
    formatOf: (uri) => (isParquet(uri) ? format : undefined),
    otherwise: format,
  });
  // The table was checked against the declaration `C`, and every row against the table.
  return source as Source<RowDocument<C, T>>;
}
