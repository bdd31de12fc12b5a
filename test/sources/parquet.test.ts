import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type CompressionCodec, parquetMetadata } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { parquet } from '../../src/sources/index.ts';
import { codes, content, plan, readAll, readSplit, temporaryFolder, text } from './helpers.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/sources/${name}`, import.meta.url));

const compressors = { GZIP: gzipSync, BROTLI: brotliCompressSync, ZSTD: zstdCompressSync };

interface Written {
  readonly rows: number;
  readonly rowGroupSize?: number;
  readonly codec?: CompressionCodec;
  readonly extra?: readonly { name: string; data: unknown[]; type: 'STRING' | 'BYTE_ARRAY' | 'INT64' | 'DOUBLE' }[];
}

const body = (row: number): string => `row ${row} ${'é'.repeat(row % 50)}`;

function bytesOf({ rows, rowGroupSize = 100, codec = 'SNAPPY', extra = [] }: Written): Buffer {
  const data = Array.from({ length: rows }, (_, row) => body(row));
  const columnData = [{ name: 'text', data, type: 'STRING' as const }, ...extra];
  return Buffer.from(parquetWriteBuffer({ columnData, codec, compressors, rowGroupSize }));
}

function file(bytes: Uint8Array, name = 'x.parquet'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

/** The plan reject of the one file that there is. */
async function refused(
  path: string,
  options: Parameters<typeof parquet>[1] = {},
): Promise<{ code: string; hint: string | undefined }> {
  const rejects: { code: string; hint: string | undefined }[] = [];
  await expect(plan(parquet(path, options), 1 << 20, rejects as never)).rejects.toMatchObject({
    name: 'SourceError',
    code: 'NO_USABLE_FILE',
  });
  expect(rejects).toHaveLength(1);
  return rejects[0]!;
}

describe('a Parquet file', () => {
  it.each<CompressionCodec>(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD'])(
    'with codec %s gives every row at its place',
    async (codec) => {
      const { records, rejects } = await readAll(parquet(file(bytesOf({ rows: 250, codec }))));
      expect(rejects).toEqual([]);
      expect(records.map(text)).toEqual(Array.from({ length: 250 }, (_, row) => body(row)));
      expect(records.map(({ id }) => id)).toEqual(Array.from({ length: 250 }, (_, row) => `x.parquet#${row}`));
      expect(records.map(({ source: { position } }) => position)).toEqual(
        Array.from({ length: 250 }, (_, row) => ({ ordinal: row, row })),
      );
    },
  );

  it('is cut into runs of row groups, which do not change the documents', async () => {
    const path = file(bytesOf({ rows: 1000, rowGroupSize: 90 }));
    const whole = await readAll(parquet(path), 1 << 30);
    expect(whole.splits).toHaveLength(1);
    for (const splitBytes of [1, 5_000, 20_000]) {
      const cut = await readAll(parquet(path), splitBytes);
      expect(cut.splits.length).toBeGreaterThan(1);
      expect(content(cut.records)).toEqual(content(whole.records));
    }
    expect((await readAll(parquet(path), 1)).splits).toHaveLength(12);
  });

  it('keeps a group whole that is handed on in many chunks', async () => {
    const { records } = await readAll(parquet(file(bytesOf({ rows: 5000, rowGroupSize: 5000 }))));
    expect(records.map(text)).toEqual(Array.from({ length: 5000 }, (_, row) => body(row)));
  });
});

describe('columns of a file that another program wrote', () => {
  const columns = {
    id: 'int64',
    text: 'string',
    raw: 'binary',
    fixed: 'binary',
    n: 'int64',
    u: 'int64',
    i: 'int32?',
    u32: 'double',
    f: 'double',
    dec: 'string?',
    big: 'string',
    ok: 'bool?',
    ms: 'timestamp',
    us: 'timestamp?',
    ns: 'int64?',
    day: 'timestamp?',
    tags: 'list<string>?',
    nums: 'list<int64>',
    cat: 'string',
    large: 'string',
  } as const;

  it('are exact in every kind', async () => {
    const { records, rejects } = await readAll(parquet(fixture('kinds.parquet'), { columns }));
    expect(rejects).toEqual([]);
    expect(records.map(text)).toEqual(['häuser', '', '漢字😀', 'd']);
    expect(records.map(({ id }) => id)).toEqual(['10', '20', '30', '40']);
    const column = <K extends keyof (typeof records)[number]['meta']>(name: K) => records.map(({ meta }) => meta[name]);
    expect(column('raw').map((bytes) => [...bytes])).toEqual([[0, 255], [], [97, 98, 99], [128]]);
    expect(column('fixed').map((bytes) => [...bytes])[1]).toEqual([0, 1, 2, 3]);
    expect(column('n')).toEqual([9007199254740993n, -9223372036854775808n, 9223372036854775807n, 0n]);
    expect(column('u')).toEqual([18446744073709551615n, 0n, 1n, 2n]);
    expect(column('i')).toEqual([-1, 0, 2147483647, null]);
    expect(column('u32')).toEqual([4294967295, 0, 1, 2]);
    expect(column('f')).toEqual([0.1, Number.POSITIVE_INFINITY, -0, 1e-300]);
    expect(column('dec')).toEqual(['12.30', '-0.05', '9999999999999999.99', null]);
    expect(column('big')).toEqual([
      '-1.00000000000000000001',
      '0.00000000000000000000',
      '3.10000000000000000000',
      '0.50000000000000000000',
    ]);
    expect(column('ok')).toEqual([true, false, null, true]);
    expect(column('ms')[0]).toEqual(new Date('2024-02-29T01:02:03.456Z'));
    expect(column('us')).toEqual([new Date(1709168523456), new Date(0), new Date(0), null]);
    expect(column('ns')).toEqual([1709168523456789012n, 0n, -1n, null]);
    expect(column('day')).toEqual([new Date('2024-02-29'), new Date('1969-12-31'), null, new Date(0)]);
    expect(column('tags')).toEqual([['x', 'y'], [], null, ['z']]);
    expect(column('nums')).toEqual([[9007199254740993n], [1n, 2n], [], [3n]]);
    expect(column('cat')).toEqual(['p', 'q', 'p', 'q']);
    expect(column('large')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('may be old timestamps and second-version pages', async () => {
    const { records } = await readAll(parquet(fixture('int96.parquet'), { columns: { text: 'string', ns: 'int64?' } }));
    expect(records.map(({ meta }) => meta.ns)).toEqual([1709168523456789012n, 0n, -1n, null]);
  });

  it.each(['snappy', 'brotli', 'none'])('may be packed with %s', async (codec) => {
    const { records } = await readAll(
      parquet(fixture(`${codec}.parquet`), { columns: { text: 'string', n: 'int64' } }),
    );
    expect(records.map(text)).toEqual(['häuser', '', '漢字😀', 'd']);
    expect(records[1]?.meta.n).toBe(-9223372036854775808n);
  });

  it('may hold the text as bytes', async () => {
    const raw = await readAll(parquet(fixture('kinds.parquet'), { text: 'raw' }));
    expect(raw.records.map(({ bytes }) => [...bytes])).toEqual([[0, 255], [], [97, 98, 99], [128]]);
    const fixed = await readAll(parquet(fixture('kinds.parquet'), { text: 'fixed', id: 'n' }));
    expect(fixed.records.map(({ bytes, id }) => [bytes.length, id])[0]).toEqual([4, '9007199254740993']);
  });

  it('that do not fit a row reject that row alone, and keep the numbers of the others', async () => {
    const outcome = await readAll(
      parquet(fixture('kinds.parquet'), { columns: { text: 'string', i: 'int32', holes: 'list<int64>' } }),
      1,
    );
    expect(outcome.splits).toHaveLength(2);
    expect(outcome.records.map(({ source: { position } }) => position)).toEqual([
      { ordinal: 1, row: 1 },
      { ordinal: 2, row: 2 },
    ]);
    expect(outcome.rejects.map(({ error: { code, position, hint } }) => [code, position, hint])).toEqual([
      ['NULL_VALUE', { ordinal: 0, row: 0 }, undefined],
      ['NULL_VALUE', { ordinal: 0, row: 3 }, "Declare it 'int32?' to allow that."],
    ]);
  });

  it.each([
    [{ columns: { text: 'string', scoer: 'double' } }, 'MISSING_COLUMN', undefined],
    [{ text: 'txet' }, 'MISSING_COLUMN', "Did you mean 'text'?"],
    [{ columns: { text: 'string', n: 'int32' } }, 'WRONG_TYPE', "It can be read as 'int64'."],
    [{ columns: { text: 'string', n: 'double' } }, 'WRONG_TYPE', "It can be read as 'int64'."],
    [{ columns: { text: 'string', dec: 'double' } }, 'WRONG_TYPE', "It can be read as 'string' or 'binary'."],
    [
      { columns: { text: 'string', tags: 'string' } },
      'WRONG_TYPE',
      "It can be read as 'list<string>' or 'list<binary>'.",
    ],
    [{ columns: { text: 'string', s: 'string' } }, 'WRONG_TYPE', undefined],
    [{ text: 'n' }, 'WRONG_TYPE', undefined],
  ] as const)('that the file does not have (%j) are %s', async (options, code, hint) => {
    const error = await refused(fixture('kinds.parquet'), options);
    expect(error.code).toBe(code);
    if (hint !== undefined) expect(error.hint).toBe(hint);
  });
});

describe('a file that is not as it should be', () => {
  const whole = bytesOf({ rows: 300 });

  it.each([
    ['cut in the data', whole.subarray(0, 2000), 'TRUNCATED'],
    ['cut in its end', whole.subarray(0, -3), 'TRUNCATED'],
    ['without its beginning', whole.subarray(4), 'NOT_PARQUET'],
    ['of another kind', Buffer.from('id,text\n1,a\n'), 'NOT_PARQUET'],
    ['of one byte', Buffer.from('P'), 'NOT_PARQUET'],
    ['empty', Buffer.alloc(0), 'EMPTY_FILE'],
    [
      'with a damaged footer',
      Buffer.concat([whole.subarray(0, -40), Buffer.alloc(20, 0xff), whole.subarray(-20)]),
      'CORRUPT_FOOTER',
    ],
    [
      'with a footer longer than itself',
      Buffer.concat([whole.subarray(0, -8), Buffer.from([0xff, 0xff, 0xff, 0x7f]), whole.subarray(-4)]),
      'CORRUPT_FOOTER',
    ],
    ['without rows', bytesOf({ rows: 0 }), 'NO_ROWS'],
  ])('(%s) is rejected as it is planned', async (_what, bytes, code) => {
    expect((await refused(file(bytes))).code).toBe(code);
  });

  it.each([
    ['encrypted.parquet', 'ENCRYPTED'],
    ['encrypted-plain-footer.parquet', 'ENCRYPTED'],
    ['lz4.parquet', 'UNKNOWN_CODEC'],
  ])('%s is %s', async (name, code) => {
    expect((await refused(fixture(name))).code).toBe(code);
  });

  it('does not stop the files beside it', async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, 'a.parquet'), whole.subarray(0, 1000));
    writeFileSync(join(root, 'b.parquet'), whole);
    writeFileSync(join(root, 'c.parquet'), bytesOf({ rows: 0 }));
    const outcome = await readAll(parquet(root));
    expect(outcome.records).toHaveLength(300);
    expect(codes(outcome)).toEqual(['TRUNCATED', 'NO_ROWS']);
  });

  it('loses only the row groups that cannot be decoded, and no number', async () => {
    const damaged = Buffer.from(whole);
    const chunk = parquetMetadata(whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length) as ArrayBuffer)
      .row_groups[1]?.columns[0]?.meta_data;
    const start = Number(chunk?.data_page_offset);
    damaged.fill(0xff, start, start + Number(chunk?.total_compressed_size));
    const { records, rejects } = await readAll(parquet(file(damaged)));
    expect(records.map(({ source: { position } }) => position.row)).toEqual([
      ...Array(100).keys(),
      ...Array.from({ length: 100 }, (_, n) => 200 + n),
    ]);
    expect(records.at(100)?.source.position).toEqual({ ordinal: 200, row: 200 });
    expect(rejects.map(({ error: { code, position } }) => [code, position])).toEqual([
      ['CORRUPT_ROW_GROUP', { ordinal: 100, row: 100 }],
    ]);
  });

  it('is refused where a row group is larger than allowed', async () => {
    expect(await refused(file(whole), { maxRowGroupBytes: 100 })).toMatchObject({
      code: 'ROW_GROUP_TOO_LARGE',
      hint: expect.stringContaining('maxRowGroupBytes'),
    });
  });

  it('fails the run where it has changed since the plan', async () => {
    const path = file(whole);
    const source = parquet(path);
    const [split] = await plan(source, 1 << 30);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    await expect(readSplit(source, split!)).rejects.toMatchObject({ name: 'SourceError', code: 'INPUT_CHANGED' });
  });
});

describe('what is not asked for', () => {
  it('is not read: damage in another column does not matter', async () => {
    const bytes = bytesOf({
      rows: 50,
      extra: [{ name: 'other', data: Array.from({ length: 50 }, (_, n) => `${n}`), type: 'STRING' }],
    });
    const chunk = parquetMetadata(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer)
      .row_groups[0]?.columns[1]?.meta_data;
    bytes.fill(
      0xff,
      Number(chunk?.data_page_offset),
      Number(chunk?.data_page_offset) + Number(chunk?.total_compressed_size),
    );
    expect((await readAll(parquet(file(bytes)))).records).toHaveLength(50);
    expect(codes(await readAll(parquet(file(bytes), { columns: { text: 'string', other: 'string' } })))).toEqual([
      'CORRUPT_ROW_GROUP',
    ]);
  });
});
