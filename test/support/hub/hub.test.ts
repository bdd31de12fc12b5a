import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  commit,
  createRepo,
  datasetInfo,
  fileDownloadInfo,
  type ListFileEntry,
  listFiles,
  whoAmI,
} from '@huggingface/hub';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Hub, startHub } from './hub.ts';

const parquet = Buffer.alloc(200_000, 'parquet ');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const repo = { type: 'dataset', name: 'owner/name' } as const;

let hub: Hub;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-hub-test-'));
  await writeFile(path.join(folder, 'large.bin'), parquet);
  hub = await startHub({
    pageSize: 3,
    partSize: 64 << 10,
    users: { hf_reader: { name: 'reader', role: 'read', access: [] } },
    repositories: {
      'owner/name': {
        files: {
          'README.md': '# hello\n',
          'data/train.parquet': parquet,
          'data/test.parquet': pathToFileURL(path.join(folder, 'large.bin')),
          'a b/#100%.txt': 'odd name',
        },
        branches: {
          'refs/convert/parquet': { 'default/train/0000.parquet': 'p0', 'default/train/0001.parquet': 'p1' },
        },
      },
      'owner/gated': { files: { 'x.parquet': 'x' }, gated: true },
      'owner/private': { files: { 'x.parquet': 'x' }, private: true },
    },
  });
});

