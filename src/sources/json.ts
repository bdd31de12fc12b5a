import { isUtf8 } from 'node:buffer';
import { PipelineError, RecordError } from '../errors.ts';
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
import { compressionOf } from './compression.ts';
import { Failure } from './failure.ts';
import { type FilePlan, type Format, marked, type Piece, type Range, type Reading } from './file-source.ts';
import type { JsonElement } from './json-elements.ts';
import { type JsonConfig, type JsonHead, JsonStream, jsonCuts, jsonHead } from './json-file.ts';
import { jsonRow } from './json-row.ts';
import { JSONL_LIMITS, type JsonlLimits, jsonlConfig, jsonlFormat } from './jsonl.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { type Row, RowChunks } from './row-chunks.ts';
import type { Source } from './source.ts';
import { tableSource } from './table-source.ts';
import type { FoundFile } from './walk.ts';

export interface JsonSettings extends JsonlLimits {
  /** Names of the members that lead to the array of rows, with dots between them: `data.rows`. Default: see `json`. */
  readonly at?: string | undefined;
}

export const JSON_OPTIONS = { ...JSONL_LIMITS, at: true } as const satisfies OptionNames<JsonSettings>;

export interface JsonOptions<C extends Columns, T extends string>
  extends TableOptions<C, T>,
    ListOptions,
    JsonSettings {}

/** Whether a file is JSON by its name. */
export const isJson = (uri: string): boolean => /\.json(\.(gz|zst))?$/i.test(uri);

/** Levels of objects and arrays in a row: nobody's table has more, and some readers of it would give up. */
const MAX_DEPTH = 256;

/** @throws PipelineError `BAD_PATH`, `BAD_LIMIT` */
export function jsonConfig(table: Table, { at, ...limits }: JsonSettings): JsonConfig {
  const names = at?.split('.');
  if (names?.includes('')) {
    throw new PipelineError(`'${at}' is no path of member names, such as 'data.rows'`, { code: 'BAD_PATH' });
  }
  return { ...jsonlConfig(table, limits), at: names };
}

class ElementReader {
  readonly #file: OpenFile;
  readonly #config: JsonConfig;
  readonly #reading: Reading;
  #row: number;

  constructor(file: OpenFile, config: JsonConfig, reading: Reading, row: number) {
    this.#file = file;
    this.#config = config;
    this.#reading = reading;
    this.#row = row;
  }

