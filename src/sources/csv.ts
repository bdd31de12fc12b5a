import { PipelineError, RecordError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import { type OptionNames, requireOptions } from '../knownOptions.ts';
import {
  type Columns,
  documentId,
  parseTable,
  type RowDocument,
  TABLE_OPTIONS,
  type Table,
  type TableOptions,
} from './columns.ts';
import { compressionOf, MAX_EXPANSION } from './compression.ts';
import { type CsvConfig, CsvStream, csvCuts, dialectOf, headerOf, readHeader, wholeRecord } from './csv-file.ts';
import type { CsvRecord } from './csv-records.ts';
import { type CsvHeader, csvHeader, csvRow } from './csv-row.ts';
import { Failure } from './failure.ts';
import { type FilePlan, type Format, marked, type Piece, type Range, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { type Row, RowChunks } from './row-chunks.ts';
import type { Source } from './source.ts';
import { tableSource } from './table-source.ts';
import type { FoundFile } from './walk.ts';

export interface CsvSettings {
  /** Names of the columns, where the files have no header row. Default: the first record is the header. */
  readonly header?: readonly string[] | undefined;
  /** One ASCII character between fields. Default: a tab in `.tsv` files, else a comma. */
  readonly delimiter?: string | undefined;
  /** One ASCII character around fields, doubled within them; null where nothing is quoted. Default: `"`. */
  readonly quote?: string | null | undefined;
  /** Bytes of a record at most; a longer one is rejected without being held. Default: 64 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /** Decompressed bytes per compressed byte at most. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

export const CSV_OPTIONS = {
  header: true,
  delimiter: true,
  quote: true,
  maxRecordBytes: true,
  maxExpansion: true,
} as const satisfies OptionNames<CsvSettings>;

export interface CsvOptions<C extends Columns, T extends string> extends TableOptions<C, T>, ListOptions, CsvSettings {}

/** Whether a file is CSV by its name. */
export const isCsv = (uri: string): boolean => /\.(csv|tsv)(\.(gz|zst))?$/i.test(uri);

/** @throws PipelineError `BAD_DELIMITER`, `BAD_HEADER`, `BAD_LIMIT` */
export function csvConfig(table: Table, settings: CsvSettings): CsvConfig {
  const { header, delimiter, quote = '"' } = settings;
  for (const character of [delimiter, quote]) {
    if (character === undefined || character === null) continue;
    if (!/^[^\r\n\u0080-\uffff]$/.test(character)) {
      throw new PipelineError(`'${character}' can neither part nor quote fields: it must be one ASCII character`, {
        code: 'BAD_DELIMITER',
      });
    }
    if (quote === (delimiter ?? ',')) {
      throw new PipelineError(`'${character}' cannot both part and quote fields`, { code: 'BAD_DELIMITER' });
    }
  }
  if (header?.length === 0) throw new PipelineError('header names no column', { code: 'BAD_HEADER' });
  return {
    table,
    header,
    delimiter,
    quote,
    maxRecordBytes: checkedLimit('maxRecordBytes', settings.maxRecordBytes ?? 64 << 20, 1),
    maxExpansion: checkedLimit('maxExpansion', settings.maxExpansion ?? MAX_EXPANSION, 1),
  };
}

/** The part of a source's options that says how CSV files are read. */
export function csvJson({ header, delimiter, quote }: CsvConfig): { readonly [key: string]: JsonValue } {
  return { header: header ?? null, delimiter: delimiter ?? null, quote };
}

class RecordReader {
  readonly #file: OpenFile;
  readonly #config: CsvConfig;
  readonly #reading: Reading;
  #header: CsvHeader | undefined;
  #row: number;

  constructor(file: OpenFile, config: CsvConfig, reading: Reading, header: CsvHeader | undefined, row: number) {
    this.#file = file;
    this.#config = config;
    this.#reading = reading;
    this.#header = header;
    this.#row = row;
  }

  /** The record as a document; undefined where it is the header, passed over or was rejected. */
  read(record: CsvRecord): Row | undefined {
    const { uri } = this.#file;
    if (this.#header === undefined) {
      this.#header = headerOf(record, this.#config, uri);
      return undefined;
    }
    const { byte, line } = record;
    const row = this.#row++;
    const position = { ordinal: this.#reading.ordinal(), byte, line, row };
    try {
      const { table, maxRecordBytes } = this.#config;
      const bytes = wholeRecord(record, maxRecordBytes);
      const read = csvRow(table, this.#header, bytes, dialectOf(this.#config, uri));
      if (read === undefined) {
        this.#reading.passOver(1);
        return undefined;
      }
      const { text, meta } = read;
      return {
        id: documentId(table, meta, uri, row),
        source: { split: this.#reading.split, uri, position },
        bytes: text,
        meta,
      };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#reading.reject(error.at(uri, position), record.bytes);
      return undefined;
    }
  }
}

/**
 * Records of CSV files; plain files of this machine are cut between records, others are read in one go.
 *
 * @param otherwise Reads files whose header does not have the columns. Default: they are rejected.
 */
export function csvFormat(config: CsvConfig, otherwise?: Format<Row>): Format<Row> {
  return {
    name: 'csv',
    async *pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
      try {
        if (file.size === 0 && otherwise === undefined) throw new Failure('EMPTY_FILE', `'${file.uri}' is empty`);
        const open = await context.open(file);
        try {
          const failure = await readHeader(open, config).then(() => undefined, failureOf);
          if (failure !== undefined && otherwise === undefined) throw failure;
          if (failure !== undefined && otherwise !== undefined) {
            yield* marked(otherwise.pieces(open, context), { other: 1 });
            return;
          }
          const whole = compressionOf(file.uri) !== undefined || open.local === undefined;
          yield* csvCuts(open, config, whole ? Number.POSITIVE_INFINITY : context.splitBytes);
        } finally {
          await open.close();
        }
      } catch (error) {
        if (error instanceof RecordError) context.reject(error);
        else if (error instanceof Failure) context.reject(error.at(file.uri));
        else throw error;
      }
    },
    // The record, its fields, their text and its bytes, at the worst.
    holds(range) {
      const { start = 0, end = 0, other } = range;
      if (other === 1 && otherwise !== undefined) return otherwise.holds(range);
      return 4 * Math.min(config.maxRecordBytes, (end - start) * config.maxExpansion) + (1 << 20);
    },
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      if (range['other'] === 1 && otherwise !== undefined) return yield* otherwise.read(file, range, reading);
      const { start = 0, end = file.size, line = 1, row = 0 } = range;
      let header: CsvHeader | undefined;
      if (config.header !== undefined) header = csvHeader(config.table, config.header, file.uri);
      else if (start > 0) header = await readHeader(file, config);
      const stream = new CsvStream(file, config, { byte: start, line }, end);
      const reader = new RecordReader(file, config, reading, header, row);
      const rows = new RowChunks();
      try {
        for await (const records of stream.batches()) {
          for (const record of records) if (rows.add(reader.read(record))) yield rows.cut();
        }
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        yield rows.cut();
        reading.reject(error.at(file.uri, { ordinal: reading.ordinal(), ...stream.cutter.place }));
      }
      yield rows.cut();
    },
  };
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  throw error;
}

/**
 * CSV and TSV, plain, `.gz` or `.zst`: a file, a folder, a glob, or a list of them, in UTF-8, with a header row or
 * `header`. Plain files of this machine are cut between records into splits, for which planning looks at all of them;
 * others are one split and are streamed.
 *
 * Fields are read as the declared kinds: numbers, `true` and `false` (or 1 and 0), RFC 3339 times, base64 for `binary`. An
 * empty field is null where the kind allows it, else an empty string. The text is the field's bytes, without the quotes.
 * A document's `id` is its id column, else `<uri>#<row>`; `position` has the `row`, from 0 and without the header, and the
 * `line` and `byte` at which its record begins. Empty lines, CRLF, a byte-order mark and a missing last line end are no
 * errors. Format: RFC 4180.
 *
 *     csv('reviews/*.csv.gz', { text: 'body', columns: { body: 'string', stars: 'int32?' }, where: { stars: { gte: 3 } } })
 *
 * Fields are cut by sluice itself: it has to follow quotes anyway, to know where records begin, to hold no more than one of
 * them, and to go on behind one that is damaged. csv-parse, which tests compare it with, takes five times as long
 * (bench/sources.bench.ts).
 *
 * @throws PipelineError for a wrong declaration of columns (see `parseTable`), `BAD_DELIMITER`, `BAD_HEADER`; SourceError
 * at plan time `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. Rejects: docs/rejects.md.
 */
export function csv<const C extends Columns = Record<never, never>, const T extends string = 'text'>(
  path: Inputs,
  options: CsvOptions<C, T> = {},
): Source<RowDocument<C, T>> {
  requireOptions('csv', options, { ...TABLE_OPTIONS, ...LIST_OPTIONS, ...CSV_OPTIONS });
  const config = csvConfig(parseTable(options), options);
  const { maxRecordBytes, maxExpansion } = config;
  const format = csvFormat(config);
  return tableSource(path, options, {
    kind: 'csv',
    table: config.table,
    options: { ...csvJson(config), maxRecordBytes, maxExpansion },
    format,
    isUsual: isCsv,
  });
}
