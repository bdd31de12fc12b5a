import { crc32 } from 'node:zlib';
import type { AsyncBuffer, ColumnMetaData, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { chunkRange } from './parquet-fetch.ts';
import { requireBounded } from './thrift-bounds.ts';

/** Bytes that the pages of a chunk may hold beyond twice what the footer says of them: not all writers count alike. */
const SLACK = 1 << 20;

/** Values in the header of a page at most: those that are known are thirty. */
const MOST_HEADER = 1000;

/** A file of which the chunks of some columns of a row group are checked whenever they are read: see {@link checkChunk}. */
export function checkedFile(file: AsyncBuffer, group: RowGroup | undefined, columns: readonly string[]): AsyncBuffer {
  const chunks = (group?.columns ?? []).flatMap(({ meta_data: meta }) =>
    meta !== undefined && columns.includes(meta.path_in_schema[0] ?? '') ? [{ meta, ...chunkRange(meta) }] : [],
  );
  const rows = Number(group?.num_rows ?? 0);
  return {
    byteLength: file.byteLength,
    async slice(from, to) {
      const bytes = await file.slice(from, to);
      for (const { meta, start, end } of chunks) {
        if (start < from || end > from + bytes.byteLength) continue;
        checkChunk(new Uint8Array(bytes, start - from, end - start), meta, rows);
      }
      return bytes;
    },
  };
}

/**
 * Looks at the headers of a column's pages before anything is decoded: they must lie within the chunk, hold no more values
 * and no more bytes than the footer says, and have their checksums, as far as there are any: most writers leave them out
 * unless they are asked. (CRC-32 of a page as it is stored, without its header: parquet.thrift, `PageHeader.crc`.)
 *
 * @throws Error naming the column and the page
 */
function checkChunk(chunk: Uint8Array, meta: ColumnMetaData, rows: number): void {
  const column = meta.path_in_schema.join('.');
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const mostValues = Math.max(Number(meta.num_values ?? 0), rows);
  const mostBytes = 2 * Math.max(Number(meta.total_uncompressed_size ?? 0), chunk.length) + SLACK;
  let [values, bytes] = [0, 0];
  // What follows the last value is nobody's business.
  for (let page = 0, at = 0; at < chunk.length && values < mostValues; page++) {
    const wrong = (what: string): Error => new Error(`page ${page} of column '${column}' ${what}`);
    requireBounded(chunk, at, MOST_HEADER);
    const reader = { view, offset: at };
    const header = parquetHeader(reader);
    const { compressed_page_size: stored, uncompressed_page_size: size, crc } = header;
    const data = header.data_page_header ?? header.data_page_header_v2;
    const own = data?.num_values ?? 0;
    const entries = header.dictionary_page_header?.num_values ?? 0;
    const end = reader.offset + stored;
    if (!(stored >= 0 && size >= 0 && own >= 0 && end <= chunk.length)) throw wrong('does not lie within the column');
    values += own;
    bytes += size;
    if (values > mostValues) throw wrong(`holds more values than there are (${mostValues})`);
    if (bytes > mostBytes || entries > size) throw wrong('holds more than the table of contents says');
    if (crc !== undefined && crc32(chunk.subarray(reader.offset, end)) !== crc >>> 0) {
      throw wrong('does not have its checksum');
    }
    at = end;
  }
}
