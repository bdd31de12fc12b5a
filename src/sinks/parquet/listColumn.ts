import type { ColumnChunk, CompressionCodec } from 'hyparquet';
import { ByteWriter, type ParquetWriter } from 'hyparquet-writer';
import { writePageHeader } from 'hyparquet-writer/src/datapage.js';

/** Lists of 4-byte numbers, row behind row. */
export interface Lists {
  readonly name: string;
  readonly type: 'FLOAT' | 'INT32';
  /** The numbers, little-endian, as a file has them. */
  readonly bytes: Uint8Array;
  /** i32[rows]: bytes of each list. */
  readonly lengths: Int32Array;
}

const NUMBER = 4;
/** A page ends with the row that takes it to this size before compression. */
const PAGE_BYTES = 1 << 20;

type Compress = (page: Uint8Array) => Uint8Array;

/**
 * Writes a column of lists: required lists (three levels, as the format asks) of required numbers. The library would make a
 * JavaScript number and two levels of each first, which takes fifteen times the room of the numbers themselves.
 *
 * Format: Apache Parquet, data page V2, levels of one bit as runs (RLE), plain values.
 */
export function writeListColumn(
  writer: ByteWriter,
  { name, type, bytes, lengths }: Lists,
  codec: CompressionCodec,
  compress: Compress | undefined,
): ParquetWriter['pendingIndexes'][number] {
  const start = writer.offset;
  const locations: { offset: bigint; compressed_page_size: number; first_row_index: bigint }[] = [];
  let values = 0;
  let uncompressed = 0;
  for (const page of pagesOf(lengths)) {
    const offset = writer.offset;
    const levels = levelsOf(lengths.subarray(page.fromRow, page.toRow));
    const content = bytes.subarray(page.fromByte, page.toByte);
    // A page goes to the other thread with the memory that it is in.
    const compressed = compress?.(content) ?? content.slice();
    const header = {
      num_values: levels.values,
      num_nulls: levels.empty,
      num_rows: page.toRow - page.fromRow,
      encoding: 'PLAIN',
      definition_levels_byte_length: levels.definition.length,
      repetition_levels_byte_length: levels.repetition.length,
      is_compressed: true,
    } as const;
    const levelBytes = levels.definition.length + levels.repetition.length;
    writePageHeader(writer, {
      type: 'DATA_PAGE_V2',
      uncompressed_page_size: levelBytes + content.length,
      compressed_page_size: levelBytes + compressed.length,
      data_page_header_v2: header,
    });
    uncompressed += writer.offset - offset + levelBytes + content.length;
    writer.appendBytes(levels.repetition);
    writer.appendBytes(levels.definition);
    writer.appendBytes(compressed);
    values += levels.values;
    locations.push({
      offset: BigInt(offset),
      compressed_page_size: writer.offset - offset,
      first_row_index: BigInt(page.fromRow),
    });
  }
  const chunk: ColumnChunk = {
    meta_data: {
      type,
      encodings: ['PLAIN'],
      path_in_schema: [name, 'list', 'element'],
      codec,
      num_values: BigInt(values),
      total_compressed_size: BigInt(writer.offset - start),
      total_uncompressed_size: BigInt(uncompressed),
      data_page_offset: BigInt(start),
    },
    file_offset: BigInt(start),
  };
  return locations.length > 1 ? { chunk, offsetIndex: { page_locations: locations } } : { chunk };
}

interface Page {
  readonly fromRow: number;
  readonly toRow: number;
  readonly fromByte: number;
  readonly toByte: number;
}

/** A row is never divided between two pages. */
function* pagesOf(lengths: Int32Array): Generator<Page, void, undefined> {
  let [fromRow, fromByte, toByte] = [0, 0, 0];
  for (let row = 0; row < lengths.length; row++) {
    toByte += lengths[row] ?? 0;
    if (toByte - fromByte < PAGE_BYTES && row + 1 < lengths.length) continue;
    yield { fromRow, toRow: row + 1, fromByte, toByte };
    [fromRow, fromByte] = [row + 1, toByte];
  }
}

/** A list begins with repetition 0 and goes on with 1; its numbers have definition 1, and an empty one is a value of definition 0. */
function levelsOf(lengths: Int32Array) {
  const repetition = new Runs();
  const definition = new Runs();
  let values = 0;
  let empty = 0;
  for (const length of lengths) {
    const count = length / NUMBER;
    repetition.add(0, 1);
    repetition.add(1, count - 1);
    definition.add(count === 0 ? 0 : 1, Math.max(1, count));
    if (count === 0) empty++;
    values += Math.max(1, count);
  }
  return { repetition: repetition.bytes(), definition: definition.bytes(), values, empty };
}

/** Levels of one bit, as runs of equal ones. */
class Runs {
  readonly #writer = new ByteWriter();
  #level = 0;
  #count = 0;

  add(level: 0 | 1, count: number): void {
    if (count <= 0) return;
    if (level !== this.#level) {
      this.#end();
      this.#level = level;
    }
    this.#count += count;
  }

  bytes(): Uint8Array {
    this.#end();
    return this.#writer.getBytes();
  }

  #end(): void {
    if (this.#count === 0) return;
    this.#writer.appendVarInt(this.#count << 1);
    this.#writer.appendUint8(this.#level);
    this.#count = 0;
  }
}
