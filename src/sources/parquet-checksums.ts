import { crc32 } from 'node:zlib';
import type { FileMetaData } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { FilePart } from './parquet-fetch.ts';

/**
 * Compares the pages of fetched columns with their checksums, as far as the file has them: most writers leave them out
 * unless they are asked. (CRC-32 of a page as it is stored, without its header: parquet.thrift, `PageHeader.crc`.)
 *
 * @throws Error naming the column and the page
 */
export function checkPages(metadata: FileMetaData, parts: readonly FilePart[]): void {
  for (const { columns } of metadata.row_groups) {
    for (const { meta_data: meta } of columns) {
      if (meta === undefined) continue;
      const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
      const end = start + Number(meta.total_compressed_size);
      const part = parts.find(
        (candidate) => candidate.start <= start && candidate.start + candidate.bytes.length >= end,
      );
      if (part === undefined) continue;
      checkChunk(part.bytes.subarray(start - part.start, end - part.start), meta.path_in_schema.join('.'));
    }
  }
}

function checkChunk(chunk: Uint8Array, column: string): void {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let page = 0, at = 0; at < chunk.length; page++) {
    const reader = { view, offset: at };
    const { compressed_page_size: size, crc } = parquetHeader(reader);
    const end = reader.offset + size;
    if (crc === undefined) return;
    if (end > chunk.length || crc32(chunk.subarray(reader.offset, end)) !== crc >>> 0) {
      throw new Error(`page ${page} of column '${column}' does not have its checksum`);
    }
    at = end;
  }
}
