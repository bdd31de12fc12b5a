import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, readlink, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { lockFile } from '../../../src/run/fileLock.ts';
import { CacheFolder } from '../../../src/storage/hub/cacheFolder.ts';
import { type BytesFrom, intoCache, type Wanted } from '../../../src/storage/hub/download.ts';
import type { Hub as Client } from '../../../src/storage/hub/hub.ts';
import type { Hub } from '../../support/hub/hub.ts';
import { clientOf, lookOne, loopback, temporaryFolder } from './helpers.ts';

const disk = vi.hoisted(() => ({ symlinks: true, links: true, room: Number.POSITIVE_INFINITY }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const refuse = (code: string) => Promise.reject(Object.assign(new Error(`${code}: none here`), { code }));
  return {
    ...real,
    symlink: (...args: Parameters<typeof real.symlink>) => (disk.symlinks ? real.symlink(...args) : refuse('EPERM')),
    link: (...args: Parameters<typeof real.link>) => (disk.links ? real.link(...args) : refuse('ENOTSUP')),
    statfs: (...args: Parameters<typeof real.statfs>) =>
      disk.room === Number.POSITIVE_INFINITY ? real.statfs(...args) : Promise.resolve({ bavail: disk.room, bsize: 1 }),
  };
});

afterEach(() => Object.assign(disk, { symlinks: true, links: true, room: Number.POSITIVE_INFINITY }));

const large = Buffer.alloc(1 << 20, 'the bytes of a large file ');
const sha256 = createHash('sha256').update(large).digest('hex');
// printf '# hello\n' | git hash-object --stdin
const readme = '8954bb97349bfe2a7799e6a7a64c6f747c635d6c';
const files = { 'README.md': '# hello\n', 'data/train.parquet': large, 'a b/c/same.parquet': large };

interface Setup {
  readonly hub: Hub;
  readonly client: Client;
  readonly cache: CacheFolder;
  readonly commit: string;
  file(name: string): Promise<Wanted>;
  get(name: string, signal?: AbortSignal): Promise<string>;
}

async function setUp(folder = temporaryFolder()): Promise<Setup> {
  const hub = await loopback({ repositories: { 'o/n': { files } } });
  const client = clientOf(hub);
  const cache = new CacheFolder(folder);
  const commit = await client.commitOf('o/n');
  const file = (name: string): Promise<Wanted> => lookOne(client, 'o/n', commit, name);
  const get = async (name: string, signal?: AbortSignal): Promise<string> => {
    const wanted = await file(name);
    return intoCache(cache, wanted, (from) => client.range(wanted, from, wanted.size, signal), signal);
  };
  return { hub, client, cache, commit, file, get };
}