  /** The element as a document; undefined where it is passed over or was rejected. */
  read({ bytes, byte, depth, tooLong }: JsonElement): Row | undefined {
    const { uri } = this.#file;
    const { table, maxRecordBytes } = this.#config;
    const row = this.#row++;
    const position = { ordinal: this.#reading.ordinal(), byte, row };
    try {
      if (tooLong !== undefined) {
        throw new Failure(
          'TOO_LONG',
          `the record has ${tooLong} bytes, more than ${maxRecordBytes}`,
          'Set maxRecordBytes higher to read it.',
        );
      }
      if (depth > MAX_DEPTH) throw new Failure('TOO_DEEP', `the record has ${depth} levels, more than ${MAX_DEPTH}`);
      if (!isUtf8(bytes)) {
        throw new Failure('INVALID_UTF8', 'the record is not valid UTF-8', 'JSON is UTF-8; convert the file first.');
      }
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const read = jsonRow(table, view.toString('utf8'));
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
      this.#reading.reject(error.at(uri, position), bytes);
      return undefined;
    }
  }
}

/** Whether the first row has a text, for files that need not be tables. */
function hasText(config: JsonConfig, { row }: JsonHead): boolean {
  if (row === undefined) return false;
  try {
    const value: unknown = JSON.parse(Buffer.from(row).toString('utf8'));
    return typeof value === 'object' && value !== null && Object.hasOwn(value, config.table.text.name);
  } catch {
    return false;
  }
}

/**
 * Elements of JSON arrays; plain files of this machine are cut between elements, others are read in one go. Files that
 * turn out to be JSON Lines are read as such.
 *
 * @param otherwise Reads files whose first row has no text. Default: they are rejected, or their rows are.
 */
export function jsonFormat(config: JsonConfig, otherwise?: Format<Row>): Format<Row> {
  const lines = jsonlFormat(config);
  async function* pieces(open: OpenFile, context: FilePlan): AsyncGenerator<Piece> {
    const head = await jsonHead(open, config);
    const other = otherwise !== undefined && !hasText(config, head) ? otherwise : head.lines ? lines : undefined;
    if (other !== undefined) {
      yield* marked(other.pieces(open, context), other === lines ? { lines: 1 } : { other: 1 });
      return;
    }
    const whole = compressionOf(open.uri) !== undefined || open.local === undefined;
    yield* await jsonCuts(open, config, whole ? Number.POSITIVE_INFINITY : context.splitBytes);
  }
  return {
    name: 'json',
    async *pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
      try {
        if (file.size === 0 && otherwise === undefined) throw new Failure('EMPTY_FILE', `'${file.uri}' is empty`);
        const open = await context.open(file);
        try {
          yield* pieces(open, context);
        } finally {
          await open.close();
        }
      } catch (error) {
        if (error instanceof RecordError) context.reject(error);
        else if (error instanceof Failure) context.reject(error.at(file.uri));
        else throw error;
      }
    },
    // The same copies are made of an element as of a line.
    holds: (range) => (range['other'] === 1 && otherwise !== undefined ? otherwise : lines).holds(range),
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      if (range['lines'] === 1) return yield* lines.read(file, range, reading);
      if (range['other'] === 1 && otherwise !== undefined) return yield* otherwise.read(file, range, reading);
      const { start = 0, end = file.size, row = 0, around = 0 } = range;
      const stream = new JsonStream(file, config, start === 0 ? undefined : { byte: start, around }, end);
      const reader = new ElementReader(file, config, reading, row);
      const rows = new RowChunks();
      try {
        for await (const elements of stream.batches()) {
          for (const element of elements) if (rows.add(reader.read(element))) yield rows.cut();
        }
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        yield rows.cut();
        reading.reject(error.at(file.uri, { ordinal: reading.ordinal(), byte: stream.cutter.byte }));
      }
      yield rows.cut();
    },
  };
}

/**
 * JSON files that hold an array of objects, plain, `.gz` or `.zst`: a file, a folder, a glob, or a list of them. The rows
 * are the elements of the array that `at` leads to; by default those of the file's own array, or of the one array of
 * objects that is a member of the file's object, whatever its name. A file of one object after the other is read as
 * `jsonl` does. Plain files of this machine are cut between elements into splits, for which planning looks at all of
 * them; others are one split and are streamed.
 *
 * Rows have the same values as in JSON Lines, large integers included. A document's `id` is its id column, else
 * `<uri>#<row>`; `position` has the `row`, from 0, and the `byte` at which its element begins in the (decompressed) file.
 *
 *     json('train.json', { at: 'data.rows', columns: { id: 'int64', text: 'string' } })
 *
 * Elements are cut by sluice itself and each is parsed with `JSON.parse`: a streaming parser makes every value a JavaScript
 * one as it comes, rounds large integers, and takes three times as long (bench/sources.bench.ts).
 *
 * @throws PipelineError for a wrong declaration of columns (see `parseTable`), `BAD_PATH`; SourceError at plan time
 * `NOT_FOUND`, `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. Rejects: docs/rejects.md.
 */
export function json<const C extends Columns = Record<never, never>, const T extends string = 'text'>(
  path: Inputs,
  options: JsonOptions<C, T> = {},
): Source<RowDocument<C, T>> {
  requireOptions('json', options, { ...TABLE_OPTIONS, ...LIST_OPTIONS, ...JSON_OPTIONS });
  const config = jsonConfig(parseTable(options), options);
  const { at, maxRecordBytes, maxExpansion } = config;
  const format = jsonFormat(config);
  return tableSource(path, options, {
    kind: 'json',
    table: config.table,
    options: { at: at ?? null, maxRecordBytes, maxExpansion },
    format,
    isUsual: isJson,
  });
}
