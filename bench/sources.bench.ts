import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetScan } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer';
import type { Document } from '../src/records.ts';
import { jsonl, parquet, type Source } from '../src/sources/index.ts';

/** One line of `npm run bench -- sources --json`. Values are megabytes of document text per second of CPU, all threads. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: string;
  readonly peerValue: number;
  readonly ratio: number;
  readonly ceiling: number;
  readonly fraction: number;
}

const DOCUMENTS = 20_000;
const PASSES = 3;
const MB = 1e6;

const WORDS =
  'the of and häuser to in is that señor for it was on are as with his they at naïve be this from have or by'.split(
    ' ',
  );

/** About 2 KB of words in an order of their own, so that no codec has it too easy. */
function prose(seed: number): string {
  let state = seed + 1;
  const words: string[] = [];
  for (let length = 0; length < 2000; length += 5) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words.push(WORDS[state >>> 27] ?? `${state >>> 20}`);
  }
  return words.join(' ');
}

async function consume(source: Source<Document>): Promise<number> {
  let bytes = 0;
  for await (const split of source.splits({
    splitBytes: 1 << 30,
    reject: (error) => {
      throw error;
    },
  })) {
    await new Promise<void>((resolve, reject) =>
      source.read({ ...split, id: '00000' }).subscribe({
        next: (document) => {
          bytes += document.bytes.length;
        },
        error: reject,
        complete: resolve,
      }),
    );
  }
  return bytes;
}

/** Best of some passes: megabytes per CPU second. */
async function speed(run: () => Promise<number>): Promise<number> {
  let best = 0;
  for (let pass = 0; pass < PASSES; pass++) {
    const before = process.cpuUsage();
    const bytes = await run();
    const { user, system } = process.cpuUsage(before);
    best = Math.max(best, bytes / MB / ((user + system) / 1e6));
  }
  return best;
}

const compressors = {
  ZSTD: (input: Uint8Array, length: number) => zstdDecompressSync(input, { maxOutputLength: length }),
};

async function hyparquetStrings(path: string): Promise<number> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  let bytes = 0;
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    for (const { text } of await parquetReadObjects({
      file,
      metadata,
      columns: ['text'],
      rowStart,
      rowEnd,
      compressors,
    })) {
      bytes += Buffer.from(text).length;
    }
    rowStart = rowEnd;
  }
  return bytes;
}

async function hyparquetBytes(path: string): Promise<number> {
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
}

async function readlineParse(path: string): Promise<number> {
  let bytes = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    bytes += Buffer.from(JSON.parse(line).text).length;
  }
  return bytes;
}

async function parseAlone(lines: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const line of lines) bytes += Buffer.from(JSON.parse(line).text).length;
  return bytes;
}

function row(name: string, value: number, peer: string, peerValue: number, ceiling: number): Row {
  return {
    bench: 'sources',
    case: name,
    value,
    unit: 'MB/cpu-s',
    peer,
    peerValue,
    ratio: value / peerValue,
    ceiling,
    fraction: value / ceiling,
  };
}

/** Sources against the plain way to read the same file. */
export default async function* sources(): AsyncGenerator<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    const texts = Array.from({ length: DOCUMENTS }, (_, index) => prose(index));
    const table = join(folder, 'x.parquet');
    parquetWriteFile({
      filename: table,
      columnData: [{ name: 'text', data: texts, type: 'STRING' }],
      codec: 'ZSTD',
      compressors: { ZSTD: (input) => zstdCompressSync(input) },
      rowGroupSize: 4000,
    });
    yield row(
      'Parquet (zstd) to document bytes',
      await speed(() => consume(parquet(table))),
      'hyparquet alone, strings and back',
      await speed(() => hyparquetStrings(table)),
      await speed(() => hyparquetBytes(table)),
    );
    const lines = texts.map((text, index) => JSON.stringify({ id: `${index}`, text }));
    const path = join(folder, 'x.jsonl');
    writeFileSync(path, `${lines.join('\n')}\n`);
    yield row(
      'JSONL to document bytes',
      await speed(() => consume(jsonl(path))),
      'readline and JSON.parse',
      await speed(() => readlineParse(path)),
      await speed(() => parseAlone(lines)),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
