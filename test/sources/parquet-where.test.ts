import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { type FileMetaData, parquetMetadata } from 'hyparquet';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer';
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js';
import { map } from 'rxjs';
import { definePipeline, run } from 'sluice';
import { jsonl as written } from 'sluice/sinks';
import { describe, expect, it } from 'vitest';
import { type Columns, parseTable, type TableOptions } from '../../src/sources/columns.ts';
import { type ParquetOptions, parquet } from '../../src/sources/index.ts';
import type { Footer } from '../../src/sources/parquet-footer.ts';
import { physicalTable } from '../../src/sources/parquet-schema.ts';
import { mayMatch, STORED } from '../../src/sources/parquet-statistics.ts';
import { passes } from '../../src/sources/where.ts';
import { codes, content, plan, readAll, temporaryFolder, text } from './helpers.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/sources/${name}`, import.meta.url));

function file(bytes: Uint8Array): string {
  const path = join(temporaryFolder(), 'x.parquet');
  writeFileSync(path, bytes);
  return path;
}

const columns = { text: 'string', lang: 'string?', n: 'int64?', score: 'double?', ok: 'bool?' } as const;
type Where = ParquetOptions<typeof columns, 'text'>['where'];

interface Row {
  readonly lang: string | null;
  readonly n: bigint | null;
  readonly score: number | null;
  readonly ok: boolean | null;
}

function table(rows: readonly Row[], rowGroupSize: number): Buffer {
  const column = <K extends keyof Row>(name: K, type: 'STRING' | 'INT64' | 'DOUBLE' | 'BOOLEAN') => ({
    name,
    type,
    data: rows.map((row) => row[name]),
    nullable: true,
  });
  const texts = { name: 'text', type: 'STRING' as const, data: rows.map((_, index) => `row ${index}`) };
  const columnData = [
    texts,
    column('lang', 'STRING'),
    column('n', 'INT64'),
    column('score', 'DOUBLE'),
    column('ok', 'BOOLEAN'),
  ];
  return Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize, codec: 'UNCOMPRESSED' }));
}

const counted = Array.from({ length: 100 }, (_, n) => ({
  lang: n < 50 ? 'de' : 'en',
  n: BigInt(n),
  score: n % 10 === 9 ? null : n / 10,
  ok: n % 2 === 0,
}));

/** Rows that a plan reads, without looking at any. */
async function planned(path: string, where: Where): Promise<number[]> {
  const splits = await plan(parquet(path, { columns, where }), 1);
  return splits.flatMap(({ spec }) => {
    const { slices } = spec as { slices: { range: { first: number; last: number } }[] };
    return slices.flatMap(({ range }) =>
      Array.from({ length: range.last - range.first }, (_, place) => range.first + place),
    );
  });
}

