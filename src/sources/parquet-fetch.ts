import type { ColumnMetaData, FileMetaData } from 'hyparquet';
import type { ByteRange } from '../storage/readAhead.ts';
import type { OpenFile } from './open-file.ts';

/** Some bytes of a file, as they go to another thread. */
export interface FilePart {
  readonly start: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Ranges that lie closer than this are asked for as one: less than what a request costs in headers alone. */
const GAP = 1 << 10;

/** Where the chunk of a column lies. */
export function chunkRange(meta: ColumnMetaData): ByteRange {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  return { start, end: start + Number(meta.total_compressed_size) };
}

/** Where the chunks of some columns of a row group lie, in order, neighbours joined. */
export function chunkRanges(metadata: FileMetaData, group: number, columns: ReadonlySet<string>): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (const { meta_data: meta } of metadata.row_groups[group]?.columns ?? []) {
    if (meta === undefined || !columns.has(meta.path_in_schema[0] ?? '')) continue;
    ranges.push(chunkRange(meta));
  }
  ranges.sort((a, b) => a.start - b.start);
  const joined: ByteRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && range.start - last.end <= GAP) {
      joined[joined.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    } else joined.push(range);
  }
  return joined;
}

/** What of ranges does not lie within the end of the file that was read with its footer. */
export function missing(ranges: readonly ByteRange[], { start: known }: FilePart): ByteRange[] {
  return ranges.filter(({ start }) => start < known).map(({ start, end }) => ({ start, end: Math.min(end, known) }));
}

/** Fetches ranges of a remote file side by side; what lies in `before`, if it is given, is not asked for again. */
export function fetchParts(file: OpenFile, ranges: readonly ByteRange[], before?: FilePart): Promise<FilePart[]> {
  return Promise.all(
    ranges.map(async ({ start, end }) => {
      if (before === undefined || end <= before.start) return { start, bytes: await file.read(start, end) };
      const [rest] = missing([{ start, end }], before);
      const head = rest === undefined ? new Uint8Array() : await file.read(rest.start, rest.end);
      const there = before.bytes.subarray(Math.max(0, start - before.start), end - before.start);
      const bytes = new Uint8Array(head.length + there.length);
      bytes.set(head);
      bytes.set(there, head.length);
      return { start, bytes };
    }),
  );
}
