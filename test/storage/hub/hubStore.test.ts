import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FoundFile } from '../../../src/sources/walk.ts';
import { datasetFiles } from '../../../src/storage/hub/dataset/dataset.ts';
import { type HubStore, hubStore } from '../../../src/storage/hub/hubStore.ts';
import { HubReader, type ReaderOptions } from '../../../src/storage/hub/reader.ts';
import type { HubOptions } from '../../../src/storage/hub/settings.ts';
import type { Hub } from '../../support/hub/hub.ts';
import { all, joined, loopback, optionsFor, QUICK, temporaryFolder } from './helpers.ts';

const large = Buffer.alloc(600_000, 'the bytes of a large file ');
const sha256 = createHash('sha256').update(large).digest('hex');

const files = {
  'README.md': '# hello\n',
  'data/train-00000-of-00002.parquet': large,
  'data/train-00001-of-00002.parquet': 'second',
  'data/test.jsonl': '{"text":"a"}\n',
  'odd [1].txt': 'brackets',
};

const start = (): Promise<Hub> =>
  loopback({
    pageSize: 2,
    repositories: { 'o/n': { files, branches: { v1: { 'old.txt': 'old' } } }, 'o/gated': { files, gated: true } },
  });

const storeOf = (hub: Hub, options: HubOptions = {}, more: ReaderOptions = {}): Promise<HubStore> =>
  hubStore({ hub: optionsFor(hub, options), http: QUICK, ...more });

