import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { FileRef } from '../../src/records.ts';
import { type Columns, parseTable } from '../../src/sources/columns.ts';
import { jsonl, parquet } from '../../src/sources/index.ts';
import { jsonRow } from '../../src/sources/json-row.ts';
import { codes, plan, readAll, temporaryFolder } from './helpers.ts';

const file = (bytes: string | null, path: string | null): FileRef => ({
  bytes: bytes === null ? null : new Uint8Array(Buffer.from(bytes)),
  path,
});

/** Rows that DuckDB, which is nobody's relative here, writes as Parquet. */
async function written(select: string): Promise<string> {
  const path = join(temporaryFolder(), 'x.parquet');
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run(`copy (${select}) to '${path}' (format parquet)`);
  connection.closeSync();
  return path;
}

async function column(select: string, kind: Columns[string]): Promise<{ values: unknown[]; codes: string[] }> {
  const outcome = await readAll(parquet(await written(select), { columns: { text: 'string', image: kind } }));
  const values = outcome.records.map(({ meta }) => (meta as { image: unknown }).image);
  return { values, codes: codes(outcome) };
}

describe('a file column of a Parquet file', () => {
  it('is a struct of bytes and path, either of them null, or altogether null', async () => {
    const { values } = await column(
      `select * from (values
        ('a', {bytes: 'one'::blob, path: 'a.png'}), ('b', {bytes: null, path: 'b.png'}),
        ('c', {bytes: 'three'::blob, path: null}), ('d', {bytes: null, path: null}), ('e', null)) as t(text, image)`,
      'file?',
    );
    expect(values).toEqual([file('one', 'a.png'), file(null, 'b.png'), file('three', null), null, null]);
  });

  it('may lack a member, and may have others', async () => {
    expect((await column(`select 'a' as text, {bytes: 'x'::blob} as image`, 'file')).values).toEqual([file('x', null)]);
    const url = `select 'a' as text, {width: 3, url: 'https://example.org/a.png', tags: ['x']} as image`;
    expect((await column(url, 'file')).values).toEqual([file(null, 'https://example.org/a.png')]);
  });

  it('is text that is a path, or bytes that are the file', async () => {
    expect((await column(`select 'a' as text, 'images/a.png' as image`, 'file')).values).toEqual([
      file(null, 'images/a.png'),
    ]);
    expect((await column(`select 'a' as text, 'png'::blob as image`, 'file')).values).toEqual([file('png', null)]);
  });

  it('is a list of any of these', async () => {
    const structs = `select * from (values ('a', [{bytes: 'one'::blob, path: null}, {bytes: null, path: 'b'}]), ('b', []), ('c', null)) as t(text, image)`;
    expect((await column(structs, 'list<file>?')).values).toEqual([[file('one', null), file(null, 'b')], [], null]);
    expect((await column(`select 'a' as text, ['x', 'y'] as image`, 'list<file>')).values).toEqual([
      [file(null, 'x'), file(null, 'y')],
    ]);
  });

  it('rejects rows without a file unless that is declared', async () => {
    const rows = `select * from (values ('a', {bytes: null::blob, path: null}), ('b', null), ('c', {bytes: null, path: 'c'})) as t(text, image)`;
    const outcome = await column(rows, 'file');
    expect(outcome.codes).toEqual(['NULL_VALUE', 'NULL_VALUE']);
    expect(outcome.values).toEqual([file(null, 'c')]);
    const list = `select 'a' as text, [{bytes: null::blob, path: null::varchar}] as image`;
    expect((await column(list, 'list<file>')).codes).toEqual(['NULL_VALUE']);
  });

  it('keeps each of many large files apart, whatever chunks they come in', async () => {
    const rows = `select i::varchar as text, {bytes: repeat(chr(97 + (i % 26)::int), (i * 797) % 100000)::blob, path: i::varchar} as image from range(300) t(i)`;
    const { values } = await column(rows, 'file');
    expect(values).toHaveLength(300);
    for (const [i, value] of values.entries()) {
      const { bytes, path } = value as FileRef;
      expect(path).toBe(`${i}`);
      expect(Buffer.from(bytes ?? []).equals(Buffer.alloc((i * 797) % 100000, 97 + (i % 26)))).toBe(true);
    }
  });

  it.each([
    ['7::bigint', 'int64'],
    ['7::utinyint', 'uint8'],
    ['[7::bigint]', 'list of int64'],
  ])('%s is told of as %s', async (value, name) => {
    const path = await written(`select 'a' as text, ${value} as image`);
    await expect(plan(parquet(path, { columns: { text: 'string', image: 'bool' } }), 1 << 20)).rejects.toMatchObject({
      cause: { message: expect.stringMatching(new RegExp(`is declared bool but holds ${name}$`)) },
    });
  });

  it.each([
    ['{a: 1}', 'file', 'Only scalars, files (structs with bytes, path or url) and lists of them can be read.'],
    ['{bytes: 1}', 'file', undefined],
    ["{path: 'x'}", 'string', "It can be read as 'file'."],
    ["[{path: 'x'}]", 'file', "It can be read as 'list<file>'."],
    ["{path: ['x']}", 'file', undefined],
    ['7', 'file', undefined],
  ] as const)('%s as %s is refused', async (value, kind, hint) => {
    const path = await written(`select 'a' as text, ${value} as image`);
    const rejects: { code: string; hint?: string | undefined }[] = [];
    const planned = plan(parquet(path, { columns: { text: 'string', image: kind } }), 1 << 20, rejects as never);
    await expect(planned).rejects.toMatchObject({ code: 'NO_USABLE_FILE' });
    expect(rejects).toMatchObject([{ code: 'WRONG_TYPE', ...(hint === undefined ? {} : { hint }) }]);
  });
});

