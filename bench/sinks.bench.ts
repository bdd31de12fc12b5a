import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer';
import { parquet } from '../src/sinks/index.ts';
import { metaJson } from '../src/sinks/metaJson.ts';
import { type Bench, type Measure, min, time } from './harness.ts';
import { archives } from './sinks/archives.ts';
import { documentsOf, writeThrough } from './sinks/files.ts';
import { tables } from './sinks/sqlite.ts';

const DOCUMENTS = 16_000;
const ROW_GROUP = 4000;
const PAGE = 1 << 20;
const ROUNDS = 9;

const WORDS =
  'the of and häuser to in is that señor for it was on are as with his they at naïve be this from have or by'.split(
    ' ',
  );

/** About 2 KB of words in an order of their own, so that no codec has it too easy. */
function prose(seed: number): Buffer {
  let state = seed + 1;
  const words: string[] = [];
  for (let length = 0; length < 2000; length += 5) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words.push(WORDS[state >>> 27] ?? `${state >>> 20}`);
  }
  return Buffer.from(words.join(' '));
}

const documents = documentsOf(DOCUMENTS, prose);
const bytes = documents.reduce((sum, document) => sum + document.bytes.length, 0);
const speed: Measure = { unit: 'MB/cpu-s', of: (seconds) => bytes / 1e6 / seconds };

const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' } as const;
const number = { type: 'INT64', repetition_type: 'REQUIRED' } as const;
const schema: SchemaElement[] = [
  { name: 'schema', num_children: 6 },
  { name: 'id', ...text },
  { name: 'uri', ...text },
  { name: 'text', ...text },
  { name: 'byte', ...number },
  { name: 'line', ...number },
  { name: 'meta', ...text },
];

const compressors = { ZSTD: (page: Uint8Array): Uint8Array => zstdCompressSync(page) };

/** The library by itself, given whole columns; contents as bytes, which it writes faster than strings. */
function writeColumns(filename: string, codec: 'ZSTD' | 'SNAPPY' | 'UNCOMPRESSED'): void {
  parquetWriteFile({
    filename,
    schema,
    codec,
    compressors,
    rowGroupSize: ROW_GROUP,
    columnData: [
      { name: 'id', data: documents.map(({ id }) => id) },
      { name: 'uri', data: documents.map(({ source }) => source.uri) },
      { name: 'text', data: documents.map((document) => document.bytes) },
      { name: 'byte', data: documents.map(({ source }) => BigInt(source.position.byte ?? 0)) },
      { name: 'line', data: documents.map(({ source }) => BigInt(source.position.line ?? 0)) },
      { name: 'meta', data: documents.map(({ meta }) => metaJson(meta)) },
    ],
  });
}

/** Compression of the contents in pages, and nothing else. */
async function compressionAlone(): Promise<number> {
  const all = Buffer.concat(documents.map((document) => document.bytes));
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const pass = (): void => {
      for (let at = 0; at < all.length; at += PAGE) zstdCompressSync(all.subarray(at, at + PAGE));
    };
    seconds.push(await time(pass, 'cpu'));
  }
  return speed.of(min(seconds));
}

const sinkOf = (compression: 'zstd' | 'snappy' | 'none') =>
  parquet('documents', { compression, rowGroupBytes: 12 << 20 });

/** Writing Parquet against hyparquet-writer's own way to a file, on the same documents in memory; all threads count.
 * Archives, files of patches and SQLite follow. */
export default async function sinks(bench: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const cases = [
    ['zstd', 'ZSTD'],
    ['snappy', 'SNAPPY'],
    ['none', 'UNCOMPRESSED'],
  ] as const;
  try {
    for (const [compression, codec] of cases) {
      await bench.compare({
        case: `documents to Parquet (${compression})`,
        measure: speed,
        run: () => writeThrough(sinkOf(compression), documents, join(folder, compression)),
        peer: { name: 'parquetWriteFile', run: () => writeColumns(join(folder, 'peer.parquet'), codec) },
        ...(compression === 'zstd' && { ceiling: await compressionAlone() }),
        rounds: ROUNDS,
      });
    }
    await archives(bench, folder);
    await tables(bench, folder, documents);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
