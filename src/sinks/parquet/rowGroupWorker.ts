import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { CompressionCodec, RowGroup as RowGroupMetadata } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { float32From, int32From } from '../../formats/littleEndian.ts';
import { moving } from '../../run/pool.ts';
import { type StoredColumn, schemaOf } from '../table/columns.ts';
import type { ColumnValues } from '../table/packedRows.ts';

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

/** Encodes and compresses one row group in a worker thread. */
export default function encodeRowGroup({ columns, values, codec, offset }: RowGroupTask): unknown {
  const schema: SchemaElement[] = [{ name: 'schema', num_children: columns.length }];
  const columnData = columns.map((column, i): ColumnSource => {
    const { element, plain, unbounded } = column;
    schema.push(...schemaOf(column).map(stored));
    const { data, longest } = valuesOf(values[i] ?? { scalars: [] }, column.numbers);
    return {
      name: element.name,
      data,
      statistics: unbounded !== true && longest <= LONGEST_BOUND,
      ...(plain === true && { encoding: 'PLAIN' as const }),
    };
  });
  const parquet = new ParquetWriter({ writer: new ByteWriter(), schema, codec, compressors });
  const writer = new ChunkWriter(offset);
  // The first one took the file's magic number, which does not stand before every row group.
  parquet.writer = writer;
  void parquet.write({ columnData, rowGroupSize: columnData[0]?.data.length ?? 0 });
  const [metadata] = parquet.row_groups;
  if (metadata === undefined) throw new Error('a row group without rows');
  keepOnlyBounds(metadata);
  release(values);
  const chunks = writer.take();
  const encoded: EncodedRowGroup = {
    chunks,
    bytes: writer.offset - offset,
    metadata,
    indexes: parquet.pendingIndexes,
  };
  return moving(
    encoded,
    chunks.map((chunk) => chunk.buffer),
  );
}

/** Values are given as they are stored, so the writer needs no meaning to convert them by; only lists must be known as such. */
function stored(element: SchemaElement): SchemaElement {
  const { name, type, repetition_type, converted_type, num_children } = element;
  const base = { name, ...(type && { type }), ...(repetition_type && { repetition_type }) };
  if (num_children === undefined) return base;
  return { ...base, num_children, ...(converted_type && { converted_type }) };
}

type Value = Uint8Array | number[] | number | bigint | boolean | null;

function valuesOf(values: ColumnValues, numbers: StoredColumn['numbers']): { data: Value[]; longest: number } {
  if ('scalars' in values) return { data: [...values.scalars], longest: 0 };
  let at = 0;
  let longest = 0;
  const data = Array.from(values.lengths, (length) => {
    if (length < 0) return null;
    longest = Math.max(longest, length);
    at += length;
    return listOf(values.bytes.subarray(at - length, at), numbers);
  });
  return { data, longest };
}

/** The writer takes lists as arrays of JavaScript alone. */
function listOf(bytes: Uint8Array, numbers: StoredColumn['numbers']): Uint8Array | number[] {
  if (numbers === undefined) return bytes;
  return Array.from(numbers === 'FLOAT' ? float32From(bytes) : int32From(bytes));
}

/** A bound is a view of all values of its column, and would take them along to the other thread. */
function keepOnlyBounds({ columns }: RowGroupMetadata): void {
  for (const { meta_data: meta } of columns) {
    const bounds = meta?.statistics;
    if (bounds?.min_value instanceof Uint8Array) bounds.min_value = bounds.min_value.slice();
    if (bounds?.max_value instanceof Uint8Array) bounds.max_value = bounds.max_value.slice();
  }
}

/** Gives the memory of a row group back at once: collecting it may take the thread as long as the next few tasks. */
function release(values: readonly ColumnValues[]): void {
  for (const value of values) if ('bytes' in value) value.bytes.buffer.transfer(0);
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
