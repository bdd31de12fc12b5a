import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SourceError } from '../../src/errors.ts';
import { sourceHolds } from '../../src/run/plan.ts';
import { files, jsonl, parquet, tar } from '../../src/sources/index.ts';
import type { Split } from '../../src/sources/source.ts';
import type { RemoteOptions } from '../../src/storage/remoteOptions.ts';
import { type MisbehavingServer, misbehavingServer, type ServerOptions } from '../support/misbehavingServer.ts';
import { plan, type Reject, readAll, readSplit, tarOf, temporaryFolder, text } from './helpers.ts';

const ROWS = 600;
/** Half of its bytes lie in a column that nobody asks for. */
function table(): Uint8Array {
  const rows = Array.from({ length: ROWS }, (_, n) => n);
  const bytes = parquetWriteBuffer({
    codec: 'UNCOMPRESSED',
    rowGroupSize: 100,
    columnData: [
      { name: 'id', data: rows.map((n) => `r${n}`), type: 'STRING' },
      { name: 'image', data: rows.map(() => randomBytes(1000)), type: 'BYTE_ARRAY' },
      { name: 'text', data: rows.map((n) => `text ${n} ${randomBytes(400).toString('hex')}`), type: 'STRING' },
    ],
  });
  return new Uint8Array(bytes);
}

async function serve(
  contents: Readonly<Record<string, Uint8Array>>,
  options?: ServerOptions,
): Promise<{ server: MisbehavingServer; remote: RemoteOptions }> {
  const server = await misbehavingServer(contents, options);
  onTestFinished(() => server.close());
  const http = { endpoints: [server.origin], backoff: { firstMs: 1, mostMs: 5 }, stallMs: 300, retries: 4 };
  return { server, remote: { http } };
}

const columns = { id: 'string', text: 'string' } as const;

