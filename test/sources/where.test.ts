import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline, run } from 'sluice';
import { jsonl as written } from 'sluice/sinks';
import { describe, expect, it } from 'vitest';
import { type Columns, parseTable, type TableOptions, tableJson } from '../../src/sources/columns.ts';
import { jsonl } from '../../src/sources/index.ts';
import { type Bounds, mayPass, passes } from '../../src/sources/where.ts';
import { content, readAll, temporaryFolder } from './helpers.ts';

const columns = {
  text: 'string',
  lang: 'string?',
  small: 'int32?',
  large: 'int64?',
  score: 'double?',
  ok: 'bool?',
  at: 'timestamp?',
  raw: 'binary?',
  tags: 'list<string>?',
} as const;
type All = TableOptions<typeof columns, 'text'>['where'];

const table = (where: unknown) => parseTable({ columns, where: where as All });
const conditions = (where: unknown) => {
  const [first] = table(where).where;
  if (first === undefined) throw new Error('no condition');
  return structuredClone(first.conditions);
};

describe('where', () => {
  it.each([
    [{ lang: 'en' }, 'en', true],
    [{ lang: 'en' }, 'de', false],
    [{ lang: { ne: 'en' } }, 'de', true],
    [{ lang: { in: ['en', 'de'] } }, 'de', true],
    [{ lang: { notIn: ['en', 'de'] } }, 'de', false],
    [{ lang: { gt: '\uffff' } }, '😀', true],
    [{ small: { gte: 3, lt: 5 } }, 4, true],
    [{ small: { gte: 3, lt: 5 } }, 5, false],
    [{ large: 9007199254740993n }, 9007199254740993n, true],
    [{ large: { gt: 2 } }, 3n, true],
    [{ score: { lte: 0.5 } }, Number.NaN, false],
    [{ score: { ne: 0.5 } }, Number.NaN, true],
    [{ ok: true }, false, false],
    [{ at: { lt: '2024-01-01' } }, new Date('2023-12-31T23:59:59.999Z'), true],
    [{ at: new Date(5) }, new Date(5), true],
    [{ lang: null }, null, true],
    [{ lang: null }, '', false],
    [{ lang: { isNull: false } }, null, false],
    [{ lang: { isNull: false } }, '', true],
    [{ lang: { ne: 'en' } }, null, false],
    [{ lang: { notIn: ['en'] } }, null, false],
    [{ tags: { isNull: false } }, ['x'], true],
    [{ raw: null }, new Uint8Array(1), false],
  ])('%o about %o: %o', (where, value, expected) => {
    expect(passes(conditions(where), value)).toBe(expected);
  });

  it.each([
    [{ body: 'x' }, 'UNKNOWN_COLUMN', /Declare it in columns. There are 'lang'/],
    [{ text: 'x' }, 'BAD_WHERE', /filter/],
    [{ lang: {} }, 'BAD_WHERE', undefined],
    [{ lang: 3 }, 'BAD_WHERE', /takes text/],
    [{ lang: '\ud800' }, 'BAD_WHERE', undefined],
    [{ lang: { in: [] } }, 'BAD_WHERE', undefined],
    [{ lang: ['en'] }, 'BAD_WHERE', undefined],
    [{ lang: { like: 'e%' } }, 'BAD_WHERE', /'lt'/],
    [{ lang: { isNull: 1 } }, 'BAD_WHERE', undefined],
    [{ lang: { isNull: true, eq: 'en' } }, 'BAD_WHERE', undefined],
    [{ small: Number.NaN }, 'BAD_WHERE', /takes a number/],
    [{ large: 2 ** 60 }, 'BAD_WHERE', /bigint/],
    [{ large: 0.5 }, 'BAD_WHERE', undefined],
    [{ ok: 1 }, 'BAD_WHERE', undefined],
    [{ at: 'yesterday' }, 'BAD_WHERE', undefined],
    [{ at: new Date(Number.NaN) }, 'BAD_WHERE', undefined],
    [{ raw: 'AAEC' }, 'BAD_WHERE', /isNull/],
    [{ tags: { eq: 'x' } }, 'BAD_WHERE', /isNull/],
  ])('%o is refused as %s', (where, code, hint) => {
    expect(() => table(where)).toThrow(
      expect.objectContaining({
        name: 'PipelineError',
        code,
        ...(hint === undefined ? {} : { hint: expect.stringMatching(hint) }),
      }),
    );
  });

  it('is refused by the compiler where it does not fit the columns', () => {
    const declared = { text: 'string', n: 'int64', tags: 'list<string>' } as const;
    const refused = [
      // @ts-expect-error: a number is no text
      () => jsonl('x', { columns: declared, where: { n: 'x' } }),
      // @ts-expect-error: not among the columns
      () => jsonl('x', { columns: declared, where: { m: 1 } }),
      // @ts-expect-error: the text
      () => jsonl('x', { columns: declared, where: { text: 'x' } }),
      // @ts-expect-error: no list
      () => jsonl('x', { columns: declared, where: { n: { in: 1n } } }),
      // @ts-expect-error: lists can be asked for null alone
      () => jsonl('x', { columns: declared, where: { tags: { eq: 'x' } } }),
    ];
    for (const wrong of refused) expect(wrong).toThrow(expect.objectContaining({ name: 'PipelineError' }));
  });

  it('is part of what a source says that it reads, as plain JSON', () => {
    const json = tableJson(table({ large: { in: [1, 2n ** 60n] }, at: { lt: new Date(0) }, lang: null, ok: true }));
    expect(json['where']).toEqual({
      large: { in: ['1', '1152921504606846976'] },
      at: { lt: '1970-01-01T00:00:00.000Z' },
      lang: { isNull: true },
      ok: { eq: true },
    });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
    expect(tableJson(table({}))).not.toHaveProperty('where');
    expect(tableJson(parseTable({ columns: columns as Columns }))).not.toHaveProperty('where');
  });
});