describe('conditions on a Parquet file', () => {
  const value = {
    lang: fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', '\uffff'), maxLength: 24 }),
    n: fc.bigInt({ min: -5n, max: 5n }),
    score: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(Number.NaN, 0.5, Number.POSITIVE_INFINITY)),
    ok: fc.boolean(),
  };
  const operand = { ...value, score: fc.integer({ min: -5, max: 5 }) };
  const on = (name: keyof Row) => {
    const own: fc.Arbitrary<unknown> = operand[name];
    return fc.oneof(
      fc.dictionary(fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte'), own, { minKeys: 1, maxKeys: 2 }),
      fc.dictionary(fc.constantFrom('in', 'notIn'), fc.array(own, { minLength: 1, maxLength: 4 }), { minKeys: 1 }),
      fc.record({ isNull: fc.boolean() }),
    );
  };
  const where = fc.record({ lang: on('lang'), n: on('n'), score: on('score'), ok: on('ok') }, { requiredKeys: [] });
  const row = fc.record({
    lang: fc.option(value.lang),
    n: fc.option(value.n),
    score: fc.option(value.score),
    ok: fc.option(value.ok),
  });

  it('leave the rows that a filter of all of them leaves, however the file is laid out and cut', async () => {
    let excluded = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 30 }),
        where,
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(1, 1 << 20),
        async (rows, conditions, rowGroupSize, splitBytes) => {
          const path = file(table(rows, rowGroupSize));
          const tests = parseTable({ columns, where: conditions as Where });
          const wanted = rows.flatMap((one, index) =>
            tests.where.every(({ column, conditions: own }) =>
              passes(own, one[tests.columns[column]?.name as keyof Row]),
            )
              ? [index]
              : [],
          );
          const { records, rejects } = await readAll(
            parquet(path, { columns, where: conditions as Where }),
            splitBytes,
          );
          expect(rejects).toEqual([]);
          expect(records.map(({ source }) => source.position.row)).toEqual(wanted);
          expect(records.map((record) => [text(record), record.meta])).toEqual(
            wanted.map((index) => [`row ${index}`, rows[index]]),
          );
          const groups = Math.ceil(rows.length / rowGroupSize);
          excluded += groups - (await planned(path, conditions as Where)).length;
        },
      ),
      { numRuns: 150 },
    );
    expect(excluded).toBeGreaterThan(50);
  });

  it.each<[Where, number[]]>([
    [{ n: { gte: 25, lt: 41 } }, [2, 3, 4]],
    [{ n: 7 }, [0]],
    [{ n: { in: [7, 93] } }, [0, 9]],
    [{ lang: 'en' }, [5, 6, 7, 8, 9]],
    [{ lang: { ne: 'en' } }, [0, 1, 2, 3, 4]],
    [{ lang: { gt: 'dz' }, n: { lt: 60 } }, [5]],
    [{ lang: null }, []],
    [{ score: null }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [{ score: { gt: 8.9 } }, [9]],
    [{ n: { gte: 1000 } }, []],
  ])('%o need the row groups %j alone', async (conditions, groups) => {
    const path = file(table(counted, 10));
    expect(await planned(path, conditions)).toEqual(groups);
    const all = await readAll(parquet(path, { columns }));
    const tests = parseTable({ columns, where: conditions });
    const expected = all.records.filter(({ meta }) =>
      tests.where.every(({ column, conditions: own }) => passes(own, meta[tests.columns[column]?.name as keyof Row])),
    );
    expect(content((await readAll(parquet(path, { columns, where: conditions }))).records)).toEqual(content(expected));
  });

  it('count the rows that they pass over, those of row groups that are not read included', async () => {
    const path = file(table(counted, 10));
    for (const [limit, kept] of [
      [25, 75],
      [99, 1],
      [1000, 0],
    ] as const) {
      const output = join(temporaryFolder(), 'out');
      const pipeline = definePipeline('some', parquet(path, { columns, where: { n: { gte: limit } } }))
        .pipe(map((document) => document))
        .to(written('kept'));
      const { counts } = await run(pipeline, { output });
      expect(counts).toMatchObject({ documents_read: kept, filtered: 100 - kept });
    }
  });

  it('are asked before any text is decoded', async () => {
    const bytes = table(counted, 10);
    const { row_groups: groups } = parquetMetadata(new Uint8Array(bytes));
    const spoil = (group: number): void => {
      const chunk = groups[group]?.columns[0]?.meta_data;
      bytes.fill(
        0xff,
        Number(chunk?.data_page_offset),
        Number(chunk?.data_page_offset) + Number(chunk?.total_compressed_size),
      );
    };
    // In the fourth group nothing fulfils the second condition, which its extremes do not tell.
    for (const group of [0, 1, 3]) spoil(group);
    const source = parquet(file(bytes), {
      columns,
      where: { n: { gte: 20, lt: 50, notIn: [30n, 32n, 34n, 36n, 38n] }, ok: true },
    });
    const { records, rejects } = await readAll(source);
    expect(rejects).toEqual([]);
    expect(records.map(({ meta }) => Number(meta.n))).toEqual([20, 22, 24, 26, 28, 40, 42, 44, 46, 48]);
    const needed = await readAll(parquet(file(bytes), { columns, where: { n: { gte: 20, lt: 50 } } }));
    expect(codes(needed)).toEqual(['CORRUPT_ROW_GROUP']);
  });

  it('reject rows whose column they cannot read, and no others', async () => {
    const path = file(table(counted, 10));
    const declared = { text: 'string', score: 'double', n: 'int64' } as const;
    const outcome = await readAll(parquet(path, { columns: declared, where: { n: { lt: 30 }, score: { gte: 1 } } }));
    expect(outcome.records.map(({ meta }) => Number(meta.n))).toEqual(
      [...Array(30).keys()].filter((n) => n >= 10 && n % 10 !== 9),
    );
    expect(outcome.rejects.map(({ error }) => [error.code, error.position?.row])).toEqual([
      ['NULL_VALUE', 19],
      ['NULL_VALUE', 29],
    ]);
  });

  it('apply to every kind of column that other programs write', async () => {
    const kinds = {
      text: 'string',
      n: 'int64',
      u: 'int64',
      i: 'int32?',
      u32: 'double',
      f: 'double',
      dec: 'string?',
      ok: 'bool?',
      ms: 'timestamp',
      us: 'timestamp?',
      ns: 'int64?',
      day: 'timestamp?',
      cat: 'string',
      tags: 'list<string>?',
      raw: 'binary',
    } as const;
    const path = fixture('kinds.parquet');
    const all = await readAll(parquet(path, { columns: kinds }));
    const literal = (one: unknown): one is string | number | bigint | boolean | Date =>
      typeof one !== 'object' || one instanceof Date;
    for (const name of Object.keys(kinds).filter((one) => one !== 'text')) {
      const values = all.records.map(({ meta }) => Reflect.get(meta, name) as unknown);
      const conditions: object[] = [{ isNull: true }, { isNull: false }];
      for (const one of values.filter(
        (other) => other !== null && literal(other) && Number.isFinite(Number(other) || 0),
      )) {
        for (const operator of ['eq', 'ne', 'lt', 'lte', 'gt', 'gte']) conditions.push({ [operator]: one });
      }
      for (const condition of conditions) {
        const where = { [name]: condition } as TableOptions<Columns, string>['where'];
        const [test] = parseTable({ columns: kinds as Columns, where }).where;
        const wanted = all.records.filter((_, index) => test && passes(test.conditions, values[index] as never));
        const some = await readAll(parquet(path, { columns: kinds as Columns, where }));
        expect(
          some.records.map(({ source }) => source.position.row),
          `${name} ${Object.keys(condition)}`,
        ).toEqual(wanted.map(({ source }) => source.position.row));
      }
    }
  });
});

