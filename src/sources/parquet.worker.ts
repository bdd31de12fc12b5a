import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadata,
  parquetMetadataAsync,
  parquetScan,
} from 'hyparquet';
import type { MetaValue } from '../records.ts';
import { moving } from '../run/pool.ts';
import { kindName } from './columns.ts';
import { checkPages } from './parquet-checksums.ts';
import type { FilePart } from './parquet-fetch.ts';
import { FileBytes, fileOf, isEmptyStruct, storedBytes } from './parquet-files.ts';
import { type PhysicalColumn, withoutLogicalTypes } from './parquet-schema.ts';

interface LocalParquet {
  readonly path: string;
  readonly mtimeMs: number;
}

/** What was fetched of a remote file. */
interface FetchedParquet {
  /** Names the file and its version. */
  readonly key: string;
  /** Its end, with all of the footer. */
  readonly tail: Uint8Array<SharedArrayBuffer>;
  readonly parts: readonly FilePart[];
}

/** One row group to decode. */
export interface RowGroupTask {
  readonly size: number;
  readonly from: LocalParquet | FetchedParquet;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly text: PhysicalColumn;
  readonly columns: readonly PhysicalColumn[];
}

interface BadRow {
  /** Within the chunk. */
  readonly row: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Some rows: their texts one behind the other, and every other column's values. */
export interface RowChunk {
  readonly rows: number;
  readonly text: Uint8Array<ArrayBuffer>;
  /** u32[rows + 1]: where in `text` each row's begins. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly values: readonly (readonly MetaValue[])[];
  /** What bytes of files in `values` are views of. */
  readonly files: Uint8Array<ArrayBuffer>;
  readonly bad: readonly BadRow[];
}

const CHUNK_ROWS = 1024;
const CHUNK_BYTES = 1 << 20;

const compressors: Compressors = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
};

const instants = {
  timestampFromNanoseconds: (nanoseconds: bigint): bigint => nanoseconds,
};

/** Footers that are asked for again with every row group of a file. */
const footers = new Map<string, Promise<FileMetaData>>();
const FOOTERS = 8;

function footer({ from, size }: RowGroupTask, file: AsyncBuffer): Promise<FileMetaData> {
  const key = 'path' in from ? `${from.path}\0${size}\0${from.mtimeMs}` : from.key;
  let metadata = footers.get(key);
  if (metadata === undefined) {
    metadata = metadataOf(from, file).then(withoutLogicalTypes);
    metadata.catch(() => footers.delete(key));
    footers.set(key, metadata);
    for (const old of [...footers.keys()].slice(0, -FOOTERS)) footers.delete(old);
  }
  return metadata;
}

async function metadataOf(from: RowGroupTask['from'], file: AsyncBuffer): Promise<FileMetaData> {
  const options = { geoparquet: false };
  // A copy of its own: text is not decoded out of shared memory.
  return 'path' in from ? parquetMetadataAsync(file, options) : parquetMetadata(new Uint8Array(from.tail), options);
}