afterEach(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

const at = (place: string): string => `${hub.url}/datasets/owner/name/resolve/main/${place}`;
const bodyOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

describe('the loopback Hub', () => {
  it('lists files in pages, with the hashes that git and git-LFS give them', async () => {
    const entries: ListFileEntry[] = [];
    for await (const entry of listFiles({ repo, hubUrl: hub.url, recursive: true })) entries.push(entry);
    const files = Object.fromEntries(entries.filter(({ type }) => type === 'file').map((file) => [file.path, file]));
    expect(Object.keys(files)).toEqual(['README.md', 'a b/#100%.txt', 'data/test.parquet', 'data/train.parquet']);
    // printf '# hello\n' | git hash-object --stdin
    expect(files['README.md']?.oid).toBe('8954bb97349bfe2a7799e6a7a64c6f747c635d6c');
    expect(files['data/train.parquet']?.lfs).toMatchObject({ oid: sha256(parquet), size: parquet.length });
    expect(files['data/test.parquet']?.lfs).toEqual(files['data/train.parquet']?.lfs);
    expect(hub.log.length).toBeGreaterThan(1);
    const info = await datasetInfo({ name: 'owner/name', hubUrl: hub.url, additionalFields: ['sha'] });
    expect(info.sha).toBe(hub.repository('owner/name').at()?.id);
  });

  it('redirects large files to another origin, and knows names that are coded in URLs', async () => {
    const info = await fileDownloadInfo({ repo, hubUrl: hub.url, path: 'data/train.parquet' });
    expect(info?.size).toBe(parquet.length);
    const moved = await fetch(at('data/train.parquet'), { redirect: 'manual', method: 'HEAD' });
    expect(Object.fromEntries(moved.headers)).toMatchObject({
      'x-linked-etag': `"${sha256(parquet)}"`,
      'x-linked-size': '200000',
      'x-repo-commit': hub.repository('owner/name').at()?.id,
    });
    expect(await bodyOf(await fetch(at('data/test.parquet')))).toEqual(parquet);
    expect(await (await fetch(at(`a%20b/${encodeURIComponent('#100%')}.txt`))).text()).toBe('odd name');
    expect(hub.bytes(/\/files\//)).toBe(200_000 + 1);
  });

  it('keeps ranges, and conditions on them', async () => {
    const range = await fetch(at('data/train.parquet'), { headers: { range: 'bytes=8-14' } });
    expect([range.status, range.headers.get('content-range')]).toEqual([206, 'bytes 8-14/200000']);
    expect(await range.text()).toBe('parquet');
    const tail = await fetch(at('README.md'), { headers: { range: 'bytes=-6' } });
    expect(await tail.text()).toBe('hello\n');
    const headers = { range: 'bytes=1-', 'if-range': '"other"' };
    expect((await fetch(at('README.md'), { headers })).status).toBe(200);
    expect((await fetch(at('README.md'), { headers: { range: 'bytes=8-' } })).status).toBe(416);
  });

  it('serves other branches, and what was converted to Parquet', async () => {
    const name = `${hub.url}/api/datasets/owner/name`;
    const splits = (await (await fetch(`${name}/parquet`)).json()) as { default: { train: string[] } };
    expect(splits.default.train).toHaveLength(2);
    expect(await (await fetch(splits.default.train[1] ?? '')).text()).toBe('p1');
    for (const revision of ['refs%2Fconvert%2Fparquet', 'refs/convert/parquet']) {
      const found = await (await fetch(`${name}/tree/${revision}/default/train?recursive=true`)).json();
      expect(found).toHaveLength(2);
    }
    expect(await (await fetch(`${name}/refs`)).json()).toMatchObject({
      branches: [{ name: 'main' }],
      converts: [{ name: 'parquet', ref: 'refs/convert/parquet' }],
    });
  });

  it('opens gated and private datasets to those who have access', async () => {
    const status = async (place: string, token?: string): Promise<[number, string | null]> => {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const { status, headers: answer } = await fetch(hub.url + place, { headers });
      return [status, answer.get('x-error-code')];
    };
    const gated = '/datasets/owner/gated/resolve/main/x.parquet';
    expect(await status(gated)).toEqual([401, 'GatedRepo']);
    expect(await status(gated, 'hf_reader')).toEqual([403, 'GatedRepo']);
    expect(await status(gated, hub.token)).toEqual([200, null]);
    expect(await status('/api/datasets/owner/gated/tree/main')).toEqual([200, null]);
    expect(await status('/api/datasets/owner/private')).toEqual([401, null]);
    expect(await status('/api/datasets/owner/private', 'hf_reader')).toEqual([404, 'RepoNotFound']);
    expect(await status('/api/datasets/owner/private', hub.token)).toEqual([200, null]);
    expect(await status('/api/datasets/owner/private', 'hf_wrong')).toEqual([401, null]);
    expect(await status('/api/datasets/owner/name/tree/none')).toEqual([404, 'RevisionNotFound']);
    expect(await status('/datasets/owner/name/resolve/main/none')).toEqual([404, 'EntryNotFound']);
    expect(await whoAmI({ accessToken: 'hf_reader', hubUrl: hub.url })).toMatchObject({ name: 'reader' });
  });

  it('takes uploads, whole and in parts, and shows them once they are committed', async () => {
    const to = { repo: { type: 'dataset', name: 'owner/new' }, hubUrl: hub.url, accessToken: hub.token } as const;
    await createRepo(to);
    const large = Buffer.alloc(200_000, 'larger');
    const operations = [
      ['note.txt', new Blob(['small'])],
      ['one.parquet', new Blob(['one'])],
      ['parts.parquet', new Blob([large])],
      ['known.parquet', new Blob([parquet])],
    ] as const;
    const made = await commit({
      ...to,
      title: 'new files',
      useXet: false,
      operations: operations.map(([name, content]) => ({ operation: 'addOrUpdate', path: name, content })),
    });
    const repository = hub.repository('owner/new');
    expect(repository.at()).toMatchObject({ id: made?.commit.oid, message: 'new files' });
    expect((await repository.read('note.txt')).toString()).toBe('small');
    expect(await repository.read('parts.parquet')).toEqual(large);
    expect(await repository.read('known.parquet')).toEqual(parquet);
    expect(hub.log.filter(({ method, url }) => method === 'PUT' && url.includes('part='))).toHaveLength(4);
    expect(await (await fetch(`${hub.url}/datasets/owner/new/resolve/main/one.parquet`)).text()).toBe('one');
    expect(hub.log.some(({ origin, authorised }) => origin === 'cdn' && authorised)).toBe(false);
  });

  it('refuses bytes that are not what they were announced as, and commits onto what has changed', async () => {
    const headers = { authorization: `Bearer ${hub.token}` };
    const oid = sha256(Buffer.from('this'));
    const put = await fetch(`${hub.cdnUrl}/upload/${oid}?generation=1`, { method: 'PUT', body: 'that' });
    expect(put.status).toBe(400);
    const lines = (...values: object[]): string => values.map((value) => JSON.stringify(value)).join('\n');
    const send = (body: string) =>
      fetch(`${hub.url}/api/datasets/owner/name/commit/main`, { method: 'POST', headers, body });
    const header = { key: 'header', value: { summary: 's', parentCommit: '0'.repeat(40) } };
    expect((await send(lines(header))).status).toBe(412);
    const file = { key: 'lfsFile', value: { path: 'x', algo: 'sha256', oid, size: 4 } };
    expect((await send(lines({ key: 'header', value: { summary: 's' } }, file))).status).toBe(400);
  });

  it('does what faults say, in the order of the rules', async () => {
    const get = (place = 'data/train.parquet', headers: Record<string, string> = {}) => fetch(at(place), { headers });
    hub.fault({ kind: 'status', status: 503, retryAfter: 2, match: /\/resolve\//, skip: 1 });
    expect((await get('README.md')).status).toBe(200);
    const busy = await get();
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '2']);
    hub.fault({ kind: 'reset' });
    await expect(get()).rejects.toThrow('fetch failed');
    hub.fault({ kind: 'cut', after: 100_000 });
    await expect(get().then(bodyOf)).rejects.toThrow('terminated');
    expect(hub.log.at(-1)).toMatchObject({ fault: 'cut', bytes: 100_000, origin: 'cdn' });
    hub.fault({ kind: 'short', by: 10 }, { kind: 'lenlie', after: 20 });
    expect((await bodyOf(await get())).length).toBe(199_990);
    expect((await bodyOf(await get())).length).toBe(20);
    hub.fault({ kind: 'corrupt', at: 70_000 });
    const corrupt = await bodyOf(await get('data/train.parquet', { range: 'bytes=65536-131071' }));
    expect(corrupt.findIndex((byte, i) => byte !== parquet[65_536 + i])).toBe(70_000 - 65_536);
    hub.fault({ kind: 'norange', origin: 'cdn' });
    expect((await get('data/train.parquet', { range: 'bytes=0-3' })).status).toBe(200);
    hub.fault({ kind: 'etag', value: 'wrong', origin: 'cdn' });
    expect((await get()).headers.get('etag')).toBe('"wrong"');
    hub.fault({ kind: 'expired' });
    expect((await get()).status).toBe(403);
    const link = (await fetch(at('data/train.parquet'), { redirect: 'manual' })).headers.get('location') ?? '';
    hub.expireLinks();
    expect((await fetch(link)).status).toBe(403);
    hub.fault({ kind: 'redirect', location: 'http://10.0.0.1/', match: /train/ });
    const moved = await fetch(at('data/train.parquet'), { redirect: 'manual' });
    expect([moved.status, moved.headers.get('location')]).toEqual([302, 'http://10.0.0.1/']);
    hub.fault({ kind: 'stall', after: 10, ms: 60 }, { kind: 'slow', bytesPerSecond: 4_000_000 });
    for (let i = 0; i < 2; i++) {
      const start = performance.now();
      expect((await bodyOf(await get())).length).toBe(200_000);
      expect(performance.now() - start).toBeGreaterThan(40);
    }
  });
});
