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
import type { FilePart } from './parquet-fetch.ts';
import { FileBytes, storedBytes } from './parquet-files.ts';
import { checkedFile } from './parquet-pages.ts';
import { type PhysicalColumn, withoutLogicalTypes } from './parquet-schema.ts';
import { type ColumnReader, type Selection, selectRows } from './parquet-select.ts';
import { convert, textBytes, Unfit } from './parquet-values.ts';
import type { Conditions } from './where.ts';

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
  readonly group: number;
  readonly size: number;
  readonly from: LocalParquet | FetchedParquet;
  readonly rowStart: number;
  readonly rowEnd: number;
  /** Bytes to hand over at most, but for the last chunk. */
  readonly most: number;
  readonly text: PhysicalColumn;
  readonly columns: readonly PhysicalColumn[];
  /** What a row must fulfil, by the number of the column. */
  readonly where: readonly { readonly column: number; readonly conditions: Conditions }[];
}

interface BadRow {
  /** Within the chunk. */
  readonly row: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Some rows: the texts of the good ones behind one another, and their values of every other column. */
export interface RowChunk {
  readonly rows: number;
  /** 1 for each row that conditions pass over; absent where there are none. */
  readonly passed?: Uint8Array<ArrayBuffer> | undefined;
  readonly text: Uint8Array<ArrayBuffer>;
  /** Where in `text` each good row's begins, and the end. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly values: readonly (readonly MetaValue[])[];
  /** What bytes of files in `values` are views of. */
  readonly files: Uint8Array<ArrayBuffer>;
  readonly bad: readonly BadRow[];
}

/** The first of the wanted rows; all of them where nothing says otherwise. */
export interface DecodedRows {
  readonly chunks: RowChunk[];
  /** What was fetched, where rows are left that it is needed for. */
  readonly parts?: readonly FilePart[] | undefined;
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

type Values = ArrayLike<unknown>;

/** What is decoded of a row group: rows that conditions leave, and the columns that these did not need. */
interface Decoded {
  readonly selection: Selection;
  /** The row that these begin with. */
  readonly from: number;
  readonly texts: Values;
  readonly columns: readonly Values[];
}

interface Rows {
  readonly start: number;
  readonly end: number;
  /** Bytes of files in them. */
  readonly fileBytes: number;
}

/** Packs rows: copies texts and files together, so that buffers move and no page stays alive for a row. */
function pack(task: RowGroupTask, decoded: Decoded, { start, end, fileBytes }: Rows): RowChunk {
  const { selection, from, texts, columns } = decoded;
  const files = new FileBytes(fileBytes);
  const pieces: Uint8Array[] = [];
  const offsets = [0];
  const values: MetaValue[][] = task.columns.map(() => []);
  const bad: BadRow[] = [];
  const passed = task.where.length === 0 ? undefined : new Uint8Array(end - start);
  let length = 0;
  for (let row = start; row < end; row++) {
    if (passed !== undefined && selection.isPassed(row)) {
      passed[row - start] = 1;
      continue;
    }
    try {
      selection.requireFit(row);
      const piece = textBytes(task.text, texts[row - from], files);
      const cells = task.columns.map(
        (column, index) => selection.known(index, row) ?? convert(column, columns[index]?.[row - from], files),
      );
      for (const [index, cell] of cells.entries()) values[index]?.push(cell);
      pieces.push(piece);
      length += piece.length;
      offsets.push(length);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      bad.push({ row: row - start, code: error.code, message: error.message, hint: error.hint });
    }
  }
  const text = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    text.set(piece, at);
    at += piece.length;
  }
  return { rows: end - start, passed, text, offsets: Uint32Array.from(offsets), values, files: files.buffer, bad };
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

/** Bytes of the cells of a row, as far as they are texts or bytes; and those among them that belong to files. */
function cellBytes({ columns, selection, from }: Decoded, kinds: readonly PhysicalColumn[], row: number): CellBytes {
  let [all, files] = [0, 0];
  for (const [index, { conversion }] of kinds.entries()) {
    const known = selection.known(index, row);
    const bytes = typeof known === 'string' ? known.length : storedBytes(columns[index]?.[row - from]);
    all += bytes;
    if (conversion === 'file' || conversion === 'fileBytes') files += bytes;
  }
  return { all, files };
}

interface CellBytes {
  readonly all: number;
  readonly files: number;
}

async function decode(task: RowGroupTask, source: AsyncBuffer): Promise<unknown> {
  const metadata = await footer(task, source);
  const names = [task.text.name, ...task.columns.map((column) => column.name)];
  const scan = await parquetScan({
    file: checkedFile(source, metadata.row_groups[task.group], names),
    metadata,
    columns: names,
    rowStart: task.rowStart,
    rowEnd: task.rowEnd,
    compressors,
    // An index of pages lies elsewhere in the file and may say anything; the columns are here as a whole.
    useOffsetIndex: false,
    utf8: false,
    parsers: instants,
    geoparquet: false,
  });
  const total = task.rowEnd - task.rowStart;
  const column: ColumnReader = async (name, start = 0, end = total) => {
    const rows = { rowStart: task.rowStart + start, rowEnd: task.rowStart + end };
    const values: Values = await scan.readColumn({ column: name, ...rows });
    if (values.length !== end - start) throw new Error(`column '${name}' has ${values.length} of ${end - start} rows`);
    return values;
  };
  const selection = await selectRows(task, total, column);
  const { first: from, last: to } = selection;
  // Of rows that conditions pass over nothing more is decoded, as far as pages allow.
  const texts = await column(task.text.name, from, to);
  const columns: Values[] = [];
  for (const [index, { name }] of task.columns.entries()) {
    columns.push(selection.isKnown(index) ? [] : await column(name, from, to));
  }
  const decoded = { selection, from, texts, columns };
  const chunks: RowChunk[] = [];
  let next = 0;
  for (let handed = 0; next < total && handed < task.most; ) {
    let end = next;
    let [bytes, fileBytes, rows] = [0, 0, 0];
    for (; end < total && rows < CHUNK_ROWS && bytes < CHUNK_BYTES; end++) {
      if (selection.isPassed(end)) continue;
      rows++;
      const cells = cellBytes(decoded, task.columns, end);
      bytes += storedBytes(texts[end - from]) + cells.all;
      fileBytes += cells.files;
    }
    chunks.push(pack(task, decoded, { start: next, end, fileBytes }));
    handed += bytes;
    next = end;
  }
  const parts = next < total && 'parts' in task.from ? task.from.parts : undefined;
  const result: DecodedRows = { chunks, parts };
  return moving(result, [
    ...chunks.flatMap(({ passed, text, offsets, files: bytes }) => [
      ...(passed === undefined ? [] : [passed.buffer]),
      text.buffer,
      offsets.buffer,
      bytes.buffer,
    ]),
    ...(parts ?? []).map(({ bytes }) => bytes.buffer),
  ]);
}
