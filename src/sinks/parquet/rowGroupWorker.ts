import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { ColumnChunk, CompressionCodec, RowGroup as RowGroupMetadata } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { moving } from '../../run/pool.ts';
import type { StoredColumn } from '../table/columns.ts';
import type { ColumnValues } from '../table/packedRows.ts';
import { writeListColumn } from './listColumn.ts';

export interface RowGroupTask {
  readonly columns: readonly StoredColumn[];
  readonly values: readonly ColumnValues[];
  readonly codec: CompressionCodec;
  /** Where in the file the row group begins. */
  readonly offset: number;
}

export interface EncodedRowGroup {
  /** The bytes of the row group, in order. */
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly metadata: RowGroupMetadata;
  /** Places of the pages, for the file's end; they refer to objects in `metadata`. */
  readonly indexes: ParquetWriter['pendingIndexes'];
}

/** A column with a longer value than this has no least and greatest value: the file would hold them until its end. */
const LONGEST_BOUND = 1024;

const compressors = {
  GZIP: (page: Uint8Array): Uint8Array => gzipSync(page),
  ZSTD: (page: Uint8Array): Uint8Array => zstdCompressSync(page),
};

/** Encodes and compresses one row group in a worker thread, column by column. */
export default function encodeRowGroup({ columns, values, codec, offset }: RowGroupTask): unknown {
  const writer = new ChunkWriter(offset);
  const encoded = columns.map((column, i) => {
    const own = values[i] ?? { scalars: [] };
    const chunk = encodeColumn(writer, column, own, codec);
    release(own);
    return chunk;
  });
  const metadata: RowGroupMetadata = {
    columns: encoded.map(({ chunk }) => chunk),
    total_byte_size: encoded.reduce((sum, { chunk }) => sum + (chunk.meta_data?.total_uncompressed_size ?? 0n), 0n),
    num_rows: BigInt(rowsOf(values[0])),
    total_compressed_size: BigInt(writer.offset - offset),
  };
  const chunks = writer.take();
  const group: EncodedRowGroup = { chunks, bytes: writer.offset - offset, metadata, indexes: encoded };
  return moving(
    group,
    chunks.map((chunk) => chunk.buffer),
  );
}

type EncodedColumn = ParquetWriter['pendingIndexes'][number];

function encodeColumn(
  writer: ByteWriter,
  column: StoredColumn,
  values: ColumnValues,
  codec: CompressionCodec,
): EncodedColumn {
  const { name, type, repetition_type } = column.element;
  // Values are given as they are stored, so the writer needs no meaning to convert them by.
  const element = { name, ...(type && { type }), ...(repetition_type && { repetition_type }) };
  const schema: SchemaElement[] = [{ name: 'schema', num_children: 1 }, element];
  const parquet = new ParquetWriter({ writer: new ByteWriter(), schema, codec, compressors });
  if (column.numbers !== undefined && 'bytes' in values) {
    const lists = { name, type: column.numbers, ...values };
    return writeListColumn(writer, lists, codec, parquet.compressors[codec]);
  }
  // The first one took the file's magic number, which does not stand before every column.
  parquet.writer = writer;
  const { data, longest } = valuesOf(values);
  const source: ColumnSource = {
    name,
    data,
    statistics: column.unbounded !== true && longest <= LONGEST_BOUND,
    ...(column.plain === true && { encoding: 'PLAIN' as const }),
  };
  void parquet.write({ columnData: [source], rowGroupSize: data.length });
  const [encoded] = parquet.pendingIndexes;
  if (encoded === undefined) throw new Error('a row group without rows');
  keepOnlyBounds(encoded.chunk);
  return encoded;
}

function rowsOf(values: ColumnValues | undefined): number {
  if (values === undefined) return 0;
  return 'bytes' in values ? values.lengths.length : values.scalars.length;
}

type Value = Uint8Array | number | bigint | boolean | null;

function valuesOf(values: ColumnValues): { data: Value[]; longest: number } {
  if ('scalars' in values) return { data: [...values.scalars], longest: 0 };
  let at = 0;
  let longest = 0;
  const data = Array.from(values.lengths, (length) => {
    if (length < 0) return null;
    longest = Math.max(longest, length);
    at += length;
    return values.bytes.subarray(at - length, at);
  });
  return { data, longest };
}

/** A bound is a view of all values of its column, and would take them along to the other thread. */
function keepOnlyBounds({ meta_data: meta }: ColumnChunk): void {
  const bounds = meta?.statistics;
  if (bounds?.min_value instanceof Uint8Array) bounds.min_value = bounds.min_value.slice();
  if (bounds?.max_value instanceof Uint8Array) bounds.max_value = bounds.max_value.slice();
}

/** Gives the memory of a column back at once: collecting it may take the thread as long as the next few tasks. */
function release(values: ColumnValues): void {
  if ('bytes' in values) values.bytes.buffer.transfer(0);
}

/** Pieces from this size on are kept instead of copied. */
const LARGE = 64 << 10;

/** Gathers what is written without joining it: pages are kept as they come, what lies between them is copied. */
class ChunkWriter extends ByteWriter {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];

  constructor(offset: number) {
    super();
    this.offset = offset;
  }

  override appendBytes(value: Uint8Array): void {
    const { buffer } = value;
    // A view of something larger is copied, for whole buffers go to the other thread.
    if (value.length < LARGE || 2 * value.length < buffer.byteLength || !(buffer instanceof ArrayBuffer)) {
      super.appendBytes(value);
      return;
    }
    this.#seal();
    this.#chunks.push(new Uint8Array(buffer, value.byteOffset, value.length));
    this.offset += value.length;
  }

  take(): readonly Uint8Array<ArrayBuffer>[] {
    this.#seal();
    return this.#chunks;
  }

  #seal(): void {
    if (this.index > 0) this.#chunks.push(this.getBytes().slice());
    this.index = 0;
  }
}
