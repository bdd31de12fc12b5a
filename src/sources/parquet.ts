import { RecordError, SluiceError } from '../errors.ts';
import type { Document, MetaValue } from '../records.ts';
import type { ByteRange } from '../storage/readAhead.ts';
import { type Columns, documentId, parseTable, type RowDocument, type Table, type TableOptions } from './columns.ts';
import { Failure } from './failure.ts';
import type { FilePlan, Format, Piece, Range, Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import type { Inputs, ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import type { RowChunk } from './parquet.worker.ts';
import { chunkRanges } from './parquet-fetch.ts';
import { type Footer, readFooter } from './parquet-footer.ts';
import { RowGroups } from './parquet-groups.ts';
import { columnBytes, physicalTable } from './parquet-schema.ts';
import { mayMatch } from './parquet-statistics.ts';
import type { Source } from './source.ts';
import { tableSource } from './table-source.ts';
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

type Row = Document<Document['meta']>;

export interface ParquetConfig {
  readonly table: Table;
  readonly maxRowGroupBytes: number;
}

export function parquetConfig(table: Table, limits: ParquetLimits): ParquetConfig {
  return { table, maxRowGroupBytes: checkedLimit('maxRowGroupBytes', limits.maxRowGroupBytes ?? 1 << 30, 1) };
}

type RowGroupRange = {
  readonly first: number;
  readonly last: number;
  /** Number of the first row. */
  readonly row: number;
  /** Uncompressed bytes of the largest row group. */
  readonly held: number;
  /** Of a remote file: bytes of the largest row group that are fetched. */
  readonly fetched?: number;
  /** Rows before and behind it that conditions exclude without a look. */
  readonly passed?: number;
};

const neededColumns = ({ text, columns }: Table): ReadonlySet<string> =>
  new Set([text.name, ...columns.map((column) => column.name)]);

/** Runs of row groups, each about `splitBytes` of needed columns; without those in which no row fulfils the conditions. */
function runs(config: ParquetConfig, footer: Footer, file: OpenFile, splitBytes: number): Piece[] {
  const { metadata } = footer;
  const { columns } = physicalTable(config.table, metadata, file.uri);
  const wanted = mayMatch(config.table, columns, footer);
  const needed = neededColumns(config.table);
  const pieces: { bytes: number; range: RowGroupRange }[] = [];
  let row = 0;
  let passed = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const first = row;
    row += Number(group.num_rows);
    if (!wanted(index)) {
      passed += Number(group.num_rows);
      continue;
    }
    const size = columnBytes(metadata, index, needed, file.size);
    if (size > config.maxRowGroupBytes) {
      throw new Failure(
        'ROW_GROUP_TOO_LARGE',
        `row group ${index} of '${file.uri}' holds ${size} bytes, more than ${config.maxRowGroupBytes}`,
        'Set maxRowGroupBytes higher if there is memory for it, or write the file with smaller row groups.',
      );
    }
    const before = pieces.at(-1);
    const goesOn = before?.range.last === index && (before.bytes === 0 || before.bytes + size <= splitBytes);
    const piece = goesOn ? before : { bytes: 0, range: { first: index, last: index, row: first, held: 0 } };
    if (piece !== before) pieces.push(piece);
    const fetched =
      file.local === undefined
        ? chunkRanges(metadata, index, needed).reduce((sum, { start, end }) => sum + end - start, 0)
        : undefined;
    piece.bytes += size;
    piece.range = {
      ...piece.range,
      last: index + 1,
      held: Math.max(piece.range.held, size),
      ...(fetched === undefined ? {} : { fetched: Math.max(piece.range.fetched ?? 0, fetched) }),
      ...(passed === 0 ? {} : { passed: (piece.range.passed ?? 0) + passed }),
    };
    passed = 0;
  }
  if (row === 0) throw new Failure('NO_ROWS', `'${file.uri}' has no rows`);
  const last = metadata.row_groups.length;
  const piece = pieces.at(-1);
  if (piece === undefined) return [{ bytes: 0, range: { first: last, last, row, held: 0, passed } }];
  if (passed > 0) piece.range = { ...piece.range, passed: (piece.range.passed ?? 0) + passed };
  return pieces;
}

function* documents(chunk: RowChunk, firstRow: number, table: Table, file: OpenFile, reading: Reading): Generator<Row> {
  const bad = new Map(chunk.bad.map((entry) => [entry.row, entry]));
  let place = 0;
  for (let index = 0; index < chunk.rows; index++) {
    const row = firstRow + index;
    const position = { ordinal: reading.ordinal(), row };
    if (chunk.passed?.[index] === 1) {
      reading.passOver(1);
      continue;
    }
    const failure = bad.get(index);
    if (failure !== undefined) {
      reading.reject(
        new RecordError(failure.message, { code: failure.code, path: file.uri, position, hint: failure.hint }),
      );
      continue;
    }
    const meta: Record<string, MetaValue> = {};
    for (const [column, { name }] of table.columns.entries()) meta[name] = chunk.values[column]?.[place] ?? null;
    yield {
      id: documentId(table, meta, file.uri, row),
      source: { split: reading.split, uri: file.uri, position },
      bytes: chunk.text.subarray(chunk.offsets[place], chunk.offsets[place + 1]),
      meta,
    };
    place++;
  }
}

/** Parquet row groups, decoded one at a time in a worker thread. */
export function parquetFormat(config: ParquetConfig): Format<Row> {
  const { table } = config;
  return {
    name: 'parquet',
    async *pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
      try {
        if (file.size === 0) throw new Failure('EMPTY_FILE', `'${file.uri}' is empty`);
        const open = await context.open(file);
        try {
          yield* runs(config, await readFooter(open), open, context.splitBytes);
        } finally {
          await open.close();
        }
      } catch (error) {
        if (error instanceof RecordError) context.reject(error);
        else if (error instanceof Failure) context.reject(error.at(file.uri));
        else throw error;
      }
    },
    // Decoded pages, and the packed copy of them that leaves the worker; of a remote file also what is fetched of two groups.
    holds: ({ held = 0, fetched = 0 }) => 2 * held + 2 * fetched + (1 << 20),
    async needs(file: OpenFile, { first = 0, last = 0 }: Range): Promise<readonly ByteRange[]> {
      const { metadata } = await readFooter(file);
      const groups = Array.from({ length: last - first }, (_, place) => first + place);
      return groups.flatMap((group) => chunkRanges(metadata, group, neededColumns(table)));
    },
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      const footer = await readFooter(file);
      const { metadata } = footer;
      const { text, columns } = physicalTable(table, metadata, file.uri);
      const { first = 0, last = metadata.row_groups.length, passed = 0 } = range;
      reading.passOver(passed);
      const groups = new RowGroups(file, footer, neededColumns(table), last);
      const where = table.where.map(({ column, conditions }) => ({ column, conditions }));
      let { row = 0 } = range;
      try {
        for (let group = first; group < last; group++) {
          const rows = Number(metadata.row_groups[group]?.num_rows ?? 0);
          if (rows === 0) continue;
          const wanted = { rowStart: row, rowEnd: row + rows, text, columns, where };
          let chunks: RowChunk[] | undefined;
          try {
            chunks = await groups.decode(group, wanted, reading.signal);
          } catch (error) {
            if (reading.signal.aborted) return;
            if (error instanceof SluiceError) throw error;
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
      } finally {
        await groups.close();
      }
    },
  };
}

/**
 * Parquet files: a file, a folder, a glob, or a list of them, in splits of whole row groups.
 *
 * Only the needed columns are read, and with `where` only row groups that may hold rows which fulfil it; of these the columns
 * that it asks for come first, and the text is decoded only if a row is left. The text column gives its stored bytes (UTF-8
 * or binary) without a JavaScript string being made; `int64` and decimals (as `string`) are exact. A document's `id` is its id
 * column, else `<uri>#<row>`; `position.row` is the row in the file, from 0. Codecs: none, Snappy, gzip, Brotli, Zstandard.
 *
 * Decoding is hyparquet's with Node's decompressors, in a worker thread. nodejs-polars is not used: it refuses binary and
 * decimal values, rounds int64, and hands text over as JavaScript strings only. Measured on Zstandard files with 2 KB
 * texts, in MB of document bytes per CPU second: this source 450 to 730, nodejs-polars by row groups 310 to 330,
 * hyparquet with strings 230 to 400 (bench/sources.bench.ts).
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
  return tableSource(path, options, {
    kind: 'parquet',
    table: config.table,
    options: { maxRowGroupBytes: config.maxRowGroupBytes },
    format,
    isUsual: isParquet,
  });
}