class Unfit extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  constructor(code: string, message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** The digits of an unscaled decimal with its point: 1230 and scale 2 are `12.30`. */
function decimalText(value: unknown, scale: number): string {
  let unscaled = 0n;
  if (value instanceof Uint8Array) {
    for (const byte of value) unscaled = (unscaled << 8n) | BigInt(byte);
    unscaled = BigInt.asIntN(value.length * 8, unscaled);
  } else unscaled = BigInt(value as number | bigint);
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const text = scale > 0 ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits;
  return unscaled < 0n ? `-${text}` : text;
}

function utf8(column: PhysicalColumn, bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new Unfit('INVALID_UTF8', `column '${column.name}' is not valid UTF-8`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function scalar(column: PhysicalColumn, value: unknown, files: FileBytes): MetaValue {
  // The schema was checked at plan time: every stored type that reaches a conversion is the one it is for.
  switch (column.conversion) {
    case 'same':
      // A view would carry its whole page over the thread boundary.
      return value instanceof Uint8Array ? new Uint8Array(value) : (value as MetaValue);
    case 'text':
      return utf8(column, value as Uint8Array);
    case 'file':
    case 'fileBytes':
    case 'filePath':
      return fileOf(column.conversion, value, {
        bytes: (bytes) => files.keep(bytes),
        path: (bytes) => utf8(column, bytes),
      });
    case 'bigint':
      return BigInt(value as number | bigint);
    case 'uint32':
      return (value as number) >>> 0;
    case 'uint64':
      return BigInt.asUintN(64, value as bigint);
    case 'decimal':
      return decimalText(value, column.scale);
    case 'days':
      return new Date((value as number) * 86_400_000);
    case 'milliseconds':
      return new Date(Number(value as bigint));
    case 'microseconds':
      return new Date(Number((value as bigint) / 1000n));
    case 'nanoseconds':
      return new Date(Number((value as bigint) / 1_000_000n));
  }
}

function convert(column: PhysicalColumn, stored: unknown, files: FileBytes): MetaValue {
  const isEmpty = (file: unknown): boolean => column.conversion === 'file' && isEmptyStruct(file);
  const value = !column.list && isEmpty(stored) ? null : stored;
  if (value === undefined || value === null) {
    if (column.nullable) return null;
    const nullable = kindName({ ...column, nullable: true });
    throw new Unfit('NULL_VALUE', `column '${column.name}' is null`, `Declare it '${nullable}' to allow that.`);
  }
  if (!column.list) return scalar(column, value, files);
  return Array.from(value as ArrayLike<unknown>, (element) => {
    if (element === undefined || element === null || isEmpty(element)) {
      throw new Unfit('NULL_VALUE', `column '${column.name}' holds a list with a null in it`);
    }
    return scalar(column, element, files);
  });
}

function textBytes(column: PhysicalColumn, value: unknown, files: FileBytes): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value === undefined || value === null) throw new Unfit('NULL_VALUE', `column '${column.name}' is null`);
  return Buffer.from(`${convert(column, value, files)}`);
}

type Values = ArrayLike<unknown>;

interface Rows {
  readonly start: number;
  readonly end: number;
  /** Bytes of files in them. */
  readonly fileBytes: number;
}

/** Packs rows: copies texts and files together, so that buffers move and no page stays alive for a row. */
function pack(
  task: RowGroupTask,
  texts: Values,
  columns: readonly Values[],
  { start, end, fileBytes }: Rows,
): RowChunk {
  const rows = end - start;
  const files = new FileBytes(fileBytes);
  const pieces: Uint8Array[] = [];
  const offsets = new Uint32Array(rows + 1);
  const values: MetaValue[][] = columns.map(() => []);
  const bad: BadRow[] = [];
  let length = 0;
  for (let row = 0; row < rows; row++) {
    offsets[row] = length;
    try {
      const piece = textBytes(task.text, texts[start + row], files);
      const cells = task.columns.map((column, index) => convert(column, columns[index]?.[start + row], files));
      for (const [index, cell] of cells.entries()) values[index]?.push(cell);
      pieces.push(piece);
      length += piece.length;
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      bad.push({ row, code: error.code, message: error.message, hint: error.hint });
      for (const column of values) column.push(null);
    }
  }
  offsets[rows] = length;
  const text = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    text.set(piece, at);
    at += piece.length;
  }
  return { rows, text, offsets, values, files: files.buffer, bad };
}

function fetchedFile(size: number, parts: readonly FilePart[]): AsyncBuffer {
  return {
    byteLength: size,
    slice(start, end = size) {
      const part = parts.find(
        (candidate) => candidate.start <= start && candidate.start + candidate.bytes.length >= end,
      );
      if (part === undefined) throw new Error(`bytes ${start} to ${end - 1} belong to no needed column`);
      const from = part.bytes.byteOffset + start - part.start;
      return part.bytes.buffer.slice(from, from + end - start);
    },
  };
}

function localFile(size: number, handle: FileHandle): AsyncBuffer {
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(Math.max(0, end - start));
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0) throw new Error('the file ends too early');
        filled += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

/** Decodes the needed columns of one row group and hands them over in chunks of bounded size. */
export default async function decodeRowGroup(task: RowGroupTask): Promise<unknown> {
  const { from, size } = task;
  if (!('path' in from)) return decode(task, fetchedFile(size, from.parts));
  const handle = await open(from.path);
  try {
    return await decode(task, localFile(size, handle));
  } finally {
    await handle.close();
  }
}

async function decode(task: RowGroupTask, file: AsyncBuffer): Promise<unknown> {
  const metadata = await footer(task, file);
  if ('parts' in task.from) checkPages(metadata, task.from.parts);
  const names = [task.text.name, ...task.columns.map((column) => column.name)];
  const scan = await parquetScan({
    file,
    metadata,
    columns: names,
    rowStart: task.rowStart,
    rowEnd: task.rowEnd,
    compressors,
    utf8: false,
    parsers: instants,
    geoparquet: false,
  });
  const total = task.rowEnd - task.rowStart;
  const column = async (name: string): Promise<Values> => {
    const values = await scan.readColumn({ column: name, rowStart: task.rowStart, rowEnd: task.rowEnd });
    if (values.length !== total) throw new Error(`column '${name}' has ${values.length} of ${total} rows`);
    return values;
  };
  const texts = await column(task.text.name);
  const columns: Values[] = [];
  for (const { name } of task.columns) columns.push(await column(name));
  const files = task.columns.flatMap(({ conversion }, index) =>
    conversion === 'file' || conversion === 'fileBytes' ? [index] : [],
  );
  const chunks: RowChunk[] = [];
  for (let start = 0; start < total; ) {
    let end = start;
    let fileBytes = 0;
    for (let bytes = 0; end < total && end - start < CHUNK_ROWS && bytes + fileBytes < CHUNK_BYTES; end++) {
      const value = texts[end];
      bytes += value instanceof Uint8Array ? value.length : 0;
      for (const index of files) fileBytes += storedBytes(columns[index]?.[end]);
    }
    chunks.push(pack(task, texts, columns, { start, end, fileBytes }));
    start = end;
  }
  return moving(
    chunks,
    chunks.flatMap(({ text, offsets, files: bytes }) => [text.buffer, offsets.buffer, bytes.buffer]),
  );
}
