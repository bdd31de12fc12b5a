import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { RecordBatchStreamWriter, Table, Utf8, vectorFromArray } from 'apache-arrow';
import { parquetWriteFile } from 'hyparquet-writer';
import type { Document } from '../src/records.ts';
import { arrow, csv, json, jsonl, parquet, type Source } from '../src/sources/index.ts';
import type { Bench } from './harness.ts';
import {
  apacheArrow,
  csvParse,
  hyparquetBytes,
  hyparquetStrings,
  jsonWhole,
  polarsCsv,
  polarsStrings,
  readlineParse,
  streamparser,
} from './sources/peers.ts';

const DOCUMENTS = 10_000;
const GROUP = 2000;

const WORDS =
  'the of and häuser to in is that señor for it was, on are as with "his" they at naïve be this from have or by'.split(
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
  const reject = (error: Error): never => {
    throw error;
  };
  for await (const split of source.splits({ splitBytes: 1 << 30, reject })) {
    await new Promise<void>((resolve, fail) =>
      source.read({ ...split, id: '00000' }).subscribe({
        next: (document) => {
          bytes += document.bytes.length;
        },
        error: fail,
        complete: resolve,
      }),
    );
  }
  return bytes;
}

/** Tables against the plain ways to read the same file: megabytes of document text for a second of CPU, all threads. */
export default async function sources(bench: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    const texts = Array.from({ length: DOCUMENTS }, (_, index) => prose(index));
    const total = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const compare = async (
      name: string,
      own: () => Source<Document>,
      peer: string,
      read: () => Promise<number>,
      bytes = total,
    ): Promise<void> => {
      const exactly = async (work: Promise<number>): Promise<void> => {
        const done = await work;
        if (done !== bytes) throw new Error(`${name}, ${peer}: ${done} bytes in place of ${bytes}`);
      };
      const measure = { unit: 'MB/cpu-s', of: (seconds: number) => bytes / 1e6 / seconds };
      const run = () => exactly(consume(own()));
      await bench.compare({ case: name, measure, run, peer: { name: peer, run: () => exactly(read()) }, warmUp: 1 });
    };

    const table = join(folder, 'x.parquet');
    parquetWriteFile({
      filename: table,
      columnData: [
        { name: 'text', data: texts, type: 'STRING' },
        { name: 'score', data: texts.map((_, index) => index % 20), type: 'INT32' },
        { name: 'part', data: texts.map((_, index) => Math.floor(index / GROUP)), type: 'INT32' },
      ],
      codec: 'ZSTD',
      compressors: { ZSTD: (input) => zstdCompressSync(input) },
      rowGroupSize: GROUP,
    });
    const whole = () => parquet(table);
    const fromParquet = 'Parquet (zstd) to document bytes';
    await compare(fromParquet, whole, 'hyparquet, strings and back', () => hyparquetStrings(table));
    await compare(fromParquet, whole, 'hyparquet, decoding alone', () => hyparquetBytes(table));
    await compare(fromParquet, whole, 'polars, strings and back', () => polarsStrings(table));
    const columns = { text: 'string', score: 'int32', part: 'int32' } as const;
    const filtered = async (keep: (meta: { score: number; part: number }) => boolean): Promise<number> => {
      let bytes = 0;
      const source = parquet(table, { columns });
      for await (const split of source.splits({ splitBytes: 1 << 30, reject: () => {} })) {
        await new Promise<void>((complete, error) => {
          const next = (document: { bytes: Uint8Array; meta: { score: number; part: number } }): void => {
            if (keep(document.meta)) bytes += document.bytes.length;
          };
          source.read({ ...split, id: '00000' }).subscribe({ next, error, complete });
        });
      }
      return bytes;
    };
    const some = texts.reduce((sum, text, index) => (index % 20 === 3 ? sum + Buffer.byteLength(text) : sum), 0);
    await compare(
      'Parquet, one row in 20',
      () => parquet(table, { columns, where: { score: 3 } }),
      'a filter behind the source',
      () => filtered(({ score }) => score === 3),
      some,
    );
    const one = texts.slice(GROUP, 2 * GROUP).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    await compare(
      'Parquet, one row group in 5',
      () => parquet(table, { columns, where: { part: 1 } }),
      'a filter behind the source',
      () => filtered(({ part }) => part === 1),
      one,
    );

    const rows = texts.map((text, index) => JSON.stringify({ id: `${index}`, text }));
    const lines = join(folder, 'x.jsonl');
    writeFileSync(lines, `${rows.join('\n')}\n`);
    await compare(
      'JSONL to document bytes',
      () => jsonl(lines),
      'readline and JSON.parse',
      () => readlineParse(lines),
    );

    const array = join(folder, 'x.json');
    writeFileSync(array, `[${rows.join(',\n')}]`);
    await compare(
      'JSON to document bytes',
      () => json(array),
      'JSON.parse of all at once',
      () => jsonWhole(array),
    );
    await compare(
      'JSON to document bytes',
      () => json(array),
      '@streamparser/json',
      () => streamparser(array),
    );

    const records = join(folder, 'x.csv');
    const quoted = texts.map((text, index) => `${index},"${text.replaceAll('"', '""')}"\n`);
    writeFileSync(records, `id,text\n${quoted.join('')}`);
    await compare(
      'CSV to document bytes',
      () => csv(records),
      'csv-parse',
      () => csvParse(records),
    );
    await compare(
      'CSV to document bytes',
      () => csv(records),
      'polars, strings and back',
      () => polarsCsv(records),
    );

    const stream = join(folder, 'x.arrow');
    const writer = new RecordBatchStreamWriter();
    for (let start = 0; start < DOCUMENTS; start += 1000) {
      const vectors = { text: vectorFromArray(texts.slice(start, start + 1000), new Utf8()) };
      for (const batch of new Table(vectors).batches) writer.write(batch);
    }
    writer.finish();
    writeFileSync(stream, writer.toUint8Array(true));
    await compare(
      'Arrow to document bytes',
      () => arrow(stream),
      'apache-arrow',
      () => apacheArrow(stream),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
