import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { zstdDecompressSync } from 'node:zlib';
import { JSONParser } from '@streamparser/json';
import { RecordBatchReader } from 'apache-arrow';
import { parse } from 'csv-parse';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetScan } from 'hyparquet';

/** The plain ways to get the bytes of every text out of a file; each returns how many there are. */
type Peer = (path: string) => Promise<number>;

const compressors = {
  ZSTD: (input: Uint8Array, length: number) => zstdDecompressSync(input, { maxOutputLength: length }),
};

export const hyparquetStrings: Peer = async (path) => {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  let bytes = 0;
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, columns: ['text'], rowStart, rowEnd, compressors });
    for (const { text } of rows) bytes += Buffer.from(text).length;
    rowStart = rowEnd;
  }
  return bytes;
};

/** No strings, no documents: what hyparquet's decoding takes by itself. */
export const hyparquetBytes: Peer = async (path) => {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const parsers = { stringFromBytes: (bytes: Uint8Array) => bytes };
  const scan = await parquetScan({ file, metadata, columns: ['text'], compressors, utf8: false, parsers });
  let bytes = 0;
  for (const range of scan.ranges) {
    const column: ArrayLike<Uint8Array> = Array.from(await scan.readColumn({ column: 'text', ...range }));
    for (let row = 0; row < column.length; row++) bytes += column[row]?.length ?? 0;
  }
  return bytes;
};

/** Row group by row group: slices that are not aligned with them decode each of them several times. */
export const polarsStrings: Peer = async (path) => {
  const { default: pl } = await import('nodejs-polars');
  const { row_groups: groups } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  let bytes = 0;
  let row = 0;
  for (const group of groups) {
    const rows = Number(group.num_rows);
    const frame = await pl.scanParquet(path).select('text').slice(row, rows).collect();
    for (const text of frame.getColumn('text').toArray()) bytes += Buffer.from(text as string).length;
    row += rows;
  }
  return bytes;
};

export const readlineParse: Peer = async (path) => {
  let bytes = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    bytes += Buffer.from(JSON.parse(line).text).length;
  }
  return bytes;
};

export const csvParse: Peer = async (path) => {
  let bytes = 0;
  for await (const { text } of createReadStream(path).pipe(parse({ columns: true }))) bytes += Buffer.from(text).length;
  return bytes;
};

export const polarsCsv: Peer = async (path) => {
  const { default: pl } = await import('nodejs-polars');
  let bytes = 0;
  for (const text of pl.readCSV(path).getColumn('text').toArray()) bytes += Buffer.from(text as string).length;
  return bytes;
};

export const jsonWhole: Peer = async (path) => {
  const rows: { text: string }[] = JSON.parse(readFileSync(path, 'utf8'));
  return rows.reduce((bytes, { text }) => bytes + Buffer.from(text).length, 0);
};

export const streamparser: Peer = async (path) => {
  let bytes = 0;
  const parser = new JSONParser({ paths: ['$.*'], keepStack: false });
  parser.onValue = ({ value }) => {
    bytes += Buffer.from((value as { text: string }).text).length;
  };
  for await (const chunk of createReadStream(path)) parser.write(chunk);
  return bytes;
};

export const apacheArrow: Peer = async (path) => {
  let bytes = 0;
  for await (const batch of await RecordBatchReader.from(createReadStream(path))) {
    for (const text of batch.getChild('text') ?? []) bytes += Buffer.from(text).length;
  }
  return bytes;
};