describe('a Parquet file on a server', () => {
  it('gives the rows that it gives on disk, and costs no more bytes than the columns that are read', async () => {
    const bytes = table();
    const { server, remote } = await serve({ 'table.parquet': bytes });
    const { records, rejects } = await readAll(parquet(server.url('table.parquet'), { columns, remote }), 100_000);
    expect(rejects).toEqual([]);
    expect(records).toHaveLength(ROWS);
    expect(records[42]?.id).toBe('r42');
    expect(text(records[42] ?? never())).toMatch(/^text 42 /);
    const needed = records.reduce((sum, record) => sum + record.bytes.length + 4 + record.id.length + 4, 0);
    // A footer is guessed to take 64 KiB.
    expect(server.served()).toBeLessThan(needed * 1.1 + (64 << 10));
    expect(bytes.length).toBeGreaterThan(needed * 2);
  });

  it('arrives whole over a bad line', async () => {
    const { server, remote } = await serve({ 'table.parquet': table() });
    const clean = await readAll(parquet(server.url('table.parquet'), { columns, remote }), 100_000);
    server.inject(
      { kind: 'cut', after: 5000, times: 3 },
      { kind: 'status', status: 503, times: 2 },
      { kind: 'short', by: 100 },
      { kind: 'stall', after: 200 },
      { kind: 'reset' },
      { kind: 'chunked', after: 3000 },
    );
    const { records, rejects } = await readAll(parquet(server.url('table.parquet'), { columns, remote }), 100_000);
    expect(rejects).toEqual([]);
    expect(records.map(text)).toEqual(clean.records.map(text));
  });

  it.each([1, 30])('is fetched once where it is small, with %i of them', async (count) => {
    const columnData = [
      { name: 'text', data: Array.from({ length: 90 }, (_, n) => `text ${n}`), type: 'STRING' as const },
    ];
    const small = new Uint8Array(parquetWriteBuffer({ codec: 'UNCOMPRESSED', rowGroupSize: 40, columnData }));
    const names = Array.from({ length: count }, (_, n) => `${n}.parquet`);
    const { server, remote } = await serve(Object.fromEntries(names.map((name) => [name, small])));
    const source = parquet(
      names.map((name) => server.url(name)),
      { remote },
    );
    const { records, rejects } = await readAll(source, small.length);
    expect(rejects).toEqual([]);
    expect(records.map(text)).toEqual(names.flatMap(() => columnData[0]?.data));
    expect(server.served()).toBe(count * small.length);
  });

  it('whose end was damaged when its footer was read is asked for once more', async () => {
    const bytes = new Uint8Array(readFileSync(new URL('../fixtures/sources/checksums.parquet', import.meta.url)));
    const { server, remote } = await serve({ 'c.parquet': bytes });
    server.inject({ kind: 'corrupt', at: Buffer.from(bytes).indexOf('text 17 ') + 5 });
    const { records, rejects } = await readAll(parquet(server.url('c.parquet'), { columns, remote }));
    expect(rejects).toEqual([]);
    expect(records.map(text)[17]).toBe('text 17 yyy');
  });

  it('is fetched ahead of its turn, once', async () => {
    const { server, remote } = await serve({ 'table.parquet': table() });
    const source = parquet(server.url('table.parquet'), { columns, remote });
    const splits = await plan(source, 100_000);
    expect(splits.length).toBeGreaterThan(2);
    const planned = server.served();
    const { signal } = new AbortController();
    const [first, second] = splits as [Split, Split];
    await source.ahead?.fetch(first, signal);
    await source.ahead?.fetch(second, signal);
    const fetched = server.served() - planned;
    expect(fetched).toBeGreaterThan(100_000);
    await readSplit(source, first);
    await readSplit(source, second);
    expect(server.served() - planned).toBe(fetched);
  });

  it('holds what was fetched ahead until it is read, and says so', async () => {
    const { server, remote } = await serve({ 'table.parquet': table() });
    const url = server.url('table.parquet');
    const source = parquet(url, { columns, remote });
    const splits = await plan(source, 100_000);
    const most = Math.max(...splits.map(({ bytes }) => bytes));
    const held = (prefetch: RemoteOptions['prefetch'], cache = false): number =>
      sourceHolds(parquet(url, { columns, remote: { ...remote, prefetch, cache } }), splits);
    const alone = held({ splits: 0 });
    expect(sourceHolds(source, splits)).toBe(alone + most);
    expect(held({ bytes: most - 1 })).toBeLessThan(alone + most);
    expect(held({}, true)).toBe(alone);
  });

  it('gives under conditions the rows that it gives on disk, and nothing is fetched of row groups without any', async () => {
    const n = Array.from({ length: 3000 }, (_, row) => row);
    const bytes = new Uint8Array(
      parquetWriteBuffer({
        codec: 'UNCOMPRESSED',
        rowGroupSize: 1000,
        // With it comes an index of pages, which lies in no column.
        pageSize: 4096,
        columnData: [
          { name: 'n', data: n, type: 'INT32' },
          { name: 'text', data: n.map((row) => `text ${row} ${'x'.repeat(row % 100)}`), type: 'STRING' },
        ],
      }),
    );
    const path = join(temporaryFolder(), 'n.parquet');
    writeFileSync(path, bytes);
    const { server, remote } = await serve({ 'n.parquet': bytes });
    const options = { columns: { n: 'int32', text: 'string' }, where: { n: { gte: 1200, lt: 1700 } } } as const;
    const source = parquet(server.url('n.parquet'), { ...options, remote });
    const splits = await plan(source, 1 << 20);
    const planned = server.served();
    for (const split of splits) await source.ahead?.fetch(split, new AbortController().signal);
    const rejects: Reject[] = [];
    const records = (await Promise.all(splits.map((split) => readSplit(source, split, rejects)))).flat();
    expect(rejects).toEqual([]);
    expect(records.map(text)).toEqual((await readAll(parquet(path, options))).records.map(text));
    expect(records).toHaveLength(500);
    expect(server.served() - planned).toBeLessThan((bytes.length / 3) * 1.1);
  });

  it('whose bytes were damaged on the way is asked for once more', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => `row ${n} ${'x'.repeat(200)}`);
    const column = { name: 'text', data: rows, type: 'STRING' as const };
    const compressors = { ZSTD: (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(bytes)) };
    const bytes = new Uint8Array(parquetWriteBuffer({ codec: 'ZSTD', compressors, columnData: [column] }));
    const { server, remote } = await serve({ 'z.parquet': bytes });
    const source = parquet(server.url('z.parquet'), { remote });
    const [split] = await plan(source, 1 << 20);
    server.inject({ kind: 'corrupt', at: 40 });
    const records = await readSplit(source, split ?? never());
    expect(records.map(text)).toEqual(rows);
  });

  it('with checksums gives no damaged byte, even where nothing is compressed', async () => {
    const bytes = new Uint8Array(readFileSync(new URL('../fixtures/sources/checksums.parquet', import.meta.url)));
    const { server, remote } = await serve({ 'c.parquet': bytes });
    const at = Buffer.from(bytes).indexOf('text 17 ') + 5;
    // With the footer, and the first row group by itself.
    server.inject({ kind: 'corrupt', at, times: 2 });
    const { records, rejects } = await readAll(parquet(server.url('c.parquet'), { columns, remote }));
    expect(rejects.map(({ error }) => error.code)).toEqual(['CORRUPT_ROW_GROUP']);
    expect(rejects[0]?.error.message).toContain("page 0 of column 'text' does not have its checksum");
    expect(records.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, n) => `r${30 + n}`));
  });

  it('that changes between plan and read stops the run', async () => {
    const { server, remote } = await serve({ 'table.parquet': table() });
    const source = parquet(server.url('table.parquet'), { columns, remote });
    const [split] = await plan(source, 1 << 20);
    server.replace('table.parquet', table());
    await expect(readSplit(source, split ?? never())).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
  });

  it('of which nothing tells one version from the next is looked at anew whenever it is planned', async () => {
    const made = (word: string): Uint8Array =>
      new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'text', data: [word, word], type: 'STRING' }] }));
    const { server, remote } = await serve({ 'x.parquet': made('one') }, { etag: 'none', modified: null });
    for (const word of ['one', 'two', 'six']) {
      server.replace('x.parquet', made(word));
      const { records } = await readAll(parquet(server.url('x.parquet'), { remote }));
      expect(records.map(text)).toEqual([word, word]);
    }
  });

  it('on a server that stays ill stops the run and names the file: nothing is left out', async () => {
    const { server, remote } = await serve({ 'table.parquet': table() });
    const source = parquet(server.url('table.parquet'), { columns, remote });
    const [split] = await plan(source, 1 << 20);
    server.inject({ kind: 'status', status: 503, times: 1000 });
    const rejects: never[] = [];
    await expect(readSplit(source, split ?? never(), rejects)).rejects.toMatchObject({
      code: 'NETWORK',
      path: expect.stringContaining('table.parquet'),
    });
    expect(rejects).toEqual([]);
  });
});

