import { isUtf8 } from 'node:buffer';
import { behindMark } from './byte-order-mark.ts';
import type { Table } from './columns.ts';
import { compressionOf, decompress } from './compression.ts';
import { type CsvDialect, type CsvRecord, CsvRecords } from './csv-records.ts';
import { type CsvHeader, csvFields, csvHeader } from './csv-row.ts';
import { Cuts } from './cuts.ts';
import { Failure } from './failure.ts';
import type { Piece } from './file-source.ts';
import { gradual } from './gradual.ts';
import type { OpenFile } from './open-file.ts';

export interface CsvConfig {
  readonly table: Table;
  readonly header: readonly string[] | undefined;
  readonly delimiter: string | undefined;
  readonly quote: string | null;
  readonly maxRecordBytes: number;
  readonly maxExpansion: number;
}

/** Where records begin in a file, and how many rows there were before. */
export interface CsvStart {
  readonly byte: number;
  readonly line: number;
  readonly row: number;
}

const isTsv = (uri: string): boolean => /\.tsv(\.(gz|zst))?$/i.test(uri);

/** How a file separates its fields, by the options and its name. */
export function dialectOf({ delimiter, quote }: CsvConfig, uri: string): CsvDialect {
  const character = delimiter ?? (isTsv(uri) ? '\t' : ',');
  return { delimiter: character.charCodeAt(0), quote: quote?.charCodeAt(0) };
}

/** The records of a file from a start on, without a byte-order mark and empty lines. */
export class CsvStream {
  readonly cutter: CsvRecords;
  readonly #file: OpenFile;
  readonly #config: CsvConfig;
  readonly #start: number;
  readonly #end: number;

  constructor(file: OpenFile, config: CsvConfig, start: Omit<CsvStart, 'row'>, end: number) {
    this.cutter = new CsvRecords(dialectOf(config, file.uri), config.maxRecordBytes, start);
    this.#file = file;
    this.#config = config;
    this.#start = start.byte;
    this.#end = end;
  }

  /**
   * Records by the chunk that they were read in.
   *
   * @throws Failure of the compressed stream, when every record that lies whole before it was handed on
   */
  async *batches(): AsyncGenerator<Iterable<CsvRecord>> {
    const compression = compressionOf(this.#file.uri);
    const raw = this.#file.stream(this.#start, this.#end);
    const bytes = compression === undefined ? raw : decompress(raw, compression, this.#config.maxExpansion);
    const content = this.#start === 0 ? behindMark(bytes, (mark) => this.cutter.skip(mark)) : bytes;
    for await (const chunk of content) yield full(this.cutter.push(chunk));
    yield full(this.cutter.flush());
  }
}

function* full(records: Iterable<CsvRecord>): Generator<CsvRecord> {
  for (const record of records) if (record.bytes.length > 0 || record.tooLong !== undefined) yield record;
}

/**
 * The bytes of a record that can be taken apart.
 *
 * @throws Failure `TOO_LONG`, `INVALID_CSV`
 */
export function wholeRecord({ bytes, tooLong, broken }: CsvRecord, limit: number): Uint8Array {
  if (tooLong !== undefined) {
    const hint = broken === undefined ? 'Set maxRecordBytes higher to read it.' : `In it, ${broken}.`;
    throw new Failure('TOO_LONG', `the record has ${tooLong} bytes, more than ${limit}`, hint);
  }
  if (broken !== undefined) {
    throw new Failure(
      'INVALID_CSV',
      `the record cannot be taken apart: ${broken}`,
      'Quotes within a quoted field are to be doubled; where quotes mean nothing, set quote to null.',
    );
  }
  return bytes;
}

/**
 * The header in a file's first record.
 *
 * @throws Failure as `wholeRecord` and `csvHeader`, `INVALID_UTF8`
 */
export function headerOf(first: CsvRecord, config: CsvConfig, uri: string): CsvHeader {
  const bytes = wholeRecord(first, config.maxRecordBytes);
  if (!isUtf8(bytes)) {
    throw new Failure('INVALID_UTF8', `the header of '${uri}' is not valid UTF-8`, 'Convert the file to UTF-8 first.');
  }
  const names = csvFields(bytes, dialectOf(config, uri)).map((field) => field.toString('utf8'));
  if (names.some((name) => name.includes('\r'))) {
    throw new Failure('INVALID_CSV', `the lines of '${uri}' end in a carriage return alone`, 'Convert its line ends.');
  }
  return csvHeader(config.table, names, uri);
}

/**
 * The header of a file that is looked at from its beginning.
 *
 * @throws Failure as `headerOf`, `NO_ROWS` (also where there is nothing but a header), and those of a compressed stream
 */
export async function readHeader(file: OpenFile, config: CsvConfig): Promise<CsvHeader> {
  let header = config.header === undefined ? undefined : csvHeader(config.table, config.header, file.uri);
  for await (const records of new CsvStream(gradual(file), config, { byte: 0, line: 1 }, file.size).batches()) {
    for (const record of records) {
      if (header !== undefined) return header;
      header = headerOf(record, config, file.uri);
    }
  }
  throw new Failure('NO_ROWS', `'${file.uri}' has no rows`);
}

/**
 * Cuts a file of this machine between records, which only a look at all of it can find: whether a line end is content
 * depends on every quote before it.
 */
export async function* csvCuts(file: OpenFile, config: CsvConfig, splitBytes: number): AsyncGenerator<Piece> {
  const cuts = new Cuts(file.size, splitBytes);
  let start: CsvStart = { byte: 0, line: 1, row: 0 };
  let row = config.header === undefined ? -1 : 0;
  if (cuts.needed) {
    for await (const records of new CsvStream(file, config, start, file.size).batches()) {
      for (const { byte, line } of records) {
        if (row > 0 && cuts.at(byte)) {
          yield pieceOf(start, byte);
          start = { byte, line, row };
        }
        row++;
      }
    }
  }
  yield pieceOf(start, file.size);
}

function pieceOf({ byte: start, line, row }: CsvStart, end: number): Piece {
  return { bytes: end - start, range: { start, end, line, row } };
}
