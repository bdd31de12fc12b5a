import { RecordError } from '../errors.ts';
import { type OptionNames, requireOptions } from '../knownOptions.ts';
import { BatchReader, selectFields } from './arrow/batches.ts';
import type { ByteSource } from './arrow/buffers.ts';
import { ArrowFile, type ArrowLayout, type PlacedMessage } from './arrow/file.ts';
import { type ArrowConfig, arrowPieces } from './arrow/plan.ts';
import { type ArrowColumn, arrowTable, arrowText, arrowValue } from './arrow/schema.ts';
import type { ArrowBatch, ArrowSchema } from './arrow/types.ts';
import type { ArrowVector } from './arrow/vectors.ts';
import {
  type Columns,
  documentId,
  parseTable,
  type RowDocument,
  TABLE_OPTIONS,
  type Table,
  type TableOptions,
  valuesWhere,
} from './columns.ts';
import { Failure } from './failure.ts';
import type { FilePlan, Format, Piece, Range, Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { ForwardReader } from './forward-reader.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { type Row, RowChunks } from './row-chunks.ts';
import type { Source } from './source.ts';
import { tableSource } from './table-source.ts';
import type { FoundFile } from './walk.ts';

export interface ArrowLimits {
  /** Bytes of the needed columns of one record batch at most, decompressed; all of them are in memory at once. Default: 1 GiB. */
  readonly maxBatchBytes?: number | undefined;
}

export const ARROW_LIMITS = { maxBatchBytes: true } as const satisfies OptionNames<ArrowLimits>;

export interface ArrowOptions<C extends Columns, T extends string>
  extends TableOptions<C, T>,
    ListOptions,
    ArrowLimits {}

/** Whether a file is Arrow IPC by its name. */
export const isArrow = (uri: string): boolean => /\.(arrow|arrows|feather|ipc)$/i.test(uri);

export function arrowConfig(table: Table, limits: ArrowLimits): ArrowConfig {
  return { table, maxBatchBytes: checkedLimit('maxBatchBytes', limits.maxBatchBytes ?? 1 << 30, 1) };
}

/** The least that a row takes in the buffers of a text: what a damaged batch claims beyond that is no row. */
const ROW_BYTES = 4;

/** Record batches of a piece, in order; dictionaries on the way go to the reader. */
async function* batchesOf(
  file: OpenFile,
  source: ByteSource,
  { arrow, layout, reader }: { arrow: ArrowFile; layout: ArrowLayout; reader: BatchReader },
  range: Range,
): AsyncGenerator<PlacedMessage> {
  if (layout.kind === 'file') {
    const { dictionaries, batches } = layout.footer;
    for (const { offset } of dictionaries) {
      const placed = await arrow.message(file, offset);
      if (placed !== undefined) await reader.dictionary(file, placed);
    }
    const { first = 0, last = batches.length, end } = range;
    for (const { offset } of batches.slice(first, last)) {
      const placed = await arrow.message(source, offset, end);
      if (placed !== undefined) yield placed;
    }
    return;
  }
  const { start = 0, end = file.size } = range;
  for (let offset = start === 0 ? layout.first : start; offset < end; ) {
    const placed = await arrow.message(source, offset, end);
    if (placed === undefined) {
      await arrow.requireEnd(source, offset);
      return;
    }
    if (placed.message.kind === 'schema') throw new Failure('UNSUPPORTED_ARROW', 'another stream follows the first');
    if (placed.message.kind === 'dictionary') await reader.dictionary(source, placed);
    else yield placed;
    offset = placed.end;
  }
}

class RowReader {
  readonly #uri: string;
  readonly #table: Table;
  readonly #text: ArrowColumn;
  readonly #columns: readonly ArrowColumn[];
  readonly #reading: Reading;
  #row: number;

  constructor(uri: string, table: Table, schema: ArrowSchema, reading: Reading, row: number) {
    const { text, columns } = arrowTable(table, schema, uri);
    this.#uri = uri;
    this.#table = table;
    this.#text = text;
    this.#columns = columns;
    this.#reading = reading;
    this.#row = row;
  }

  /** Numbers of the fields that rows are made of. */
  get fields(): readonly number[] {
    return [this.#text, ...this.#columns].map(({ field }) => field);
  }

  /** Rows of a batch, each undefined where it is passed over or was rejected. */
  *rows(batch: ArrowBatch, vectors: ReadonlyMap<number, ArrowVector>): Generator<Row | undefined> {
    for (let row = 0; row < batch.rows; row++) yield this.#read(vectors, row);
  }

  #read(vectors: ReadonlyMap<number, ArrowVector>, place: number): Row | undefined {
    const row = this.#row++;
    const position = { ordinal: this.#reading.ordinal(), row };
    const of = (column: ArrowColumn | undefined): ArrowVector => vectors.get(column?.field ?? -1) ?? NOTHING;
    try {
      const meta = valuesWhere(this.#table, (_, index) => {
        const column = this.#columns[index];
        return column === undefined ? null : arrowValue(column, of(column), place);
      });
      if (meta === undefined) {
        this.#reading.passOver(1);
        return undefined;
      }
      return {
        id: documentId(this.#table, meta, this.#uri, row),
        source: { split: this.#reading.split, uri: this.#uri, position },
        // A copy: a view would keep the batch.
        bytes: Buffer.from(arrowText(this.#text, of(this.#text), place)),
        meta,
      };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#reading.reject(error.at(this.#uri, position));
      return undefined;
    }
  }

  /** Rejects a batch as a whole. Its rows keep their numbers, so that those behind them are the same either way. */
  reject(failure: Failure, rows: number): void {
    const row = this.#row;
    const position = { ordinal: this.#reading.ordinal(), row };
    for (let skipped = 1; skipped < rows; skipped++) this.#reading.ordinal();
    this.#row += rows;
    const message = `rows ${row} to ${this.#row - 1} of '${this.#uri}' cannot be read: ${failure.message}`;
    const { code, hint, cause } = failure;
    this.#reading.reject(new RecordError(message, { code, path: this.#uri, position, hint, cause }));
  }
}

const NOTHING: ArrowVector = { length: 0, isNull: () => true, at: () => false };

/** Record batches of Arrow files and streams. */
export function arrowFormat(config: ArrowConfig): Format<Row> {
  const { table, maxBatchBytes } = config;
  return {
    name: 'arrow',
    async *pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
      try {
        if (file.size === 0) throw new Failure('EMPTY_FILE', `'${file.uri}' is empty`);
        const open = await context.open(file);
        try {
          yield* await arrowPieces(open, config, context);
        } finally {
          await open.close();
        }
      } catch (error) {
        if (error instanceof RecordError) context.reject(error);
        else if (error instanceof Failure) context.reject(error.at(file.uri));
        else throw error;
      }
    },
    // Buffers as they are read and as they are unpacked, and the texts that are copied out of them.
    holds: ({ held = 0 }) => held + (2 << 20),
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      const arrow = await ArrowFile.of(file);
      const layout = await arrow.layout();
      const { schema } = layout;
      const rows = new RowReader(file.uri, table, schema, reading, range['row'] ?? 0);
      const reader = new BatchReader(schema, selectFields(schema, rows.fields), maxBatchBytes);
      const { start = 0, end = file.size } = range;
      const remote = file.local === undefined ? new ForwardReader(file, start, end) : undefined;
      const source: ByteSource = remote ?? file;
      const chunks = new RowChunks();
      try {
        for await (const { message, body } of batchesOf(file, source, { arrow, layout, reader }, range)) {
          if (message.kind !== 'batch') continue;
          const { batch } = message;
          try {
            const vectors = await reader.vectors(source, batch, body);
            for (const row of rows.rows(batch, vectors)) if (chunks.add(row)) yield chunks.cut();
          } catch (error) {
            if (!(error instanceof Failure)) throw error;
            rows.reject(error, Math.max(1, Math.min(batch.rows, Math.floor(maxBatchBytes / ROW_BYTES))));
          }
        }
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        yield chunks.cut();
        reading.reject(error.at(file.uri, { ordinal: reading.ordinal() }));
      } finally {
        await remote?.close();
      }
      yield chunks.cut();
    },
  };
}

/**
 * Arrow IPC files and streams, such as Feather (version 2) and the cache of Hugging Face `datasets`: a file, a folder, a
 * glob, or a list of them, in splits of whole record batches. Streams with dictionaries, and those that lie elsewhere, are
 * one split.
 *
 * Only the needed columns are decoded, and of files on this machine only they are read. The text column gives its stored
 * bytes (UTF-8 or binary) without a JavaScript string being made; `int64` and decimals (as `string`) are exact. Text and
 * bytes may be stored in any way (small, large, views, dictionaries), lists too; of structs only files can be read, of
 * maps, unions and run-end encoded columns nothing. A document's `id` is its id column, else `<uri>#<row>`; `position.row`
 * is the row in the file, from 0. Compression: none, Zstandard, LZ4 (with the package lz4-napi).
 *
 * The package apache-arrow, which is optional, reads the metadata; values are read by sluice itself, since that package
 * trusts every length, has no projection, and makes numbers of timestamps and strings of all text.
 *
 *     arrow('cache/*.arrow', { columns: { id: 'int64', text: 'string', image: 'file?' } })
 *
 * @throws PipelineError for a wrong declaration of columns (see `parseTable`); SourceError at plan time `NOT_FOUND`,
 * `NO_FILES`, `NO_USABLE_FILE`, `MISSING_PACKAGE`; while reading `INPUT_CHANGED`. Rejects: docs/rejects.md.
 */
export function arrow<const C extends Columns = Record<never, never>, const T extends string = 'text'>(
  path: Inputs,
  options: ArrowOptions<C, T> = {},
): Source<RowDocument<C, T>> {
  requireOptions('arrow', options, { ...TABLE_OPTIONS, ...LIST_OPTIONS, ...ARROW_LIMITS });
  const config = arrowConfig(parseTable(options), options);
  const format = arrowFormat(config);
  return tableSource(path, options, {
    kind: 'arrow',
    table: config.table,
    options: { maxBatchBytes: config.maxBatchBytes },
    format,
    isUsual: isArrow,
  });
}