const names = async (store: HubStore, input: string): Promise<string[]> =>
  (await all(store.list(input))).map(({ location }) => location.replace(/^.*@[0-9a-f]{40}\//, ''));

async function only(store: HubStore, input: string): Promise<FoundFile> {
  const [file, ...others] = await all(store.list(input));
  if (file === undefined || others.length > 0) throw new Error(`${input} is not one file`);
  return file;
}

async function bytesOf(store: HubStore, file: FoundFile): Promise<Buffer> {
  const open = await store.open(file);
  onTestFinished(() => open.close());
  return joined(open.stream(0, file.size));
}

const code = (value: string) => expect.objectContaining({ code: value });
const downloads = (hub: Hub) =>
  hub.log.filter(({ url, method }) => method === 'GET' && /^\/(files|api\/resolve-cache)\//.test(url));

describe('a listing', () => {
  it('names files by the commit that the revision means, with size and hash', async () => {
    const hub = await start();
    const commit = hub.repository('o/n').at()?.id;
    const location = `hf://datasets/o/n@${commit}/data/train-00000-of-00002.parquet`;
    const store = await storeOf(hub);
    expect(await all(store.list('hf://datasets/o/n/data/train-00000-of-00002.parquet'))).toEqual([
      { location, uri: location, size: large.length, etag: sha256 },
    ]);
    expect(await all(store.list(location))).toHaveLength(1);
    expect(await only(store, 'hf://datasets/o/n@v1/old.txt')).toMatchObject({
      location: `hf://datasets/o/n@${hub.repository('o/n').at('v1')?.id}/old.txt`,
    });
  });

  it('may be of a pattern, a folder or all of a dataset', async () => {
    const store = await storeOf(await start());
    const train = ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet'];
    expect(await names(store, 'hf://datasets/o/n/data/*.parquet')).toEqual(train);
    expect(await names(store, 'hf://datasets/o/n/**/*.{jsonl,parquet}')).toEqual(['data/test.jsonl', ...train]);
    expect(await names(store, 'hf://datasets/o/n/data')).toEqual(['data/test.jsonl', ...train]);
    expect(await names(store, 'hf://datasets/o/n/data/')).toHaveLength(3);
    expect(await names(store, 'hf://datasets/o/n')).toEqual(Object.keys(files).sort());
    expect(await names(store, 'hf://datasets/o/n/*.csv')).toEqual([]);
    expect(await names(store, 'hf://datasets/o/n/odd [1].txt')).toEqual(['odd [1].txt']);
  });

  it('is of one commit, though the branch moves meanwhile', async () => {
    const hub = await start();
    const store = await storeOf(hub);
    const file = await only(store, 'hf://datasets/o/n/README.md');
    hub.repository('o/n').put({ 'README.md': 'changed', 'new.txt': 'new' });
    expect(await names(store, 'hf://datasets/o/n')).not.toContain('new.txt');
    expect((await bytesOf(store, file)).toString()).toBe('# hello\n');
    expect(await names(await storeOf(hub), 'hf://datasets/o/n')).toContain('new.txt');
  });

  it('says what there is in place of what is not', async () => {
    const store = await storeOf(await start());
    await expect(all(store.list('hf://datasets/o/n/data/tset.jsonl'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      path: 'hf://datasets/o/n/data/tset.jsonl',
      hint: "Did you mean 'data/test.jsonl'?",
    });
    await expect(all(store.list('hf://datasets/o/n/none/*.csv'))).rejects.toThrow(code('NOT_FOUND'));
    await expect(all(store.list('hf://datasets/o/n@none/x'))).rejects.toThrow(code('NOT_FOUND'));
    await expect(all(store.list('hf://datasets/n'))).rejects.toThrow(code('BAD_REPOSITORY'));
  });
});

describe('an open file', () => {
  const train = 'hf://datasets/o/n/data/train-00000-of-00002.parquet';

  it('reads the ranges that are asked for and no more', async () => {
    const hub = await start();
    const store = await storeOf(hub);
    const open = await store.open(await only(store, train));
    hub.log.length = 0;
    expect(open.local).toBeUndefined();
    expect(await open.read(1000, 2000)).toEqual(Buffer.from(large.subarray(1000, 2000)));
    expect((await joined(open.stream(599_000, 600_000))).equals(large.subarray(599_000))).toBe(true);
    expect(await open.read(5, 5)).toHaveLength(0);
    expect(hub.bytes(/^\/files\//)).toBe(2000);
  });

  it.each([
    ['busy servers', { kind: 'status', status: 503, retryAfter: 0, times: 3 }],
    ['too many requests', { kind: 'status', status: 429, times: 2 }],
    ['resets', { kind: 'reset', times: 3 }],
    ['cut bodies', { kind: 'cut', after: 150_000, times: 3 }],
    ['short bodies', { kind: 'short', by: 100_000, times: 2 }],
    ['bodies that end too early', { kind: 'lenlie', after: 150_000, times: 2 }],
    ['stalled bodies', { kind: 'stall', after: 300_000, ms: 900 }],
    ['slow bodies', { kind: 'slow', bytesPerSecond: 3_000_000 }],
    ['expired links', { kind: 'expired', times: 2 }],
  ] as const)('is whole despite %s', async (_, fault) => {
    const hub = await start();
    const store = await storeOf(hub);
    const file = await only(store, train);
    hub.fault({ ...fault, match: /GET/ });
    expect((await bytesOf(store, file)).equals(large)).toBe(true);
    // Nothing is asked for twice; what a server has sent of a body before it closes the connection may be lost.
    expect(hub.bytes(/^\/files\//)).toBeLessThan(large.length * 1.5);
  });

  it('is read anew from the start where ranges are ignored', async () => {
    const hub = await start();
    const store = await storeOf(hub);
    const file = await only(store, train);
    hub.fault({ kind: 'cut', after: 300_000 }, { kind: 'norange', times: 9 });
    expect((await bytesOf(store, file)).equals(large)).toBe(true);
  });

  it.each([
    ['a corrupt byte', { kind: 'corrupt', at: 400_000 }, 'CORRUPT_DOWNLOAD'],
    ['another ETag', { kind: 'etag', value: 'f'.repeat(64), match: /resolve/, times: 9 }, 'INPUT_CHANGED'],
  ] as const)('ends with the file and the reason at %s', async (_, fault, expected) => {
    const hub = await start();
    const store = await storeOf(hub);
    const file = await only(store, train);
    hub.fault(fault);
    await expect(bytesOf(store, file)).rejects.toMatchObject({ code: expected, path: file.location });
  });

  it('of a gated dataset can be listed by anyone, and read with a token', async () => {
    const hub = await start();
    const store = await storeOf(hub);
    const file = await only(store, 'hf://datasets/o/gated/README.md');
    await expect(bytesOf(store, file)).rejects.toMatchObject({
      code: 'NOT_AUTHORISED',
      hint: expect.stringContaining(`${hub.url}/datasets/o/gated`),
    });
    expect((await bytesOf(await storeOf(hub, { token: hub.token }), file)).toString()).toBe('# hello\n');
  });
});

it('a file that was planned without a hash is looked up', async () => {
  const hub = await start();
  const store = await storeOf(hub);
  const { etag: _, ...file } = await only(store, 'hf://datasets/o/n/README.md');
  expect((await bytesOf(store, file)).toString()).toBe('# hello\n');
  await expect(store.open({ ...file, size: 7 })).rejects.toThrow(code('INPUT_CHANGED'));
  await expect(store.open({ ...file, location: file.location.replace('README', 'NONE') })).rejects.toThrow(
    code('INPUT_CHANGED'),
  );
});

describe('with the cache', () => {
  it('a file is fetched once and lies on this machine', async () => {
    const hub = await start();
    const folder = temporaryFolder();
    const store = await storeOf(hub, { cacheFolder: folder }, { cache: true });
    const file = await only(store, 'hf://datasets/o/n/data/test.jsonl');
    for (let i = 0; i < 2; i++) {
      const open = await store.open(file);
      expect(open).toMatchObject({ location: file.location, uri: file.uri, size: 13, etag: file.etag });
      expect(await readFile(open.local ?? '', 'utf8')).toBe('{"text":"a"}\n');
      expect(Buffer.from(await open.read(1, 7)).toString()).toBe('"text"');
      await open.close();
    }
    expect(downloads(hub)).toHaveLength(1);
    // Whoever streams uses what is there.
    const open = await (await storeOf(hub, { cacheFolder: folder })).open(file);
    expect(open.local).toBeDefined();
    await open.close();
    expect(downloads(hub)).toHaveLength(1);
  });

  it('a damaged download is noticed before anything is read', async () => {
    const hub = await start();
    const store = await storeOf(hub, {}, { cache: true });
    const file = await only(store, 'hf://datasets/o/n/data/test.jsonl');
    hub.fault({ kind: 'corrupt', at: 3, times: 2 });
    await expect(store.open(file)).rejects.toMatchObject({ code: 'CORRUPT_DOWNLOAD', path: file.location });
  });

  it('streaming writes nothing', async () => {
    const hub = await start();
    const folder = path.join(temporaryFolder(), 'none');
    const store = await storeOf(hub, { cacheFolder: folder });
    await bytesOf(store, await only(store, 'hf://datasets/o/n/README.md'));
    expect(() => statSync(folder)).toThrow('ENOENT');
  });
});

describe('offline', () => {
  const input = 'hf://datasets/o/n/data/*';

  async function filled(): Promise<{ hub: Hub; folder: string; commit: string }> {
    const hub = await start();
    const folder = temporaryFolder();
    const store = await storeOf(hub, { cacheFolder: folder }, { cache: true });
    for (const file of await all(store.list(input))) await (await store.open(file)).close();
    hub.log.length = 0;
    return { hub, folder, commit: hub.repository('o/n').at()?.id ?? '' };
  }

  it('a dataset that was fetched is there, and nobody is asked', async () => {
    const { hub, folder } = await filled();
    const store = await storeOf(hub, { cacheFolder: folder, offline: true });
    const found = await all(store.list(input));
    expect(found).toHaveLength(3);
    expect((await bytesOf(store, found[1] as FoundFile)).equals(large)).toBe(true);
    const reader = new HubReader({ hub: optionsFor(hub, { cacheFolder: folder, offline: true }) });
    const { files: split, warnings } = await datasetFiles(reader, 'o/n', { files: 'data/*.parquet' });
    expect([split.length, warnings]).toEqual([2, []]);
    expect(hub.log).toEqual([]);
  });

  it('what was not fetched is named', async () => {
    const { hub, folder, commit } = await filled();
    const store = await storeOf(hub, { cacheFolder: folder, offline: true });
    const readme = await only(store, 'hf://datasets/o/n/README.md');
    await expect(store.open(readme)).rejects.toMatchObject({
      code: 'OFFLINE',
      message: expect.stringContaining("'README.md'"),
    });
    await expect(all(store.list('hf://datasets/o/n/none'))).rejects.toThrow(code('NOT_FOUND'));
    await expect(all(store.list('hf://datasets/o/n@v2/x'))).rejects.toMatchObject({
      code: 'OFFLINE',
      hint: expect.stringContaining("'main'"),
    });
    await expect(all(store.list('hf://datasets/o/other/x'))).rejects.toMatchObject({
      code: 'OFFLINE',
      hint: expect.stringContaining('nothing'),
    });
    await expect(all(store.list(`hf://datasets/o/n@${'0'.repeat(40)}/x`))).rejects.toThrow(code('OFFLINE'));
    expect(await names(store, `hf://datasets/o/n@${commit}/data/*.jsonl`)).toEqual(['data/test.jsonl']);
    expect(hub.log).toEqual([]);
  });

  /** A cache as the Python library leaves it: nothing but blobs, refs and snapshots. */
  function pythonCache(contents: Readonly<Record<string, string>>): string {
    const root = temporaryFolder();
    const commit = 'c'.repeat(40);
    const dataset = path.join(root, 'datasets--o--n');
    for (const folder of ['blobs', 'refs', `snapshots/${commit}/data`])
      mkdirSync(path.join(dataset, folder), { recursive: true });
    writeFileSync(path.join(dataset, 'refs/main'), commit);
    for (const [name, content] of Object.entries(contents)) {
      const hash = createHash('sha256').update(content).digest('hex');
      writeFileSync(path.join(dataset, 'blobs', hash), content);
      symlinkSync(`../../../blobs/${hash}`, path.join(dataset, 'snapshots', commit, name));
    }
    return root;
  }

  it('a cache of Python is read, with a warning that it may not be whole', async () => {
    const hub = await start();
    const folder = pythonCache({ 'data/train-00000-of-00002.jsonl': '1\n', 'data/train-00001-of-00002.jsonl': '22\n' });
    const reader = new HubReader({ hub: optionsFor(hub, { cacheFolder: folder, offline: true }) });
    const found = await datasetFiles(reader, 'o/n');
    expect(found.files.map(({ path: name }) => name)).toEqual([
      'data/train-00000-of-00002.jsonl',
      'data/train-00001-of-00002.jsonl',
    ]);
    expect(found.warnings).toEqual([expect.stringContaining('may not have all of it')]);
    const open = await reader.open((found.files[1] as { file: FoundFile }).file);
    expect(Buffer.from(await open.read(0, 3)).toString()).toBe('22\n');
    await open.close();
    expect(hub.log).toEqual([]);
    expect(readdirSync(folder)).toEqual(['datasets--o--n']);
  });

  it('a cache of Python for one commit is read, though it does not say what any branch means', async () => {
    const hub = await start();
    const folder = pythonCache({ 'data/train.jsonl': '1\n' });
    rmSync(path.join(folder, 'datasets--o--n/refs'), { recursive: true });
    const reader = new HubReader({ hub: optionsFor(hub, { cacheFolder: folder, offline: true }) });
    const found = await datasetFiles(reader, 'o/n', { revision: 'c'.repeat(40) });
    expect(found.files.map(({ path: name }) => name)).toEqual(['data/train.jsonl']);
  });

  it('a cache of Python that lacks shards is refused, naming one', async () => {
    const hub = await start();
    const folder = pythonCache({ 'data/train-00000-of-00003.jsonl': '1\n', 'data/train-00002-of-00003.jsonl': '22\n' });
    const options = optionsFor(hub, { cacheFolder: folder, offline: true });
    const missing = { code: 'OFFLINE', path: 'data/train-00001-of-00003.jsonl' };
    await expect(datasetFiles(new HubReader({ hub: options }), 'o/n')).rejects.toMatchObject(missing);
    await expect(all((await hubStore({ hub: options })).list(input))).rejects.toMatchObject(missing);
  });

  it('a file that has gone from the cache is named', async () => {
    const { hub, folder, commit } = await filled();
    const store = await storeOf(hub, { cacheFolder: folder, offline: true });
    const [file] = await all(store.list(input));
    rmSync(path.join(folder, 'datasets--o--n/snapshots', commit), { recursive: true });
    rmSync(path.join(folder, 'datasets--o--n/blobs'), { recursive: true });
    await expect(store.open(file as FoundFile)).rejects.toMatchObject({
      code: 'OFFLINE',
      message: expect.stringContaining('data/test.jsonl'),
    });
  });
});
