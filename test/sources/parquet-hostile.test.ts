import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer';
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RecordError } from '../../src/errors.ts';
import type { Document } from '../../src/records.ts';
import { sourceHolds } from '../../src/run/plan.ts';
import { parquet, type Source, type Split } from '../../src/sources/index.ts';
import { misbehavingServer } from '../support/misbehavingServer.ts';
import { bytesInUse, codes, plan, readAll, readSplit, temporaryFolder, text } from './helpers.ts';

type Thrift = Record<string, unknown>;

function thrift(structure: Thrift): Buffer {
  const writer = new ByteWriter();
  // Fields are written as differences to the one before.
  serializeTCompactProtocol(writer, sorted(structure));
  return Buffer.from(writer.getBytes());
}

function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sorted) as T;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const number = ([name]: [string, unknown]): number => Number(name.slice('field_'.length));
  return Object.fromEntries(
    fields.sort((a, b) => number(a) - number(b)).map(([name, field]) => [name, sorted(field)]),
  ) as T;
}

function withFooter(content: Uint8Array, footer: Thrift): Uint8Array {
  const bytes = thrift(footer);
  const trailer = Buffer.from('....PAR1');
  trailer.writeUInt32LE(bytes.length);
  return new Uint8Array(Buffer.concat([content, bytes, trailer]));
}

/** Five hundred rows in two row groups, with another table of contents (parquet.thrift, `FileMetaData`). */
function table(change: (footer: Thrift, groups: [Thrift, Thrift], column: Thrift) => void): Uint8Array {
  const rows = Array.from({ length: 500 }, (_, row) => `text ${row}`);
  const columnData = [{ name: 'text', data: rows, type: 'STRING' as const, encoding: 'PLAIN' as const }];
  const bytes = new Uint8Array(parquetWriteBuffer({ codec: 'UNCOMPRESSED', rowGroupSize: 250, columnData }));
  const view = new DataView(bytes.buffer);
  const end = bytes.length - 8;
  const start = end - view.getUint32(end, true);
  const footer: Thrift = deserializeTCompactProtocol({ view, offset: start });
  const groups = footer['field_4'] as [Thrift, Thrift];
  const [chunk] = groups[0]['field_1'] as [Thrift];
  change(footer, groups, chunk['field_3'] as Thrift);
  return withFooter(bytes.subarray(0, start), footer);
}

interface Pages {
  readonly dictionary: Uint8Array;
  /** Indices of the dictionary, as they are stored. */
  readonly data: Uint8Array;
  readonly values: number;
  /** Values that the footer speaks of. Default: as many as there are. */
  readonly counted?: number;
  readonly compressed?: boolean;
}

/** One column of text in one row group: a dictionary of one entry, and a page of indices. */
function oneText({ dictionary, data, values, counted = values, compressed = false }: Pages): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(dictionary.length);
  const stored = (bytes: Uint8Array): Uint8Array => (compressed ? zstdCompressSync(bytes) : bytes);
  const entry = Buffer.concat([length, dictionary]);
  const page = (header: Thrift, bytes: Uint8Array): Buffer => {
    const body = stored(bytes);
    return Buffer.concat([thrift({ ...header, field_2: bytes.length, field_3: body.length }), body]);
  };
  const first = page({ field_1: 2, field_7: { field_1: 1, field_2: 0 } }, entry);
  const second = page({ field_1: 0, field_5: { field_1: values, field_2: 8, field_3: 3, field_4: 3 } }, data);
  const codec = compressed ? 6 : 0;
  return oneColumn(Buffer.concat([first, second]), { counted, bytes: entry.length + 100, codec, first: first.length });
}

interface OneColumn {
  readonly counted: number;
  /** Bytes of its pages, as the footer says. */
  readonly bytes: number;
  readonly codec: number;
  /** Bytes of the page with the dictionary; 0 without one. */
  readonly first: number;
}

/** One column of text in one row group, whatever it holds. */
function oneColumn(pages: Uint8Array, { counted, bytes, codec, first }: OneColumn): Uint8Array {
  const chunk = {
    ...{ field_1: 6, field_2: [0, 8], field_3: ['text'], field_4: codec, field_5: BigInt(counted) },
    ...{ field_6: BigInt(bytes), field_7: BigInt(pages.length) },
    ...{ field_9: BigInt(4 + first), field_11: first === 0 ? undefined : 4n },
  };
  return withFooter(Buffer.concat([Buffer.from('PAR1'), pages]), {
    field_1: 2,
    field_2: [
      { field_4: 'schema', field_5: 1 },
      { field_1: 6, field_3: 0, field_4: 'text', field_6: 0 },
    ],
    field_3: BigInt(counted),
    field_4: [{ field_1: [{ field_2: 4n, field_3: chunk }], field_2: 1000n, field_3: BigInt(counted) }],
  });
}

