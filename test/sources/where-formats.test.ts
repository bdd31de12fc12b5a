import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Bool,
  Field,
  Float64,
  Int64,
  RecordBatchFileWriter,
  Schema,
  Table,
  TimestampMillisecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseTable } from '../../src/sources/columns.ts';
import { arrow, csv, files, json, jsonl, type ParquetOptions, parquet } from '../../src/sources/index.ts';
import { passes } from '../../src/sources/where.ts';
import { misbehavingServer } from '../support/misbehavingServer.ts';
import { content, readAll, temporaryFolder, text } from './helpers.ts';

const columns = {
  text: 'string',
  lang: 'string?',
  n: 'int64?',
  score: 'double?',
  ok: 'bool?',
  at: 'timestamp?',
} as const;
type Where = ParquetOptions<typeof columns, 'text'>['where'];

interface Row {
  readonly text: string;
  readonly lang: string | null;
  readonly n: bigint | null;
  readonly score: number | null;
  readonly ok: boolean | null;
  readonly at: Date | null;
}

const value = {
  // An empty field of a CSV file is null.
  lang: fc.string({ unit: fc.constantFrom('a', 'b', 'é', '"', ',', '\n', '😀', '\uffff'), minLength: 1, maxLength: 3 }),
  n: fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.constant(9007199254740993n)),
  score: fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => one + 0),
  ok: fc.boolean(),
  at: fc.integer({ min: 0, max: 4 }).map((time) => new Date(1_700_000_000_000 + time)),
};
const row: fc.Arbitrary<Row> = fc.record({
  text: fc.string({ unit: 'grapheme', maxLength: 10 }),
  lang: fc.option(value.lang),
  n: fc.option(value.n),
  score: fc.option(fc.oneof(value.score, fc.integer({ min: -3, max: 3 }))),
  ok: fc.option(value.ok),
  at: fc.option(value.at),
});

const condition = (own: fc.Arbitrary<unknown>) =>
  fc.oneof(
    own,
    fc.constant(null),
    fc.dictionary(fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte'), own, { minKeys: 1, maxKeys: 2 }),
    fc.dictionary(fc.constantFrom('in', 'notIn'), fc.array(own, { minLength: 1, maxLength: 3 }), { minKeys: 1 }),
    fc.record({ isNull: fc.boolean() }),
  );
const where = fc.record(
  {
    lang: condition(value.lang),
    n: condition(value.n),
    score: condition(fc.integer({ min: -3, max: 3 })),
    ok: condition(value.ok),
    at: condition(value.at),
  },
  { requiredKeys: [] },
);

function jsonOf(one: Row): string {
  const members = Object.entries(one).map(
    ([name, own]) => `"${name}":${typeof own === 'bigint' ? own : JSON.stringify(own)}`,
  );
  return `{${members.join(',')}}`;
}

function csvOf(rows: readonly Row[]): string {
  const field = (own: unknown): string => {
    const written = own === null ? '' : own instanceof Date ? own.toISOString() : `${own}`;
    return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  };
  const names = Object.keys(columns);
  const lines = rows.map((one) => names.map((name) => field(one[name as keyof Row])).join(','));
  return [names.join(','), ...lines, ''].join('\n');
}

function parquetOf(rows: readonly Row[], rowGroupSize: number): Uint8Array {
  const column = (name: keyof Row, type: 'STRING' | 'INT64' | 'DOUBLE' | 'BOOLEAN' | 'TIMESTAMP') => ({
    name,
    type,
    data: rows.map((one) => one[name]),
    nullable: name !== 'text',
  });
  const columnData = [
    column('text', 'STRING'),
    column('lang', 'STRING'),
    column('n', 'INT64'),
    column('score', 'DOUBLE'),
    column('ok', 'BOOLEAN'),
    column('at', 'TIMESTAMP'),
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize }));
}