const downloaded = (hub: Hub): number => hub.bytes(/^\/(files|api\/resolve-cache)\//);
/** Comparing large buffers byte by byte, as `toEqual` does, takes a second. */
const isLarge = async (place: string): Promise<void> => expect((await readFile(place)).equals(large)).toBe(true);

const code = (value: string) => expect.objectContaining({ code: value });

async function treeOf(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const lines = entries
    .filter((entry) => !entry.isDirectory())
    .map(async (entry) => {
      const place = path.join(entry.parentPath, entry.name);
      const name = path.relative(root, place);
      if (entry.isSymbolicLink()) return `${name} -> ${await readlink(place)}`;
      const { size } = await stat(place);
      return size === 40 && name.includes('/refs/') ? `${name}: ${await readFile(place, 'utf8')}` : `${name} (${size})`;
    });
  return (await Promise.all(lines)).sort();
}

describe('the cache', () => {
  it('has the layout of the Python library', async () => {
    const { cache, commit, get } = await setUp();
    for (const name of Object.keys(files)) await get(name);
    await cache.setCommit('o/n', 'main', commit);
    await cache.setCommit('o/n', 'refs/convert/parquet', commit);
    await cache.setCommit('o/n', commit, commit);
    const data = 'datasets--o--n';
    expect(await treeOf(cache.root)).toEqual(
      [
        'CACHEDIR.TAG (144)',
        `${data}/blobs/${readme} (8)`,
        `${data}/blobs/${sha256} (1048576)`,
        `${data}/refs/main: ${commit}`,
        `${data}/refs/refs/convert/parquet: ${commit}`,
        `${data}/snapshots/${commit}/README.md -> ../../blobs/${readme}`,
        `${data}/snapshots/${commit}/a b/c/same.parquet -> ../../../../blobs/${sha256}`,
        `${data}/snapshots/${commit}/data/train.parquet -> ../../../blobs/${sha256}`,
      ].sort(),
    );
    expect(await readFile(path.join(cache.root, 'CACHEDIR.TAG'), 'utf8')).toMatch(
      /^Signature: 8a477f597d28d172789f06886806bc55\n/,
    );
  });

  it('is asked before the Hub, and holds equal bytes once', async () => {
    const { hub, get } = await setUp();
    const place = await get('data/train.parquet');
    await isLarge(place);
    expect(downloaded(hub)).toBe(large.length);
    expect(await get('data/train.parquet')).toBe(place);
    await isLarge(await get('a b/c/same.parquet'));
    expect(downloaded(hub)).toBe(large.length);
  });

  it('takes a file that Python has put there', async () => {
    const { hub, cache, commit, get } = await setUp();
    const root = cache.repository('o/n');
    for (const folder of ['blobs', `snapshots/${commit}/data`])
      await mkdir(path.join(root, folder), { recursive: true });
    await writeFile(path.join(root, 'snapshots', commit, 'data/train.parquet'), large);
    await writeFile(path.join(root, 'blobs', readme), '# hello\n');
    await get('data/train.parquet');
    await get('README.md');
    expect(downloaded(hub)).toBe(0);
  });

  it('holds empty files', async () => {
    const { hub, cache, commit } = await setUp();
    // git hash-object /dev/null
    const etag = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
    const wanted = { repository: 'o/n', commit, path: 'empty', size: 0, etag };
    const none = () => Promise.reject(new Error('there is nothing to ask for'));
    const place = await intoCache(cache, wanted, none as unknown as BytesFrom);
    expect(await readFile(place, 'utf8')).toBe('');
    expect(downloaded(hub)).toBe(0);
  });

  it('does not take what is too short for it', async () => {
    const { hub, cache, get } = await setUp();
    const place = await get('data/train.parquet');
    await truncate(cache.blob('o/n', sha256), 1000);
    expect(await get('data/train.parquet')).toBe(place);
    await isLarge(place);
    expect(downloaded(hub)).toBe(2 * large.length);
  });

  it.each(['../../x', '/etc/x', 'a/../../../x', 'a\0b'])('never puts a file at %j', async (name) => {
    const { cache, commit } = await setUp();
    const wanted = { repository: 'o/n', commit, path: name, size: 1, etag: readme };
    const bytes = () => Promise.reject(new Error('it is not to be asked for'));
    await expect(intoCache(cache, wanted, bytes as unknown as BytesFrom)).rejects.toThrow(code('UNSAFE_PATH'));
    expect(existsSync(cache.repository('o/n'))).toBe(false);
  });
});

describe('where files cannot be linked', () => {
  it('the snapshot has a second name of the blob', async () => {
    disk.symlinks = false;
    const { cache, get } = await setUp();
    const place = await get('data/train.parquet');
    expect((await lstat(place)).isFile()).toBe(true);
    expect((await stat(place)).ino).toBe((await stat(cache.blob('o/n', sha256))).ino);
  });

  it('or a copy in its stead', async () => {
    Object.assign(disk, { symlinks: false, links: false });
    const { hub, cache, get } = await setUp();
    const place = await get('data/train.parquet');
    await isLarge(place);
    expect((await lstat(place)).isFile()).toBe(true);
    expect(existsSync(cache.blob('o/n', sha256))).toBe(false);
    await get('data/train.parquet');
    expect(downloaded(hub)).toBe(large.length);
  });
});

describe('a download', () => {
  it('goes on where it was broken off, in this run and in the next', async () => {
    const { hub, get } = await setUp();
    hub.fault({ kind: 'cut', after: 1 << 19, origin: 'cdn' });
    hub.fault({ kind: 'status', status: 403, match: /GET \/files/, times: 9 });
    await expect(get('data/train.parquet')).rejects.toThrow(code('FORBIDDEN'));
    hub.clear();
    await get('data/train.parquet');
    expect(downloaded(hub)).toBe(large.length - (1 << 19));
  });

  it.each([
    ['a corrupt byte', { kind: 'corrupt', at: 700_000 }],
    ['a corrupt byte at the very end', { kind: 'corrupt', at: large.length - 1 }],
  ] as const)('with %s is made once more', async (_, fault) => {
    const { hub, cache, get } = await setUp();
    hub.fault(fault);
    await isLarge(await get('data/train.parquet'));
    expect(downloaded(hub)).toBe(2 * large.length);
    expect(await readdir(path.dirname(cache.blob('o/n', sha256)))).toEqual([sha256]);
  });

  it('that is corrupt again is an error, and leaves nothing that could be taken for the file', async () => {
    const { hub, cache, commit, get } = await setUp();
    hub.fault({ kind: 'corrupt', at: 5, match: /README/, times: 2 });
    await expect(get('README.md')).rejects.toMatchObject({
      code: 'CORRUPT_DOWNLOAD',
      path: `hf://datasets/o/n@${commit}/README.md`,
      message: expect.stringContaining(readme),
    });
    expect(await readdir(path.dirname(cache.blob('o/n', readme)))).toEqual([]);
    await get('README.md');
  });

  it('does not trust what an earlier one has left', async () => {
    const { hub, cache, get } = await setUp();
    const partial = `${cache.blob('o/n', sha256)}.sluice.incomplete`;
    for (const left of [Buffer.alloc(1000, 'x'), Buffer.alloc(large.length, 'x'), Buffer.alloc(large.length + 1)]) {
      await mkdir(path.dirname(partial), { recursive: true });
      await writeFile(partial, left);
      await isLarge(await get('data/train.parquet'));
      await truncate(cache.blob('o/n', sha256), 0);
    }
    expect(downloaded(hub)).toBe(2 * large.length - 1000 + large.length + large.length);
  });

  it('of another version of the file is refused', async () => {
    const { hub, get } = await setUp();
    hub.fault({ kind: 'etag', value: 'f'.repeat(64), match: /GET .*train/, times: 9 });
    await expect(get('data/train.parquet')).rejects.toThrow(code('INPUT_CHANGED'));
  });

  it('is not begun where the disk has no room for it', async () => {
    const { hub, get, cache } = await setUp();
    disk.room = large.length - 1;
    await expect(get('data/train.parquet')).rejects.toMatchObject({
      code: 'ENOSPC',
      hint: expect.stringContaining('HF_HUB_CACHE'),
    });
    expect(downloaded(hub)).toBe(0);
    await writeFile(`${cache.blob('o/n', sha256)}.sluice.incomplete`, large.subarray(0, 1));
    await get('data/train.parquet');
  });

  it('says so where the cache is no folder', async () => {
    const file = path.join(temporaryFolder(), 'file');
    await writeFile(file, '');
    const { get } = await setUp(file);
    await expect(get('README.md')).rejects.toMatchObject({ path: file, message: expect.stringContaining('cache') });
  });

  it('ends at once where it is no longer wanted', async () => {
    const { hub, get } = await setUp();
    hub.fault({ kind: 'slow', bytesPerSecond: 500_000, origin: 'cdn' });
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 100);
    const before = performance.now();
    await expect(get('data/train.parquet', stop.signal)).rejects.toThrow('enough');
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('is waited for as long as it makes progress', async () => {
    const { cache, file } = await setUp();
    const wanted = await file('README.md');
    const locked = await lockFile(cache.lock('o/n', readme));
    if (!('unlock' in locked)) throw new Error('it is free');
    const bytes = async function* () {
      yield Buffer.from('# hello\n');
    };
    await expect(intoCache(cache, wanted, bytes, undefined, 100)).rejects.toMatchObject({
      code: 'CACHE_LOCKED',
      message: expect.stringContaining(String(process.pid)),
      hint: expect.stringContaining(cache.lock('o/n', readme)),
    });
    const waiting = intoCache(cache, wanted, bytes, undefined, 10_000);
    await locked.unlock();
    expect(await readFile(await waiting, 'utf8')).toBe('# hello\n');
  });
});

/** A process that downloads, once it is told to. */
async function process_(hub: Hub, folder: string) {
  const script = path.join(import.meta.dirname, '../../fixtures/hub/download.ts');
  const args = ['--conditions=sluice-source', script, hub.url, folder, 'o/n', 'data/train.parquet'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return {
    child,
    go: () => child.stdin.write('go\n'),
    place: async (): Promise<string> => (await lines.next()).value ?? '',
  };
}

describe('several processes', () => {
  it('download a file once', async () => {
    const { hub, cache } = await setUp();
    const processes = await Promise.all([1, 2, 3].map(() => process_(hub, cache.root)));
    hub.fault({ kind: 'slow', bytesPerSecond: 4_000_000, origin: 'cdn' });
    for (const { go } of processes) go();
    const places = await Promise.all(processes.map(({ place }) => place()));
    expect(new Set(places).size).toBe(1);
    await isLarge(places[0] ?? '');
    expect(downloaded(hub)).toBe(large.length);
    expect(await readdir(path.dirname(cache.lock('o/n', sha256)))).toEqual([]);
  });

  it('go on with what one that was killed has left', async () => {
    const { hub, cache, get } = await setUp();
    const partial = `${cache.blob('o/n', sha256)}.sluice.incomplete`;
    const first = await process_(hub, cache.root);
    hub.fault({ kind: 'slow', bytesPerSecond: 1_000_000, origin: 'cdn' });
    first.go();
    await vi.waitUntil(() => existsSync(partial) && statSync(partial).size > 1 << 18, { timeout: 10_000, interval: 5 });
    first.child.kill('SIGKILL');
    await once(first.child, 'close');
    const left = statSync(partial).size;
    expect(left).toBeLessThan(large.length);
    hub.clear();
    await isLarge(await get('data/train.parquet'));
    expect(downloaded(hub)).toBe(large.length - left);
  });
});