/** So many times the first entry, in one run (Parquet's encodings, "RLE/Bit-Packing Hybrid"). */
function repeated(values: number): Uint8Array {
  const bytes = [1];
  let rest = values * 2;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest, 0]);
}

/** The same on disk and from a server. */
async function places(bytes: Uint8Array): Promise<[Source<Document>, Source<Document>]> {
  const path = join(temporaryFolder(), 'x.parquet');
  writeFileSync(path, bytes);
  const server = await misbehavingServer({ 'x.parquet': bytes });
  onTestFinished(() => server.close());
  return [parquet(path), parquet(server.url('x.parquet'), { remote: { http: { endpoints: [server.origin] } } })];
}

describe('a table of contents that lies', () => {
  it.each<[string, string, (footer: Thrift, groups: [Thrift, Thrift], column: Thrift) => void]>([
    [
      'of a column that begins far away',
      'TRUNCATED',
      (_footer, _groups, column) => Object.assign(column, { field_11: 0n, field_9: 1n << 60n }),
    ],
    [
      'of one that begins before the file',
      'TRUNCATED',
      (_footer, _groups, column) => Object.assign(column, { field_11: 0n, field_9: -5000n }),
    ],
    [
      'of one that ends before it begins',
      'TRUNCATED',
      (_footer, _groups, column) => Object.assign(column, { field_7: -1n }),
    ],
    ['of more rows than can be', 'CORRUPT_FOOTER', (_, groups) => Object.assign(groups[0], { field_3: 1n << 40n })],
    ['of less than none', 'CORRUPT_FOOTER', (_, groups) => Object.assign(groups[0], { field_3: -5n })],
    [
      'of more rows than memory is for',
      'ROW_GROUP_TOO_LARGE',
      (_, groups) => Object.assign(groups[0], { field_3: 1n << 30n }),
    ],
  ])('(%s) is %s, wherever the file lies', async (_what, code, change) => {
    for (const source of await places(table(change))) {
      const planRejects: RecordError[] = [];
      await expect(plan(source, 1 << 20, planRejects)).rejects.toMatchObject({ code: 'NO_USABLE_FILE' });
      expect(planRejects.map((error) => error.code)).toEqual([code]);
    }
  });

  it('of rows that are not there costs its row group alone, and no time', async () => {
    const bytes = table((_, groups) => Object.assign(groups[0], { field_3: 10_000_000n }));
    for (const source of await places(bytes)) {
      const { records, rejects } = await readAll(source);
      expect(rejects.map(({ error }) => error.code)).toEqual(['CORRUPT_ROW_GROUP']);
      expect(records).toHaveLength(250);
      expect(records[0]?.source.position).toEqual({ ordinal: 10_000_000, row: 10_000_000 });
    }
  });

  it('is not read where it is longer than any', async () => {
    const path = join(temporaryFolder(), 'x.parquet');
    const file = openSync(path, 'w');
    const size = 80 << 20;
    ftruncateSync(file, size);
    const trailer = Buffer.from('....PAR1');
    trailer.writeUInt32LE(size - 20);
    writeSync(file, 'PAR1', 0);
    writeSync(file, trailer, 0, trailer.length, size - trailer.length);
    closeSync(file);
    const planRejects: RecordError[] = [];
    await expect(plan(parquet(path), 1 << 20, planRejects)).rejects.toMatchObject({ code: 'NO_USABLE_FILE' });
    expect(planRejects).toMatchObject([{ code: 'CORRUPT_FOOTER', message: expect.stringContaining('more than') }]);
  });

  it.each([
    ['of objects', Buffer.concat([Buffer.from([0x39, 0xfc, 0x80, 0x80, 0x80, 0x08]), Buffer.alloc(16 << 20)])],
    ['of digits', Buffer.concat([Buffer.from([0x36]), Buffer.alloc(4 << 20, 0xff), Buffer.from([1, 0])])],
    ['of depth', Buffer.alloc(4 << 20, 0x1c)],
    ['of lists', Buffer.concat([Buffer.from([0x39]), Buffer.alloc(4 << 20, 0x19)])],
    ['of nothing', Buffer.alloc(20, 0x15)],
  ])('is not taken apart where it has more than enough %s', async (_what, footer) => {
    const path = join(temporaryFolder(), 'x.parquet');
    const trailer = Buffer.from('....PAR1');
    trailer.writeUInt32LE(footer.length);
    writeFileSync(path, Buffer.concat([Buffer.from('PAR1'), footer, trailer]));
    const begun = performance.now();
    const planRejects: RecordError[] = [];
    await expect(plan(parquet(path), 1 << 20, planRejects)).rejects.toMatchObject({ code: 'NO_USABLE_FILE' });
    expect(planRejects.map(({ code }) => code)).toEqual(['CORRUPT_FOOTER']);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('of one chunk in many row groups has little of it fetched ahead', async () => {
    const rows = Array.from({ length: 20 }, () => 'z'.repeat(1 << 18));
    const columnData = [{ name: 'text', data: rows, type: 'STRING' as const, encoding: 'PLAIN' as const }];
    const whole = new Uint8Array(parquetWriteBuffer({ codec: 'UNCOMPRESSED', columnData }));
    const view = new DataView(whole.buffer);
    const end = whole.length - 8;
    const start = end - view.getUint32(end, true);
    const footer: Thrift = deserializeTCompactProtocol({ view, offset: start });
    const [group] = footer['field_4'] as [Thrift];
    footer['field_4'] = Array.from({ length: 40 }, (_, n) => {
      const own = structuredClone(group);
      const column = (own['field_1'] as Thrift[])[0]?.['field_3'] as Thrift;
      Object.assign(column, { field_6: 1n, field_7: (1n << 22n) + BigInt(n) });
      return own;
    });
    const [, source] = await places(withFooter(whole.subarray(0, start), footer));
    const splits = await plan(source, 1 << 23);
    const [first] = splits as [Split];
    for (const { bytes } of splits) expect(bytes).toBeGreaterThanOrEqual(1 << 22);
    const before = bytesInUse();
    await source.ahead?.fetch(first, new AbortController().signal);
    // All groups together would be 160 MiB; the server lives in this process, too.
    expect(bytesInUse() - before).toBeLessThan(first.bytes + (20 << 20));
  });
});

describe('pages that lie', () => {
  it('of more values than the table of contents says are not decoded', async () => {
    const data = repeated(1 << 28);
    const bytes = oneText({ dictionary: Buffer.from('hello'), data, values: 1 << 28, counted: 5 });
    for (const source of await places(bytes)) {
      const outcome = await readAll(source);
      expect(codes(outcome)).toEqual(['CORRUPT_ROW_GROUP']);
      expect(outcome.rejects[0]?.error.message).toContain("page 1 of column 'text' holds more values");
    }
  });

  it('of more bytes than it says are not unpacked', async () => {
    const data = Buffer.concat([repeated(5), Buffer.alloc(64 << 20)]);
    const bytes = oneText({ dictionary: Buffer.from('hello'), data, values: 5, compressed: true });
    expect(bytes.length).toBeLessThan(20_000);
    for (const source of await places(bytes)) {
      const outcome = await readAll(source);
      expect(codes(outcome)).toEqual(['CORRUPT_ROW_GROUP']);
      expect(outcome.rejects[0]?.error.message).toContain('more than the table of contents says');
    }
  });

  it('of numbers without an end are not decoded', async () => {
    const digits = Buffer.concat([Buffer.from([0x66]), Buffer.alloc(1 << 20, 0xff), Buffer.from([1, 0])]);
    const begun = performance.now();
    for (const source of await places(oneColumn(digits, { counted: 5, bytes: 100, codec: 0, first: 0 }))) {
      expect(codes(await readAll(source))).toEqual(['CORRUPT_ROW_GROUP']);
    }
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('are read where they repeat a text for ever, a part at a time', async () => {
    const long = `${'x'.repeat(1 << 19)}!`;
    const bytes = oneText({ dictionary: Buffer.from(long), data: repeated(100), values: 100 });
    for (const source of await places(bytes)) {
      const [split] = (await plan(source, 1 << 20)) as [Split];
      const held = sourceHolds(source, [split]);
      const records = await readSplit(source, split);
      expect(records).toHaveLength(100);
      expect(records.every((record) => text(record) === long)).toBe(true);
      expect(records.map(({ source: { position } }) => position.row)).toEqual([...Array(100).keys()]);
      // All at once, they would take more than reading declares.
      expect(100 * long.length).toBeGreaterThan(2 * held);
    }
  });
});

describe('what reading declares to hold', () => {
  it('counts values as well as bytes', async () => {
    const bytes = oneText({ dictionary: Buffer.from('hello'), data: repeated(100_000), values: 100_000 });
    for (const source of await places(bytes)) {
      const [split] = (await plan(source, 1 << 20)) as [Split];
      expect(sourceHolds(source, [split])).toBeGreaterThan(100_000 * 200);
      expect(await readSplit(source, split)).toHaveLength(100_000);
    }
  });
});
