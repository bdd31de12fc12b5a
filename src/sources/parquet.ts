import { RecordError, SluiceError } from '../errors.ts';
import { type OptionNames, requireOptions } from '../knownOptions.ts';
import type { Document, MetaValue } from '../records.ts';
import { schemeOf } from '../storage/location.ts';
import type { ByteRange } from '../storage/readAhead.ts';
import {
  type Columns,
  documentId,
  parseTable,
  type RowDocument,
  TABLE_OPTIONS,
  type Table,
  type TableOptions,
} from './columns.ts';
import { Failure } from './failure.ts';
import type { FilePlan, Format, Piece, Range, Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import type { RowChunk } from './parquet.worker.ts';
import { chunkRanges, missing } from './parquet-fetch.ts';
import { type Footer, readFooter } from './parquet-footer.ts';
import { RowGroups } from './parquet-groups.ts';
import { groupSize, physicalTable, rowsOf } from './parquet-schema.ts';
import { mayMatch } from './parquet-statistics.ts';
import type { Source } from './source.ts';
import { tableSource } from './table-source.ts';
import type { FoundFile } from './walk.ts';

export interface ParquetLimits {
  /**
   * Uncompressed bytes of the needed columns of one row group at most, with 64 for each value; all of them are in memory at
   * once. Default: 1 GiB.
   */
  readonly maxRowGroupBytes?: number | undefined;
}

export const PARQUET_LIMITS = { maxRowGroupBytes: true } as const satisfies OptionNames<ParquetLimits>;

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
  /** Bytes of the largest row group, and memory for its values besides. */
  readonly held: number;
  readonly objects: number;
  /** Of a remote file: bytes of the largest row group that are fetched. */
  readonly fetched?: number;
  /** Rows before and behind it that conditions exclude without a look. */
  readonly passed?: number;
};

/** Bytes that a value takes at least, besides its own: a row group may repeat one for ever. */
const VALUE_BYTES = 64;

/** Bytes of a row group that are handed over at a time: usually all, but texts that repeat take more than they do in the file. */
const handed = (held: number): number => Math.max(held, 8 << 20);

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
  for (const index of metadata.row_groups.keys()) {
    const first = row;
    const rows = rowsOf(metadata, index);
    row += rows;
    if (!wanted(index)) {
      passed += rows;
      continue;
    }
    const { bytes: size, values, objects } = groupSize(metadata, index, needed, file.size);
    if (size + values * VALUE_BYTES > config.maxRowGroupBytes) {
      throw new Failure(
        'ROW_GROUP_TOO_LARGE',
        `row group ${index} of '${file.uri}' holds ${size} bytes and ${values} values (${VALUE_BYTES} bytes each), more than ${config.maxRowGroupBytes}`,
        'Set maxRowGroupBytes higher if there is memory for it, or write the file with smaller row groups.',
      );
    }
    const before = pieces.at(-1);
    const goesOn = before?.range.last === index && (before.bytes === 0 || before.bytes + size <= splitBytes);
    const piece = goesOn ? before : { bytes: 0, range: { first: index, last: index, row: first, held: 0, objects: 0 } };
    if (piece !== before) pieces.push(piece);
    // By its name and not by what the cache has: a plan does not depend on that.
    const fetched =
      schemeOf(file.location) === undefined
        ? undefined
        : chunkRanges(metadata, index, needed).reduce((sum, { start, end }) => sum + end - start, 0);
    piece.bytes += size;
    piece.range = {
      ...piece.range,
      last: index + 1,
      held: Math.max(piece.range.held, size),
      objects: Math.max(piece.range.objects, objects),
      ...(fetched === undefined ? {} : { fetched: Math.max(piece.range.fetched ?? 0, fetched) }),
      ...(passed === 0 ? {} : { passed: (piece.range.passed ?? 0) + passed }),
    };
    passed = 0;
  }
  if (row === 0) throw new Failure('NO_ROWS', `'${file.uri}' has no rows`);
  const last = metadata.row_groups.length;
  const piece = pieces.at(-1);
  if (piece === undefined) return [{ bytes: 0, range: { first: last, last, row, held: 0, objects: 0, passed } }];
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

/** The error of bytes that cannot be decoded; others are thrown. */
function asDecoding(error: unknown): Error {
  if (error instanceof SluiceError) throw error;
  return error instanceof Error ? error : new Error(String(error));
}

function corruptRows(
  { uri }: OpenFile,
  position: { readonly ordinal: number; readonly row: number },
  end: number,
  cause: Error,
): RecordError {
  return new RecordError(`rows ${position.row} to ${end - 1} of '${uri}' cannot be decoded: ${cause.message}`, {
    code: 'CORRUPT_ROW_GROUP',
    path: uri,
    position,
    hint: 'Copy the file again; the other row groups were read.',
    cause,
  });
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
    // Decoded pages, their values, and the packed copy that leaves the worker; of a remote file also what is fetched of two groups.
    holds: ({ held = 0, objects = 0, fetched = 0 }) => held + objects + handed(held) + 2 * fetched + (1 << 20),
    async needs(file: OpenFile, { first = 0, last = 0 }: Range): Promise<readonly ByteRange[]> {
      const { metadata, before } = await readFooter(file);
      const groups = Array.from({ length: last - first }, (_, place) => first + place);
      return groups.flatMap((group) => missing(chunkRanges(metadata, group, neededColumns(table)), before));
    },
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      const footer = await readFooter(file);
      const { metadata } = footer;
      const { text, columns } = physicalTable(table, metadata, file.uri);
      const { first = 0, last = metadata.row_groups.length, held = 0, passed = 0 } = range;
      reading.passOver(passed);
      const groups = new RowGroups(file, footer, neededColumns(table), last);
      const where = table.where.map(({ column, conditions }) => ({ column, conditions }));
      let { row = 0 } = range;
      try {
        for (let group = first; group < last; group++) {
          const end = row + rowsOf(metadata, group);
          while (row < end) {
            const wanted = { group, rowStart: row, rowEnd: end, most: handed(held), text, columns, where };
            const chunks = await groups
              .decode(wanted, reading.signal)
              .catch((error: unknown) => (reading.signal.aborted ? [] : asDecoding(error)));
            if (reading.signal.aborted) return;
            if (chunks instanceof Error) {
              // The rows keep their numbers, so that those behind them are the same whether or not this group is read.
              const position = { ordinal: reading.ordinal(end - row), row };
              reading.reject(corruptRows(file, position, end, chunks));
              row = end;
              continue;
            }
            for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
              yield [...documents(chunk, row, table, file, reading)];
              row += chunk.rows;
            }
          }
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
  requireOptions('parquet', options, { ...TABLE_OPTIONS, ...LIST_OPTIONS, ...PARQUET_LIMITS });
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