describe('a file column of JSON', () => {
  const table = parseTable({ columns: { text: 'string', image: 'file?', more: 'list<file>?' } });
  const read = (image: unknown) => jsonRow(table, JSON.stringify({ text: 'a', image }))?.meta['image'];

  it.each([
    ['images/a.png', file(null, 'images/a.png')],
    [{ path: 'a.png' }, file(null, 'a.png')],
    [{ url: 'https://example.org/a.png' }, file(null, 'https://example.org/a.png')],
    [{ bytes: 'b25l', path: 'a.png', width: 3 }, file('one', 'a.png')],
    [{ bytes: null, path: 'a.png' }, file(null, 'a.png')],
    [{ bytes: '', path: null }, file('', null)],
    [{ bytes: null, path: null }, null],
    [null, null],
    [undefined, null],
  ])('%j', (image, expected) => expect(read(image)).toEqual(expected));

  it.each([
    [7, 'WRONG_TYPE'],
    [['a.png'], 'WRONG_TYPE'],
    [{ source: 'a.png' }, 'WRONG_TYPE'],
    [{ bytes: 'no base64' }, 'WRONG_TYPE'],
    [{ bytes: [1, 2] }, 'WRONG_TYPE'],
    [{ path: 7 }, 'WRONG_TYPE'],
    [{ path: '\ud800' }, 'LONE_SURROGATE'],
  ])('%j is refused as %s', (image, code) => {
    expect(() => read(image)).toThrow(expect.objectContaining({ code }));
  });

  it('must be there where nothing else is declared', () => {
    const strict = parseTable({ columns: { text: 'string', image: 'file' } });
    expect(() => jsonRow(strict, '{"text":"a","image":{"path":null}}')).toThrow(
      expect.objectContaining({ code: 'NULL_VALUE', hint: "Declare it 'file?' to allow that." }),
    );
  });

  it('has a type, and comes with the base that paths are relative to', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'x.jsonl'), '{"text":"a","image":"b.png","more":["c.png",{"path":"d.png"}]}\n');
    const source = jsonl(folder, { columns: { text: 'string', image: 'file', more: 'list<file>' } });
    const { records } = await readAll(source);
    const [row] = records;
    expectTypeOf(row!.meta.image).toEqualTypeOf<FileRef>();
    expectTypeOf(row!.meta.more).toEqualTypeOf<readonly FileRef[]>();
    expect(row!.meta).toEqual({ image: file(null, 'b.png'), more: [file(null, 'c.png'), file(null, 'd.png')] });
    expect(row!.source.base).toBe(folder);
  });
});
