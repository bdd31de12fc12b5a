import { describe, expect, expectTypeOf, it } from 'vitest';
import { parseTable } from '../../src/sources/columns.ts';
import { jsonRow } from '../../src/sources/json-row.ts';
import { closest, didYouMean } from '../../src/suggest.ts';
import type { Document, jsonlTypes } from './column-types.ts';

const columns = {
  id: 'string',
  text: 'string',
  score: 'double',
  n: 'int64',
  small: 'int32',
  tags: 'list<string>',
  ok: 'bool',
  blob: 'binary',
  at: 'timestamp',
  note: 'string?',
  sizes: 'list<int64>?',
} as const;

const good = {
  id: 'a',
  text: 'häuser',
  score: 0.5,
  n: 7,
  small: -1,
  tags: ['x', 'y'],
  ok: true,
  blob: 'AAEC',
  at: '2024-02-29T12:00:00Z',
};

const read = (value: unknown) =>
  jsonRow(parseTable({ columns }), typeof value === 'string' ? value : JSON.stringify(value))!;

describe('a declaration of columns', () => {
  it('gives the type of meta, without the text', () => {
    expectTypeOf<typeof jsonlTypes.all>().toExtend<Document<{ readonly score: number; readonly n: bigint }>>();
    expectTypeOf<(typeof jsonlTypes.all)['meta']['tags']>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<(typeof jsonlTypes.all)['meta']['note']>().toEqualTypeOf<string | null>();
    expectTypeOf<(typeof jsonlTypes.all)['meta']['at']>().toEqualTypeOf<Date>();
    expectTypeOf<(typeof jsonlTypes.all)['meta']>().not.toHaveProperty('text');
    expectTypeOf<(typeof jsonlTypes.body)['meta']>().toHaveProperty('text');
    expectTypeOf<(typeof jsonlTypes.body)['meta']>().not.toHaveProperty('body');
  });

  it.each([
    [{ columns: { text: 'strnig' } }, 'UNKNOWN_KIND', "Did you mean 'string'?"],
    [{ columns: { text: 'string', n: 'int' } }, 'UNKNOWN_KIND', "Did you mean 'int32' or 'int64'?"],
    [{ columns: { a: 'list<list<string>>' } }, 'UNKNOWN_KIND', undefined],
    [{ columns: { body: 'string' }, text: 'boddy' }, 'UNKNOWN_COLUMN', "Did you mean 'body'?"],
    [{ columns: { url: 'string' }, id: 'ulr' }, 'UNKNOWN_COLUMN', "Did you mean 'url'?"],
    [{ columns: { text: 'int64' } }, 'TEXT_KIND', undefined],
    [{ columns: JSON.parse('{"__proto__": "string"}') }, 'UNKNOWN_COLUMN', undefined],
  ])('%j is refused as %s', (options, code, hint) => {
    expect(() => parseTable(options as never)).toThrow(
      expect.objectContaining({ name: 'PipelineError', code, ...(hint === undefined ? {} : { hint }) }),
    );
  });
});

describe('a row of JSON', () => {
  it('has every value in its kind', () => {
    const row = read({ ...good, sizes: [1, 2] });
    expect(Buffer.from(row.text).toString()).toBe('häuser');
    expect(row.meta).toEqual({
      id: 'a',
      score: 0.5,
      n: 7n,
      small: -1,
      tags: ['x', 'y'],
      ok: true,
      blob: new Uint8Array([0, 1, 2]),
      at: new Date('2024-02-29T12:00:00Z'),
      note: null,
      sizes: [1n, 2n],
    });
  });

  it.each([
    ['9007199254740993', 9007199254740993n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9223372036854775807', 9223372036854775807n],
    ['"9223372036854775807"', 9223372036854775807n],
    ['1e3', 1000n],
  ])('holds int64 %s exactly', (source, value) => {
    const line = JSON.stringify({ ...good, n: 'N' }).replace('"N"', source);
    expect(read(line).meta.n).toBe(value);
  });

  it.each([
    ['9223372036854775808', 'OUT_OF_RANGE'],
    ['1e30', 'OUT_OF_RANGE'],
    ['1.5', 'WRONG_TYPE'],
    ['true', 'WRONG_TYPE'],
  ])('refuses int64 %s as %s', (source, code) => {
    const line = JSON.stringify({ ...good, n: 'N' }).replace('"N"', source);
    expect(() => read(line)).toThrow(expect.objectContaining({ code }));
  });

  it('suggests nothing else for the text, which has to be one', () => {
    expect(() => read({ ...good, text: 5 })).toThrow(expect.objectContaining({ code: 'WRONG_TYPE', hint: undefined }));
  });

  it.each([
    ['{', 'INVALID_JSON', undefined],
    ['[1]', 'NOT_AN_OBJECT', undefined],
    ['null', 'NOT_AN_OBJECT', undefined],
    [{ ...good, score: undefined, scoer: 1 }, 'MISSING_COLUMN', "Did you mean 'scoer'?"],
    [{ ...good, ok: null }, 'NULL_VALUE', "Declare it 'bool?' to allow that."],
    [{ ...good, text: null }, 'NULL_VALUE', undefined],
    [{ ...good, text: 5 }, 'WRONG_TYPE', undefined],
    [{ ...good, tags: 'x' }, 'WRONG_TYPE', "Declared 'string', it can be read."],
    [{ ...good, tags: ['x', 1] }, 'WRONG_TYPE', undefined],
    [{ ...good, tags: [0.5, 1.5] }, 'WRONG_TYPE', "Declared 'list<double>', it can be read."],
    [{ ...good, small: 2 ** 31 }, 'OUT_OF_RANGE', "Declared 'int64', it can be read."],
    [{ ...good, small: 4.82 }, 'OUT_OF_RANGE', "Declared 'double', it can be read."],
    [{ ...good, small: true }, 'WRONG_TYPE', "Declared 'bool', it can be read."],
    [{ ...good, blob: 'not base64!' }, 'WRONG_TYPE', undefined],
    [{ ...good, at: 'yesterday' }, 'WRONG_TYPE', "Declared 'string', it can be read."],
    [{ ...good, text: '\ud800' }, 'LONE_SURROGATE', undefined],
  ])('%j is refused as %s', (line, code, hint) => {
    expect(() => read(line)).toThrow(expect.objectContaining({ code, ...(hint === undefined ? {} : { hint }) }));
  });

  it('does not take what objects inherit for columns', () => {
    const table = parseTable({ columns: { text: 'string', constructor: 'string?' as const } });
    expect(jsonRow(table, '{"text":"a"}')?.meta.constructor).toBeNull();
  });
});

describe('a suggestion', () => {
  it('is the nearest name, if any is near', () => {
    expect(closest('scoer', ['text', 'score', 'core'])).toBe('score');
    expect(closest('Text', ['text'])).toBe('text');
    expect(closest('url', ['text', 'id'])).toBeUndefined();
    expect(didYouMean('url', ['text', 'id'])).toBe("There are 'text', 'id'.");
  });
});
