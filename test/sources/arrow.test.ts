import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Int8,
  Int32,
  Int64,
  LargeUtf8,
  List,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  TimestampSecond,
  Uint16,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { arrow, type Columns, parquet } from '../../src/sources/index.ts';
import { misbehavingServer } from '../support/misbehavingServer.ts';
import { codes, content, type Outcome, plan, readAll, temporaryFolder, text } from './helpers.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/sources/${name}`, import.meta.url));

function file(bytes: Uint8Array, name = 'x.arrow'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

type Vectors = Readonly<Record<string, Vector>>;

/** Batches as apache-arrow writes them. */
function ipc(batches: readonly Vectors[], format: 'file' | 'stream', options = {}): Buffer {
  const fields = Object.entries(batches[0] ?? {}).map(([name, { type }]) => new Field(name, type, true));
  const schema = new Schema(fields);
  const Writer = format === 'file' ? RecordBatchFileWriter : RecordBatchStreamWriter;
  const writer = new Writer(options);
  writer.reset(undefined, schema);
  for (const vectors of batches) {
    const [chunk] = new Table(schema, vectors as never).batches;
    if (chunk !== undefined) writer.write(new RecordBatch(schema, chunk.data));
  }
  writer.finish();
  return Buffer.from(writer.toUint8Array(true));
}

const utf8 = (values: readonly (string | null)[], type: DataType = new Utf8()): Vector => vectorFromArray(values, type);
const rowsOf = (count: number, from = 0): Vectors => ({
  text: utf8(Array.from({ length: count }, (_, n) => `row ${from + n} ${'é'.repeat(n % 20)}`)),
  n: vectorFromArray(
    Array.from({ length: count }, (_, n) => BigInt(from + n)),
    new Int64(),
  ),
});
const hundred = (format: 'file' | 'stream'): Buffer =>
  ipc(
    Array.from({ length: 10 }, (_, n) => rowsOf(10, n * 10)),
    format,
  );

const kinds = {
  text: 'string',
  id: 'int64',
  n: 'int64',
  u: 'int64',
  i: 'int32?',
  u32: 'int64',
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
  raw: 'binary',
  fixed: 'binary',
} as const;

describe('files of other writers', () => {
  const columns = kinds;

  // Written by arrow-rs out of the Parquet file, and by Polars with its rows 25 times.
  it.each([
    ['kinds-stream.arrow', 1],
    ['kinds-lz4.feather', 25],
    ['kinds-zstd.arrow', 25],
  ])('%s holds what the same table in Parquet holds', async (name, times) => {
    const other = await readAll(
      parquet(fixture('kinds.parquet'), { columns: { ...columns, u32: 'double' }, id: 'id' }),
    );
    const { records, rejects } = await readAll(arrow(fixture(name), { columns, id: 'id' }));
    expect(rejects).toEqual([]);
    const rows = other.records.map(({ id, bytes, meta }) => ({
      id,
      text: Buffer.from(bytes).toString(),
      meta: { ...meta, u32: BigInt(meta.u32) },
    }));
    const expected = Array.from({ length: times }, () => rows).flat();
    expect(records.map(({ id, bytes, meta }) => ({ id, text: Buffer.from(bytes).toString(), meta }))).toEqual(expected);
    expect(records.map(({ source }) => source.position)).toEqual(expected.map((_, row) => ({ ordinal: row, row })));
  });

  it('may have the text as bytes, and need no other column', async () => {
    const { records } = await readAll(arrow(fixture('kinds-zstd.arrow'), { text: 'raw' }));
    expect(records.slice(0, 4).map(({ bytes }) => [...bytes])).toEqual([[0, 255], [], [97, 98, 99], [128]]);
    expect(records[5]?.id).toBe('kinds-zstd.arrow#5');
  });

  it.each([
    [{ columns: { text: 'string', scoer: 'double' } }, 'MISSING_COLUMN', undefined],
    [{ text: 'txet' }, 'MISSING_COLUMN', "Did you mean 'text'?"],
    [{ columns: { text: 'string', n: 'int32' } }, 'WRONG_TYPE', "It can be read as 'int64'."],
    [{ columns: { text: 'string', u32: 'int32' } }, 'WRONG_TYPE', "It can be read as 'int64' or 'double'."],
    [{ columns: { text: 'string', dec: 'double' } }, 'WRONG_TYPE', "It can be read as 'string'."],
    [{ columns: { text: 'string', tags: 'string' } }, 'WRONG_TYPE', undefined],
    [{ columns: { text: 'string', s: 'string' } }, 'WRONG_TYPE', undefined],
    [{ text: 'n' }, 'WRONG_TYPE', undefined],
  ] as const)('that do not have a column (%j) are %s', async (options, code, hint) => {
    await expect(
      readAll(arrow(fixture('kinds-stream.arrow'), options as { columns?: Columns; text?: string })),
    ).rejects.toMatchObject({
      cause: { code, ...(hint === undefined ? {} : { hint }) },
    });
  });
});

describe('an Arrow table', () => {
  const texts = [new Utf8(), new LargeUtf8(), new Dictionary(new Utf8(), new Int32())];

  it('comes back however it is stored and cut', async () => {
    const row = fc.record({
      text: fc.string({ unit: 'grapheme', maxLength: 20 }),
      label: fc.option(fc.constantFrom('a', 'b', 'long enough to lie elsewhere')),
      n: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      tags: fc.option(fc.array(fc.string({ maxLength: 4 }), { maxLength: 3 })),
    });
    const shape = fc.record({
      batches: fc.array(fc.array(row, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 }),
      kind: fc.constantFrom(...texts),
      format: fc.constantFrom('file' as const, 'stream' as const),
      splitBytes: fc.integer({ min: 1, max: 300 }),
    });
    const declared = { text: 'string', label: 'string?', n: 'int64?', tags: 'list<string>?' } as const;
    await fc.assert(
      fc.asyncProperty(shape, async ({ batches, kind, format, splitBytes }) => {
        const list = new List(new Field('item', new Utf8(), true));
        const bytes = ipc(
          batches.map((rows) => ({
            text: utf8(rows.map((one) => one.text)),
            // Dictionaries are shared by the batches of a file.
            label: utf8(
              rows.map((one) => one.label),
              DictionaryOf(kind),
            ),
            n: vectorFromArray(
              rows.map((one) => one.n),
              new Int64(),
            ),
            tags: vectorFromArray(
              rows.map((one) => one.tags),
              list,
            ),
          })),
          format,
        );
        const source = arrow(file(bytes), { columns: declared });
        const { records, rejects } = await readAll(source, 1 << 30);
        expect(rejects).toEqual([]);
        expect(records.map(({ bytes: own, meta }) => ({ text: Buffer.from(own).toString(), ...meta }))).toEqual(
          batches.flat().map((one) => ({ ...one, text: one.text.toWellFormed() })),
        );
        expect(content((await readAll(source, splitBytes)).records)).toEqual(content(records));
      }),
      { numRuns: 100 },
    );
  });

  /** One batch has one dictionary; several in a file would have to share it. */
  const DictionaryOf = (kind: DataType): DataType => (kind instanceof Dictionary ? new Utf8() : kind);

  it.each(['file', 'stream'] as const)('(%s) is cut between batches', async (format) => {
    const path = file(hundred(format));
    expect((await readAll(arrow(path), 1)).splits).toHaveLength(10);
    const few = await readAll(arrow(path, { columns: { text: 'string', n: 'int64' } }), 900);
    expect(few.splits.length).toBeGreaterThan(2);
    expect(few.splits.length).toBeLessThan(9);
    expect(few.records.map(({ meta }) => Number(meta.n))).toEqual([...Array(100).keys()]);
    expect(few.records.map(({ source }) => source.position.row)).toEqual([...Array(100).keys()]);
  });

  it.each(['file', 'stream'] as const)('(%s) may have dictionaries, which then belong to all of it', async (format) => {
    const kind = new Dictionary(new Utf8(), new Int8());
    const bytes = ipc(
      [
        {
          text: utf8(['a', 'b', 'a', null], kind),
          tags: utf8(['x', null, 'y', 'x'], new Dictionary(new Utf8(), new Uint16())),
        },
      ],
      format,
    );
    const { records, rejects, splits } = await readAll(
      arrow(file(bytes), { columns: { text: 'string', tags: 'string?' } }),
      1,
    );
    expect(splits).toHaveLength(1);
    expect(records.map((record) => [text(record), record.meta.tags])).toEqual([
      ['a', 'x'],
      ['b', null],
      ['a', 'y'],
    ]);
    expect(rejects.map(({ error: { code, position } }) => [code, position])).toEqual([
      ['NULL_VALUE', { ordinal: 3, row: 3 }],
    ]);
  });

  it('whose dictionary grows or is replaced on the way is read with the one of the moment', async () => {
    const kind = new Dictionary(new Utf8(), new Int8());
    const first = ipc([{ text: utf8(['a', 'b'], kind) }], 'stream');
    const second = ipc([{ text: utf8(['c', 'd'], kind) }], 'stream');
    // Schema, dictionary, batch, end mark: the second stream's schema says the same.
    const end = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    const schema = 8 + second.readInt32LE(4);
    const joined = Buffer.concat([first.subarray(0, -end.length), second.subarray(schema)]);
    expect((await readAll(arrow(file(joined)))).records.map(text)).toEqual(['a', 'b', 'c', 'd']);
    const twice = await readAll(arrow(file(Buffer.concat([first, second]))));
    expect(twice.records.map(text)).toEqual(['a', 'b']);
    expect(codes(twice)).toEqual(['CORRUPT_ARROW']);
  });

  it('has every kind of value', async () => {
    const member = (name: string, type: DataType): Field => new Field(name, type, true);
    const vectors = {
      text: utf8(['a', 'b']),
      small: vectorFromArray([-5, null], new Int8()),
      word: vectorFromArray([65535, 0], new Uint16()),
      half: vectorFromArray([0.5, -65504], new Float16()),
      at: vectorFromArray([new Date(1_709_208_000_000), null], new TimestampSecond()),
      pair: vectorFromArray(
        [
          [1, 2],
          [3, 4],
        ],
        new FixedSizeList(2, member('item', new Int32())),
      ),
      image: vectorFromArray(
        [
          { path: 'a.png', url: null },
          { path: null, url: 'https://x/b.png' },
        ],
        new Struct([member('path', new Utf8()), member('url', new Utf8())]),
      ),
    };
    const declared = {
      text: 'string',
      small: 'int32?',
      word: 'int32',
      half: 'double',
      at: 'timestamp?',
      pair: 'list<int64>',
      image: 'file',
    } as const;
    const { records, rejects } = await readAll(arrow(file(ipc([vectors], 'file')), { columns: declared }));
    expect(rejects).toEqual([]);
    expect(records.map(({ meta }) => meta)).toEqual([
      {
        small: -5,
        word: 65535,
        half: 0.5,
        at: new Date(1_709_208_000_000),
        pair: [1n, 2n],
        image: { bytes: null, path: 'a.png' },
      },
      {
        small: null,
        word: 0,
        half: -65504,
        at: null,
        pair: [3n, 4n],
        image: { bytes: null, path: 'https://x/b.png' },
      },
    ]);
  });

  it('passes over rows that conditions exclude', async () => {
    const columns = { text: 'string', n: 'int64' } as const;
    const all = await readAll(arrow(file(hundred('file')), { columns }));
    const some = await readAll(arrow(file(hundred('file')), { columns, where: { n: { gte: 42, ne: 50 } } }), 300);
    expect(some.rejects).toEqual([]);
    expect(content(some.records)).toEqual(content(all.records.filter(({ meta }) => meta.n >= 42n && meta.n !== 50n)));
  });

  it('on a server is read in one go, and its file format in splits', async () => {
    const contents = { 'x.arrow': hundred('file'), 's.arrow': hundred('stream') };
    const server = await misbehavingServer(contents);
    onTestFinished(() => server.close());
    const remote = { http: { endpoints: [server.origin], backoff: { firstMs: 1, mostMs: 5 }, retries: 4 } };
    const local = await readAll(arrow(file(hundred('file'))));
    const inFile = await readAll(arrow(server.url('x.arrow'), { remote }), 500);
    expect(inFile.splits.length).toBeGreaterThan(2);
    expect(inFile.records.map(text)).toEqual(local.records.map(text));
    server.inject({ kind: 'cut', after: 700, times: 2 });
    const streamed = await readAll(arrow(server.url('s.arrow'), { remote }), 500);
    expect(streamed.splits).toHaveLength(1);
    expect(streamed.records.map(text)).toEqual(local.records.map(text));
  });

  it('says in its options what decides its content', () => {
    const { options } = arrow('in', { text: 'body', maxBatchBytes: 1000 });
    expect(options).toMatchObject({ text: 'body', maxBatchBytes: 1000 });
    expect(JSON.parse(JSON.stringify(options))).toEqual(options);
  });
});

describe('a file that is not as it should be', () => {
  const whole = hundred('file');
  const stream = hundred('stream');
  const refused = (bytes: Uint8Array, options: { maxBatchBytes?: number; columns?: Columns } = {}) =>
    expect(readAll(arrow(file(bytes), options))).rejects;

  it.each([
    ['of another kind', Buffer.from('id,text\n1,a\n'), 'NOT_ARROW'],
    ['of one byte', Buffer.from('A'), 'NOT_ARROW'],
    ['empty', Buffer.alloc(0), 'EMPTY_FILE'],
    ['of the first Feather', Buffer.from('FEA1 and more'), 'NOT_ARROW'],
    ['without its end', whole.subarray(0, -20), 'TRUNCATED'],
    ['of nothing but a beginning', whole.subarray(0, 9), 'TRUNCATED'],
    ['with a footer longer than itself', tampered(whole, -10, 0x7fffffff), 'CORRUPT_ARROW'],
    ['with a footer of no length', tampered(whole, -10, -5), 'CORRUPT_ARROW'],
    ['with endless metadata', tampered(stream, 4, 0x7fffffff), 'CORRUPT_ARROW'],
    ['that ends in its schema', stream.subarray(0, 100), 'TRUNCATED'],
    ['without rows', ipc([rowsOf(0)], 'file'), 'NO_ROWS'],
    ['without rows in its stream', ipc([rowsOf(0), rowsOf(0)], 'stream'), 'NO_ROWS'],
  ])('(%s) is rejected as it is planned', async (_what, bytes, code) => {
    await refused(bytes).toMatchObject({ code: 'NO_USABLE_FILE', cause: { code } });
  });

  it('is refused where a batch is larger than allowed', async () => {
    for (const bytes of [whole, stream, readFileSync(fixture('kinds-zstd.arrow'))]) {
      await refused(bytes, { maxBatchBytes: 100 }).toMatchObject({
        cause: { code: 'BATCH_TOO_LARGE', hint: expect.stringContaining('maxBatchBytes') },
      });
    }
  });

  it('loses only what lies behind the place where it breaks off', async () => {
    const all = await readAll(arrow(file(stream)));
    for (const length of [stream.length - 100, stream.length >> 1, Math.floor(stream.length / 3)]) {
      for (const splitBytes of [1, 1 << 30]) {
        const cut = await readAll(arrow(file(stream.subarray(0, length))), splitBytes);
        expect(cut.records.length).toBeGreaterThan(10);
        expect(content(cut.records)).toEqual(content(all.records.slice(0, cut.records.length)));
        expect(codes(cut)).toEqual(['TRUNCATED']);
      }
    }
  });

  it('loses only the batches that are damaged, and no number', async () => {
    const body = whole.indexOf('row 10 ');
    const offsets = whole.lastIndexOf(Buffer.from(Int32Array.of(0, 7).buffer), body);
    const damaged = tampered(whole, offsets + 4, 1 << 20);
    const { records, rejects } = await readAll(arrow(file(damaged)));
    expect(records.map(({ source }) => source.position.row)).toEqual([
      ...Array(10).keys(),
      ...Array.from({ length: 80 }, (_, n) => 20 + n),
    ]);
    expect(records[10]?.source.position).toEqual({ ordinal: 20, row: 20 });
    expect(rejects.map(({ error: { code, position, message } }) => [code, position, message])).toEqual([
      ['CORRUPT_BATCH', { ordinal: 10, row: 10 }, expect.stringContaining('rows 10 to 19')],
    ]);
  });

  it('never brings a reader down, whatever its bytes are', { timeout: 60_000 }, async () => {
    const samples = [
      ipc([rowsOf(3), rowsOf(3)], 'file'),
      ipc([{ text: utf8(['a', 'b'], new Dictionary(new Utf8(), new Int8())) }], 'stream'),
    ];
    const all = ['kinds-zstd.arrow', 'kinds-lz4.feather', 'kinds-stream.arrow'].map((name) =>
      readFileSync(fixture(name)),
    );
    const cases = [
      ...samples.map((bytes) => ({ bytes, options: {} })),
      ...all.map((bytes) => ({ bytes, options: { columns: kinds as Columns } })),
    ];
    const known =
      /^(CORRUPT_|TRUNCATED|UNSUPPORTED_ARROW|NOT_ARROW|NO_ROWS|MISSING_COLUMN|DUPLICATE_COLUMN|WRONG_TYPE|NULL_VALUE|INVALID_UTF8|BATCH_TOO_LARGE)/;
    let damage = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cases),
        fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 127, 128, 255))), {
          minLength: 1,
          maxLength: 4,
        }),
        async (sample, changes) => {
          const bytes = Buffer.from(sample.bytes);
          for (const [place, value] of changes) bytes[place % bytes.length] = value;
          const outcome = await readAll(arrow(file(bytes), { ...sample.options, maxBatchBytes: 1 << 20 })).catch(
            (error: { code: string; cause: { code: string } }): Outcome<never> => {
              expect(error.code).toBe('NO_USABLE_FILE');
              expect(error.cause.code).toMatch(known);
              damage++;
              return { splits: [], records: [], rejects: [], planRejects: [] };
            },
          );
          for (const code of codes(outcome)) expect(code).toMatch(known);
          damage += outcome.rejects.length;
        },
      ),
      { numRuns: 400 },
    );
    expect(damage).toBeGreaterThan(50);
  });

  it('fails the run where it has changed since the plan', async () => {
    const path = file(whole);
    const source = arrow(path);
    const [split] = await plan(source, 1 << 30);
    writeFileSync(path, whole.subarray(0, -1));
    await expect(
      new Promise((complete, error) => source.read(split!).subscribe({ complete: () => complete(undefined), error })),
    ).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
  });
});

function tampered(bytes: Buffer, place: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeInt32LE(value, place < 0 ? copy.length + place : place);
  return copy;
}