describe('other files on a server', () => {
  it('are read by every format, compressed or not', async () => {
    const lines = Array.from(
      { length: 2000 },
      (_, n) => `${JSON.stringify({ id: `r${n}`, text: `line ${n}` })}\n`,
    ).join('');
    const members = await tarOf([
      { name: 'a.txt', content: 'alpha' },
      { name: 'b.txt', content: 'beta' },
    ]);
    const { server, remote } = await serve({
      'x.jsonl': Buffer.from(lines),
      'x.jsonl.gz': gzipSync(lines),
      'm.tar': members,
      'm.tar.zst': zstdCompressSync(members),
      'plain.txt': Buffer.from('plain'),
    });
    server.inject({ kind: 'cut', after: 7000, times: 2 });
    const plainLines = await readAll(jsonl(server.url('x.jsonl'), { remote }), 20_000);
    expect(plainLines.splits.length).toBeGreaterThan(1);
    expect(plainLines.records.map(text)).toEqual(Array.from({ length: 2000 }, (_, n) => `line ${n}`));
    const packed = await readAll(jsonl(server.url('x.jsonl.gz'), { remote }), 20_000);
    expect(packed.records.map(text)).toEqual(plainLines.records.map(text));
    for (const name of ['m.tar', 'm.tar.zst']) {
      const { records } = await readAll(tar(server.url(name), { remote }));
      expect(records.map(text)).toEqual(['alpha', 'beta']);
      expect(records[0]?.id).toBe(`${server.url(name)}!/a.txt`);
    }
    const mixed = await readAll(files([server.url('plain.txt'), server.url('m.tar')], { remote }));
    expect(mixed.records.map(text)).toEqual(['plain', 'alpha', 'beta']);
  });

  it.each(['csv', 'json'])('are tables whose %s is looked at and read, and little of it twice', async (kind) => {
    const rows = Array.from({ length: 80_000 }, (_, n) => ({ id: `r${n}`, text: `line ${n} ${'x'.repeat(200)}` }));
    const content =
      kind === 'json' ? JSON.stringify(rows) : `id,text\n${rows.map((row) => `${row.id},${row.text}`).join('\n')}\n`;
    const { server, remote } = await serve({ [`x.${kind}`]: Buffer.from(content) });
    const { records } = await readAll(files(server.url(`x.${kind}`), { remote }));
    expect(records).toHaveLength(rows.length);
    expect(server.served()).toBeLessThan(content.length + (kind === 'csv' ? 64 << 10 : 2 << 20) + 1);
  });

  it('keep what stands behind a question mark to themselves', async () => {
    const { server, remote } = await serve({ 'plain.txt': Buffer.from('plain') });
    const url = `${server.url('plain.txt')}?signature=secret`;
    const { splits, records } = await readAll(files(url, { remote }));
    expect(records.map(text)).toEqual(['plain']);
    expect(records[0]?.source.uri).toMatch(/~[0-9a-f]{8}\/plain\.txt$/);
    expect(records[0]?.source.uri).not.toContain('secret');
    expect(JSON.stringify(splits)).toContain('secret');
    for (const unfit of [parquet(url, { remote }), files(url, { remote, exclude: '*' })]) {
      const error = await readAll(unfit).catch((caught: SourceError) => caught);
      expect(error).toMatchObject({ code: expect.stringMatching(/^NO_/) });
      expect(inspect(error, { depth: 5, showHidden: true })).not.toContain('secret');
    }
  });

  it('may lie in a private network where a person named them, unless hosts are given that leave them out', async () => {
    const { server } = await serve({ 'plain.txt': Buffer.from('plain') });
    const url = server.url('plain.txt');
    expect((await readAll(files(url))).records.map(text)).toEqual(['plain']);
    const asked = server.log.length;
    const elsewhere = files(url, { remote: { http: { hosts: ['example.org'] } } });
    await expect(readAll(elsewhere)).rejects.toMatchObject({ code: 'HOST_NOT_ALLOWED' });
    expect(server.log).toHaveLength(asked);
  });

  it('lead into a private network by no redirect unless somebody configured that', async () => {
    const { server } = await serve({ 'plain.txt': Buffer.from('plain') });
    const { server: inner } = await serve({ 'plain.txt': Buffer.from('secret') });
    const to = inner.url('plain.txt');
    server.inject({ kind: 'redirect', to });
    const error = await readAll(files(server.url('plain.txt'))).catch((caught: SourceError) => caught);
    expect(error).toMatchObject({ code: 'PRIVATE_ADDRESS', hint: expect.stringContaining(`'${inner.origin}'`) });
    expect(inner.log).toEqual([]);
    server.inject({ kind: 'redirect', to, times: 2 });
    const remote = { http: { endpoints: [inner.origin] } };
    expect((await readAll(files(server.url('plain.txt'), { remote }))).records.map(text)).toEqual(['secret']);
  });
});

function never(): never {
  throw new Error('it was to be there');
}