describe('what a footer says', () => {
  /** Its thrift structure, changed. */
  function footerOf(bytes: Buffer, change: (metadata: Record<string, unknown>) => void): Footer {
    const end = bytes.length - 8;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const metadata = deserializeTCompactProtocol({ view, offset: end - view.getUint32(end, true) });
    change(metadata);
    const writer = new ByteWriter();
    serializeTCompactProtocol(writer, metadata);
    const content = writer.getBytes();
    const tail = new Uint8Array(new SharedArrayBuffer(content.length + 8));
    tail.set(content);
    new DataView(tail.buffer).setUint32(content.length, content.length, true);
    tail.set(Buffer.from('PAR1'), content.length + 4);
    const parsed = parquetMetadata(new Uint8Array(tail), { geoparquet: false, parsers: STORED });
    return { tail, metadata: parsed, before: { start: 0, bytes: new Uint8Array() } };
  }

  type Thrift = Record<string, unknown>;
  const statistics = (metadata: Thrift, change: (one: Thrift) => Thrift | undefined): void => {
    for (const group of metadata['field_4'] as Thrift[]) {
      for (const column of group['field_1'] as Thrift[]) {
        const meta = column['field_3'] as Thrift;
        meta['field_12'] = change(meta['field_12'] as Thrift);
      }
    }
  };

  function matching(footer: Footer, where: Where): number[] {
    const checked = parseTable({ columns, where });
    const { columns: physical } = physicalTable(checked, footer.metadata as FileMetaData, 'x');
    const wanted = mayMatch(checked, physical, footer);
    return [...footer.metadata.row_groups.keys()].filter(wanted);
  }

  const bytes = table(counted, 50);
  const whole = footerOf(bytes, () => {});

  it('excludes row groups', () => {
    expect(matching(whole, { n: { lt: 50 } })).toEqual([0]);
    expect(matching(whole, { lang: 'en' })).toEqual([1]);
    expect(matching(whole, { lang: null })).toEqual([]);
    expect(matching(whole, { ok: true })).toEqual([0, 1]);
  });

  it('is not believed about text where no order is named, and about numbers it is', () => {
    const footer = footerOf(bytes, (metadata) => {
      metadata['field_7'] = undefined;
    });
    expect(matching(footer, { lang: 'en' })).toEqual([0, 1]);
    expect(matching(footer, { n: { lt: 50 } })).toEqual([0]);
  });

  it('is not believed about text and floating numbers where it is in the old words', () => {
    const footer = footerOf(bytes, (metadata) =>
      statistics(metadata, ({ field_5: max, field_6: min, ...others }) => ({ field_1: max, field_2: min, ...others })),
    );
    expect(matching(footer, { lang: 'en' })).toEqual([0, 1]);
    expect(matching(footer, { score: { lt: 1 } })).toEqual([0, 1]);
    expect(matching(footer, { n: { lt: 50 } })).toEqual([0]);
  });

  it('excludes nothing where it says nothing', () => {
    const footer = footerOf(bytes, (metadata) => statistics(metadata, () => undefined));
    for (const where of [{ n: -1 }, { lang: 'zz' }, { lang: null }, { ok: { isNull: true } }]) {
      expect(matching(footer, where)).toEqual([0, 1]);
    }
    const uncounted = footerOf(bytes, (metadata) => statistics(metadata, ({ field_3: _nulls, ...others }) => others));
    expect(matching(uncounted, { lang: null })).toEqual([0, 1]);
    expect(matching(uncounted, { lang: 'en' })).toEqual([1]);
  });
});
