import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { jsonl, parquet } from '../../../src/sources/index.ts';
import type { FoundFile } from '../../../src/sources/walk.ts';
import { s3Store } from '../../../src/storage/s3/s3Store.ts';
import type { Store } from '../../../src/storage/stores.ts';
import { readAll, text } from '../../sources/helpers.ts';
import { startS3 } from '../../support/s3/server.ts';

const http = { backoff: { firstMs: 1, mostMs: 5 } };

async function listed(store: Store, input: string): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  for await (const file of store.list?.(input) ?? []) files.push(file);
  return files;
}

async function one(store: Store, location: string): Promise<FoundFile> {
  const [file] = await listed(store, location);
  if (file === undefined) throw new Error(`${location} is not there`);
  return file;
}

const noise = (bytes: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, at) => (at * 7 + (at >> 8)) & 255));

describe('objects of an S3 server', () => {
  it('are listed by key, by folder and by pattern', async () => {
    const s3 = await startS3();
    for (const key of ['data/a.jsonl', 'data/b.jsonl', 'data/deep/c.jsonl', 'data/notes.txt', 'other.jsonl']) {
      await s3.put(key, key);
    }
    const store = await s3Store(s3.options, http);
    const keys = async (input: string): Promise<string[]> =>
      (await listed(store, input)).map(({ location }) => location.slice('s3://bucket/'.length));
    expect(await keys('s3://bucket/data/a.jsonl')).toEqual(['data/a.jsonl']);
    expect(await keys('s3://bucket/data/')).toEqual([
      'data/a.jsonl',
      'data/b.jsonl',
      'data/deep/c.jsonl',
      'data/notes.txt',
    ]);
    expect(await keys('s3://bucket/data/*.jsonl')).toEqual(['data/a.jsonl', 'data/b.jsonl']);
    expect(await keys('s3://bucket/**/*.jsonl')).toEqual([
      'data/a.jsonl',
      'data/b.jsonl',
      'data/deep/c.jsonl',
      'other.jsonl',
    ]);
    await s3.put('data/c[1].jsonl', 'brackets');
    expect(await keys('s3://bucket/data/c[1].jsonl')).toEqual(['data/c[1].jsonl']);
    expect((await one(store, 's3://bucket/data/a.jsonl')).size).toBe('data/a.jsonl'.length);
  });

  it('have keys of any characters', async () => {
    const s3 = await startS3();
    const store = await s3Store(s3.options, http);
    for (const key of ['with space/é+%20?.txt', "a=b&c=d#e(f)!'.txt"]) {
      await s3.put(key, key);
      const file = await one(store, `s3://bucket/${key.slice(0, key.lastIndexOf('/') + 1)}`);
      const open = await store.open(file);
      expect(Buffer.from(await open.read(0, file.size)).toString()).toBe(key);
    }
  });

  it('are read exactly over a line that is cut again and again', async () => {
    const s3 = await startS3();
    const bytes = noise(700_000);
    await s3.put('noise', bytes);
    const store = await s3Store(s3.options, http);
    const open = await store.open(await one(store, 's3://bucket/noise'));
    s3.cutAfter(90_000, 1000, 200_000, 20, 300_000);
    const before = s3.sent();
    expect(Buffer.from(await open.read(10, 690_000)).equals(bytes.subarray(10, 690_000))).toBe(true);
    expect(s3.sent() - before).toBeLessThan(690_000 * 1.1);
    s3.cutAfter(500_000);
    const chunks: Uint8Array[] = [];
    for await (const chunk of open.stream(0, bytes.length)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  it('that were replaced since the plan stop the run', async () => {
    const s3 = await startS3();
    await s3.put('x', 'before');
    const store = await s3Store(s3.options, http);
    const open = await store.open(await one(store, 's3://bucket/x'));
    await s3.put('x', 'later!');
    await expect(open.read(0, 6)).rejects.toMatchObject({ code: 'INPUT_CHANGED', path: 's3://bucket/x' });
  });

  it('that are not there, and buckets that are not, are named', async () => {
    const s3 = await startS3();
    const store = await s3Store(s3.options, http);
    await expect(listed(store, 's3://bucket/none')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      path: 's3://bucket/none',
      message: "'s3://bucket/none' is not there",
    });
    await expect(listed(store, 's3://nobody/x/')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: "'s3://nobody/x/' is not there: there is no bucket 'nobody'",
    });
    await expect(listed(store, 's3://bucket')).rejects.toMatchObject({ code: 'BAD_LOCATION' });
  });

  it('are not asked for where nobody says in which region', async () => {
    await startS3();
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_PROFILE']) {
      vi.stubEnv(name, undefined);
    }
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/dev/null');
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const store = await s3Store({}, http);
    for (const input of ['s3://bucket/x', 's3://bucket/x/']) {
      await expect(listed(store, input)).rejects.toMatchObject({
        code: 'NO_REGION',
        path: input,
        hint: expect.stringContaining('AWS_REGION'),
      });
    }
  });

  it('of a server that stalls are given up after a while, and at once where a signal says so', async () => {
    const s3 = await startS3();
    const server = createServer(() => {});
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const options = { ...s3.options, endpoint: `http://127.0.0.1:${port}` };
    const store = await s3Store(options, { ...http, retries: 1, stallMs: 100 });
    for (const input of ['s3://bucket/data/', 's3://bucket/x']) {
      await expect(listed(store, input)).rejects.toMatchObject({ code: 'STALLED' });
    }
    const reason = new Error('enough');
    const list = (await s3Store(options, http)).list?.('s3://bucket/x', AbortSignal.abort(reason));
    await expect(list?.[Symbol.asyncIterator]().next()).rejects.toBe(reason);
  });

  it('go through every format as local files do', async () => {
    const s3 = await startS3();
    const lines = Array.from({ length: 500 }, (_, n) => `${JSON.stringify({ id: `r${n}`, text: `text ${n}` })}\n`);
    await s3.put('lines/a.jsonl', lines.slice(0, 300).join(''));
    await s3.put('lines/b.jsonl', lines.slice(300).join(''));
    const remote = { s3: s3.options, http };
    const { records } = await readAll(jsonl('s3://bucket/lines/*.jsonl', { remote }), 4000);
    expect(records.map(text)).toEqual(Array.from({ length: 500 }, (_, n) => `text ${n}`));
    expect(records[0]?.source.uri).toBe('s3://bucket/lines/a.jsonl');
    await s3.put('lines/notes.txt', 'no line of JSON');
    const folder = await readAll(jsonl('s3://bucket/lines/', { remote }));
    expect(folder.records).toHaveLength(500);
    expect(folder.rejects).toEqual([]);

    const local = new URL('../../fixtures/sources/snappy.parquet', import.meta.url).pathname;
    await s3.put('table.parquet', readFileSync(local));
    const fromDisk = await readAll(parquet(local));
    const fromStore = await readAll(parquet('s3://bucket/table.parquet', { remote }));
    expect(fromStore.records.map(text)).toEqual(fromDisk.records.map(text));
    expect(fromStore.records.length).toBeGreaterThan(0);
  });
});