describe('bounds of stored values', () => {
  const kinds = {
    lang: fc.string({ unit: 'binary', maxLength: 3 }),
    small: fc.integer({ min: -4, max: 4 }),
    large: fc.bigInt({ min: -4n, max: 4n }),
    score: fc.oneof(fc.integer({ min: -4, max: 4 }), fc.constantFrom(Number.NaN, -0, 0.5)),
    ok: fc.boolean(),
    at: fc.integer({ min: 0, max: 5 }).map((time) => new Date(time)),
  };
  const operators = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte'];

  it.each(Object.entries(kinds))('never exclude a row that passes (%s)', (name, value: fc.Arbitrary<unknown>) => {
    const operand = value.filter((one) => !Number.isNaN(one));
    const condition = fc.oneof(
      fc.dictionary(fc.constantFrom(...operators), operand, { minKeys: 1 }),
      fc.dictionary(fc.constantFrom('in', 'notIn'), fc.array(operand, { minLength: 1 }), { minKeys: 1 }),
      fc.record({ isNull: fc.boolean() }),
    );
    let excluded = 0;
    fc.assert(
      fc.property(condition, fc.array(fc.option(value), { minLength: 1, maxLength: 6 }), (where, values) => {
        const checked = conditions({ [name]: where });
        const stored = values
          .filter((one) => one !== null && !Number.isNaN(one))
          .map((one) => (one instanceof Date ? one.getTime() : typeof one === 'string' ? Buffer.from(one) : one))
          .sort((a, b) => (a instanceof Uint8Array ? Buffer.compare(a, b as Buffer) : Number(a) - Number(b)));
        const bounds: Bounds = {
          rows: values.length,
          nulls: values.filter((one) => one === null).length,
          least: stored[0] as Bounds['least'],
          greatest: stored.at(-1) as Bounds['greatest'],
        };
        const some = values.some((one) => passes(checked, one as never));
        if (some) expect(mayPass(checked, bounds)).toBe(true);
        if (!mayPass(checked, bounds)) excluded++;
        expect(mayPass(checked, { rows: values.length })).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(excluded).toBeGreaterThan(10);
  });

  it('that are no numbers say nothing', () => {
    const checked = conditions({ score: { lt: 0 } });
    expect(mayPass(checked, { rows: 1, least: Number.NaN, greatest: 5 })).toBe(true);
    expect(mayPass(checked, { rows: 1, least: 1, greatest: Number.NaN })).toBe(true);
    expect(mayPass(checked, { rows: 1, least: 1, greatest: 5 })).toBe(false);
  });
});

describe('rows that are passed over', () => {
  const rows = Array.from({ length: 40 }, (_, n) => ({ text: `row ${n}`, n, lang: n % 3 === 0 ? null : `l${n % 5}` }));
  const declared = { text: 'string', n: 'int64', lang: 'string?' } as const;

  function file(): string {
    const path = join(temporaryFolder(), 'x.jsonl');
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return path;
  }

  it('are no rejects, keep their numbers, and need not be well otherwise', async () => {
    const path = file();
    const all = await readAll(jsonl(path, { columns: declared }));
    const some = await readAll(jsonl(path, { columns: declared, where: { n: { gte: 10 }, lang: 'l1' } }));
    expect(some.records).toEqual(all.records.filter(({ meta }) => meta.n >= 10n && meta.lang === 'l1'));
    expect(some.records.length).toBeGreaterThan(2);
    expect(some.rejects).toEqual([]);
    const wrong = { text: 'string', n: 'int64', lang: 'bool' } as const;
    const outcome = await readAll(jsonl(path, { columns: wrong, where: { n: { in: [3, 4] } } }));
    expect(outcome.rejects.map(({ error }) => [error.code, error.position?.ordinal])).toEqual([
      ['NULL_VALUE', 3],
      ['WRONG_TYPE', 4],
    ]);
  });

  it('are counted in the commit of their split', async () => {
    const output = join(temporaryFolder(), 'out');
    const source = jsonl(file(), { columns: declared, where: { n: { lt: 10 } } });
    const pipeline = definePipeline('some', source)
      .pipe(map((document) => document))
      .to(written('kept'));
    const { counts } = await run(pipeline, { output });
    expect(counts).toMatchObject({ documents_read: 10, filtered: 30 });
  });

  it('are the same however the file is cut', async () => {
    const options = { columns: declared, where: { lang: { isNull: true } } } as const;
    const path = file();
    const cut = await readAll(jsonl(path, options), 200);
    expect(cut.splits.length).toBeGreaterThan(4);
    expect(content(cut.records)).toEqual(content((await readAll(jsonl(path, options))).records));
  });
});
