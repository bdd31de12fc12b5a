import { isUtf8 } from 'node:buffer';
import { type Position, RecordError } from '../errors.ts';
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
import { compressionOf, decompress, MAX_EXPANSION } from './compression.ts';
import { Failure } from './failure.ts';
import type { FilePlan, Format, Piece, Range, Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { jsonRow } from './json-row.ts';
import { type Line, LineSplitter } from './lines.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import type { OpenFile } from './open-file.ts';
import { type Row, RowChunks } from './row-chunks.ts';
import type { Source } from './source.ts';
import { tableSource } from './table-source.ts';
import type { FoundFile } from './walk.ts';

export interface JsonlLimits {
  /** Bytes of a line at most; a longer one is rejected without being held. Default: 64 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /** Decompressed bytes per compressed byte at most. Default: 250. */
  readonly maxExpansion?: number | undefined;
}

export const JSONL_LIMITS = { maxRecordBytes: true, maxExpansion: true } as const satisfies OptionNames<JsonlLimits>;

export interface JsonlOptions<C extends Columns, T extends string>
  extends TableOptions<C, T>,
    ListOptions,
    JsonlLimits {}

const NAME = /\.(jsonl|ndjson)(\.(gz|zst))?$/i;

/** Whether a file is JSONL by its name. */
export const isJsonl = (uri: string): boolean => NAME.test(uri);

const LF = 0x0a;

export interface JsonlConfig {
  readonly table: Table;
  readonly maxRecordBytes: number;
  readonly maxExpansion: number;
}

export function jsonlConfig(table: Table, limits: JsonlLimits): JsonlConfig {
  return {
    table,
    maxRecordBytes: checkedLimit('maxRecordBytes', limits.maxRecordBytes ?? 64 << 20, 1),
    maxExpansion: checkedLimit('maxExpansion', limits.maxExpansion ?? MAX_EXPANSION, 1),
  };
}

/** First byte behind the first line end at or after `from`; the file's size where there is none. */
async function behindLineEnd(file: OpenFile, from: number): Promise<number> {
  const step = 64 << 10;
  for (let at = from; at < file.size; at += step) {
    const index = (await file.read(at, Math.min(file.size, at + step))).indexOf(LF);
    if (index !== -1) return at + index + 1;
  }
  return file.size;
}

async function* pieces(file: FoundFile, context: FilePlan): AsyncGenerator<Piece> {
  if (file.size === 0) {
    context.reject(new RecordError(`'${file.uri}' is empty`, { code: 'EMPTY_FILE', path: file.uri }));
    return;
  }
  const count = compressionOf(file.uri) === undefined ? Math.round(file.size / context.splitBytes) : 1;
  if (count < 2) {
    yield { bytes: file.size, range: { start: 0, end: file.size } };
    return;
  }
  let open: OpenFile;
  try {
    open = await context.open(file);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    context.reject(error);
    return;
  }
  try {
    let start = 0;
    for (let cut = 1; cut <= count && start < file.size; cut++) {
      const aim = Math.floor((file.size * cut) / count);
      if (aim <= start) continue;
      const end = cut === count ? file.size : await behindLineEnd(open, aim - 1);
      yield { bytes: end - start, range: { start, end } };
      start = end;
    }
  } finally {
    await open.close();
  }
}

class LineReader {
  readonly #file: OpenFile;
  readonly #config: JsonlConfig;
  readonly #reading: Reading;
  /** Counted only from the start of a file: further on nobody knows how many lines there were before. */
  #line: number | undefined;

  constructor(file: OpenFile, config: JsonlConfig, reading: Reading, start: number) {
    this.#file = file;
    this.#config = config;
    this.#reading = reading;
    this.#line = start === 0 ? 0 : undefined;
  }

  position(byte: number): Position {
    const ordinal = this.#reading.ordinal();
    return this.#line === undefined ? { ordinal, byte } : { ordinal, byte, line: this.#line };
  }

  /** The line as a document; undefined where it is blank, passed over or was rejected. */
  read(line: Line): Row | undefined {
    if (this.#line !== undefined) this.#line++;
    const { tooLong } = line;
    let bytes = line.bytes;
    let byte = line.byte;
    if (byte === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
      bytes = bytes.subarray(3);
      byte = 3;
    }
    if (tooLong === undefined && isBlank(bytes)) return undefined;
    const position = this.position(byte);
    const { uri } = this.#file;
    try {
      if (tooLong !== undefined) {
        const limit = this.#config.maxRecordBytes;
        throw new Failure(
          'TOO_LONG',
          `the line has ${tooLong} bytes, more than ${limit}`,
          'Set maxRecordBytes higher to read it.',
        );
      }
      if (!isUtf8(bytes)) {
        throw new Failure('INVALID_UTF8', 'the line is not valid UTF-8', 'JSON is UTF-8; convert the file first.');
      }
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const row = jsonRow(this.#config.table, view.toString('utf8'));
      if (row === undefined) {
        this.#reading.passOver(1);
        return undefined;
      }
      const { text, meta } = row;
      return {
        id: documentId(this.#config.table, meta, uri, byte),
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

function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}

/** Lines of JSON objects; plain files are cut at line ends, compressed ones are read in one go. */
export function jsonlFormat(config: JsonlConfig): Format<Row> {
  return {
    name: 'jsonl',
    pieces,
    // The line, its text and the text's bytes, at the worst.
    holds: ({ start = 0, end = 0 }) =>
      4 * Math.min(config.maxRecordBytes, (end - start) * config.maxExpansion) + (1 << 20),
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Row[]> {
      const { start = 0, end = file.size } = range;
      const compression = compressionOf(file.uri);
      const raw = file.stream(start, end);
      const bytes = compression === undefined ? raw : decompress(raw, compression, config.maxExpansion);
      const splitter = new LineSplitter(config.maxRecordBytes, start);
      const reader = new LineReader(file, config, reading, start);
      const rows = new RowChunks();
      let failure: Failure | undefined;
      try {
        for await (const chunk of bytes) {
          for (const line of splitter.push(chunk)) if (rows.add(reader.read(line))) yield rows.cut();
        }
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failure = error;
      }
      // Of a stream that broke off, the last line is not whole.
      if (failure === undefined) for (const line of splitter.flush()) if (rows.add(reader.read(line))) yield rows.cut();
      yield rows.cut();
      if (failure !== undefined) reading.reject(failure.at(file.uri, reader.position(splitter.byte)));
    },
  };
}

/**
 * JSON Lines, plain, `.gz` or `.zst`: a file, a folder, a glob, or a list of them. Plain files are cut at line ends into
 * splits; a compressed file is one split and is streamed.
 *
 * A document's `id` is its id column, else `<uri>#<byte>`. `position.byte` is the offset of the line in the (decompressed)
 * file and always exact; `position.line` is there where the split begins at the file's start. Blank lines, CRLF, a
 * byte-order mark and a missing last line end are no errors.
 *
 *     jsonl('data/*.jsonl.zst', { columns: { id: 'string', text: 'string', score: 'double?' } })
 *
 * @throws PipelineError for a wrong declaration of columns (see `parseTable`); SourceError at plan time `NOT_FOUND`,
 * `NO_FILES`, `NO_USABLE_FILE`; while reading `INPUT_CHANGED`. Lines that cannot be read are rejected: docs/rejects.md.
 */
export function jsonl<const C extends Columns = Record<never, never>, const T extends string = 'text'>(
  path: Inputs,
  options: JsonlOptions<C, T> = {},
): Source<RowDocument<C, T>> {
  requireOptions('jsonl', options, { ...TABLE_OPTIONS, ...LIST_OPTIONS, ...JSONL_LIMITS });
  const config = jsonlConfig(parseTable(options), options);
  const format = jsonlFormat(config);
  return tableSource(path, options, {
    kind: 'jsonl',
    table: config.table,
    options: { maxRecordBytes: config.maxRecordBytes, maxExpansion: config.maxExpansion },
    format,
    isUsual: isJsonl,
  });
}