function arrowOf(rows: readonly Row[]): Uint8Array {
  const types = {
    text: new Utf8(),
    lang: new Utf8(),
    n: new Int64(),
    score: new Float64(),
    ok: new Bool(),
    at: new TimestampMillisecond(),
  };
  const schema = new Schema(Object.entries(types).map(([name, type]) => new Field(name, type, true)));
  const vectors = Object.entries(types).map(([name, type]) => [
    name,
    vectorFromArray(
      rows.map((one) => one[name as keyof Row]),
      type,
    ),
  ]);
  const writer = new RecordBatchFileWriter();
  writer.reset(undefined, schema);
  for (const batch of new Table(schema, Object.fromEntries(vectors)).batches) writer.write(batch);
  writer.finish();
  return writer.toUint8Array(true);
}

describe('the same conditions', () => {
  it('leave the same rows of a table in every format, those that a filter leaves', { timeout: 30_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 12 }),
        where,
        fc.integer({ min: 1, max: 5 }),
        async (rows, conditions, rowGroupSize) => {
          const folder = temporaryFolder();
          const at = (name: string, bytes: string | Uint8Array): string => {
            const path = join(folder, name);
            writeFileSync(path, bytes);
            return path;
          };
          const options = { columns, where: conditions as Where };
          const table = parseTable(options);
          const wanted = rows.filter((one) =>
            table.where.every(({ column, conditions: own }) => {
              const name = table.columns[column]?.name as keyof Row;
              return passes(own, one[name]);
            }),
          );
          const written = rows.map(jsonOf);
          for (const source of [
            jsonl(at('x.jsonl', written.join('\n')), options),
            json(at('x.json', `[${written.join(',')}]`), options),
            csv(at('x.csv', csvOf(rows)), options),
            parquet(at('x.parquet', parquetOf(rows, rowGroupSize)), options),
            arrow(at('x.arrow', arrowOf(rows)), options),
          ]) {
            const { records, rejects } = await readAll(source, 200);
            expect(rejects, source.kind).toEqual([]);
            const read = records.map((record) => ({ text: text(record), ...record.meta }));
            expect(read, source.kind).toEqual(wanted.map((one) => ({ ...one, text: one.text.toWellFormed() })));
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('tables on a server', () => {
  const rows: Row[] = Array.from({ length: 400 }, (_, n) => ({
    text: `text ${n}\n${'é'.repeat(n % 50)}`,
    lang: n % 3 === 0 ? null : 'en',
    n: BigInt(n),
    score: n / 7,
    ok: n % 2 === 0,
    at: new Date(n),
  }));

  it('give what they give on disk, over a bad line too, in one split where only all of them tells where to cut', async () => {
    const contents = {
      'x.json': Buffer.from(`[${rows.map(jsonOf).join(',')}]`),
      'x.csv': Buffer.from(csvOf(rows)),
      'x.arrow': arrowOf(rows),
    };
    const server = await misbehavingServer(contents);
    onTestFinished(() => server.close());
    const http = { endpoints: [server.origin], backoff: { firstMs: 1, mostMs: 5 }, retries: 4 };
    const options = { columns, where: { n: { gte: 100 } } } as const;
    for (const [name, bytes] of Object.entries(contents)) {
      const path = join(temporaryFolder(), name);
      writeFileSync(path, bytes);
      const local = await readAll(files(path, options as object), 1000);
      expect(local.records).toHaveLength(300);
      server.inject({ kind: 'cut', after: 2000, times: 2 }, { kind: 'status', status: 503 });
      const remote = await readAll(files(server.url(name), { ...(options as object), remote: { http } }), 1000);
      expect(remote.rejects).toEqual([]);
      expect(remote.splits).toHaveLength(1);
      const stripped = (outcome: typeof local) =>
        content(outcome.records).map((record) => ({ ...(record as object), uri: undefined, id: undefined }));
      expect(stripped(remote)).toEqual(stripped(local));
    }
  });
});
