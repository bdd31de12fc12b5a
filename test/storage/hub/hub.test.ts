import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Hub } from '../../support/hub/hub.ts';
import { all, clientOf, joined, lookOne, loopback } from './helpers.ts';

const large = Buffer.alloc(300_000, 'the bytes of a large file ');
const sha256 = createHash('sha256').update(large).digest('hex');

const setup = {
  pageSize: 2,
  users: { hf_reader: { name: 'reader', role: 'read', access: [] } },
  repositories: {
    'o/n': {
      files: {
        'README.md': '# hello\n',
        'data/train.parquet': large,
        'data/test.parquet': 'short',
        'a b/#100%?.txt': 'odd name',
        'a b/deep/er.txt': 'x',
      },
      branches: { 'refs/convert/parquet': { 'default/train/0000.parquet': 'p0' }, 'v1.0': { 'old.txt': 'old' } },
    },
    'o/gated': { files: { 'x.parquet': 'x' }, gated: true },
    'o/private': { files: { 'x.parquet': 'x' }, private: true },
  },
} as const;

const start = (): Promise<Hub> => loopback(setup);

describe('commitOf', () => {
  it('is the commit of a branch, of main where none is named, or the commit itself', async () => {
    const hub = await start();
    const client = clientOf(hub);
    const repository = hub.repository('o/n');
    const main = repository.at()?.id ?? '';
    expect(await client.commitOf('o/n')).toBe(main);
    expect(await client.commitOf('o/n', main)).toBe(main);
    for (const branch of ['v1.0', 'refs/convert/parquet']) {
      expect(await client.commitOf('o/n', branch)).toBe(repository.at(branch)?.id);
    }
  });

  it('is asked for again where the Hub is busy, and no sooner than it says', async () => {
    const hub = await start();
    const client = clientOf(hub);
    hub.fault({ kind: 'status', status: 429, retryAfter: 1 }, { kind: 'reset' }, { kind: 'status', status: 503 });
    const before = performance.now();
    await client.commitOf('o/n');
    expect(performance.now() - before).toBeGreaterThan(990);
    expect(hub.log.map(({ status }) => status)).toEqual([429, 0, 503, 200]);
  });

  it('gives up with the reason once the retries are used up', async () => {
    const hub = await start();
    const client = clientOf(hub, {}, { retries: 2 });
    hub.fault({ kind: 'status', status: 503, times: 9 });
    await expect(client.commitOf('o/n')).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('503'),
    });
    expect(hub.log).toHaveLength(3);
  });
});

describe('files', () => {
  it('are all of a commit, page after page, with sizes and hashes', async () => {
    const hub = await start();
    const client = clientOf(hub);
    const commit = await client.commitOf('o/n');
    hub.fault(
      { kind: 'status', status: 500, match: /tree/, skip: 1 },
      { kind: 'cut', after: 40, match: /tree/, skip: 1 },
    );
    const files = await all(client.files('o/n', commit));
    expect(files.map(({ path, size }) => [path, size])).toEqual([
      ['README.md', 8],
      ['a b/#100%?.txt', 8],
      ['a b/deep/er.txt', 1],
      ['data/test.parquet', 5],
      ['data/train.parquet', 300_000],
    ]);
    expect(files.at(-1)?.etag).toBe(sha256);
    // printf '# hello\n' | git hash-object --stdin
    expect(files[0]?.etag).toBe('8954bb97349bfe2a7799e6a7a64c6f747c635d6c');
  });

  it('may be those of a folder or of another branch', async () => {
    const client = clientOf(await start());
    const names = async (...at: [string, string?]) => (await all(client.files('o/n', ...at))).map(({ path }) => path);
    expect(await names('main', 'a b')).toEqual(['a b/#100%?.txt', 'a b/deep/er.txt']);
    expect(await names('refs/convert/parquet')).toEqual(['default/train/0000.parquet']);
  });

  it('are refused where the answer is none of a Hub', async () => {
    const hub = await start();
    const client = clientOf(hub);
    for (const match of [/tree/, /revision/]) {
      hub.clear();
      hub.fault({ kind: 'redirect', location: '/api/whoami-v2', match });
      const asked = match.test('tree') ? all(client.files('o/n', 'main')) : client.commitOf('o/n');
      await expect(asked).rejects.toMatchObject({ code: 'NOT_AUTHORISED' });
    }
    hub.fault({ kind: 'redirect', location: '/datasets/o/n/resolve/main/README.md', match: /tree/ });
    await expect(all(client.files('o/n', 'main'))).rejects.toMatchObject({ code: 'BAD_ANSWER' });
    hub.fault({ kind: 'redirect', location: '/api/datasets/o/n', match: /tree/ });
    await expect(all(client.files('o/n', 'main'))).rejects.toMatchObject({ code: 'BAD_ANSWER' });
  });
});

describe('look', () => {
  it('tells files, folders and what is not there', async () => {
    const hub = await start();
    const client = clientOf(hub);
    const paths = ['data/train.parquet', 'README.md', 'data', 'data/none', 'a b/#100%?.txt'];
    expect(Object.fromEntries(await client.look('o/n', 'main', paths))).toMatchObject({
      'data/train.parquet': { size: 300_000, etag: sha256 },
      'README.md': { size: 8 },
      'a b/#100%?.txt': { path: 'a b/#100%?.txt', size: 8 },
      data: 'folder',
    });
    expect(hub.log).toHaveLength(1);
    expect(await client.look('o/n', 'main', ['data/none'])).toEqual(new Map());
    expect(await client.names('o/n', 'main', 'data')).toEqual(['data/test.parquet', 'data/train.parquet']);
    expect(await client.names('o/n', 'main', '')).toEqual(['README.md', 'a b', 'data']);
    expect(await client.names('o/n', 'main', 'none')).toEqual([]);
  });

  it('asks for many paths in a few requests', async () => {
    const hub = await start();
    const paths = Array.from({ length: 1200 }, (_, i) => `data/${i}`);
    expect((await clientOf(hub).look('o/n', 'main', [...paths, 'README.md'])).size).toBe(1);
    expect(hub.log).toHaveLength(3);
  });
});

describe('range', () => {
  it('is exact whatever happens on the way, and sends the token to the Hub alone', async () => {
    const hub = await start();
    const client = clientOf(hub, { token: hub.token });
    const commit = await client.commitOf('o/n');
    const file = { repository: 'o/n', commit, path: 'data/train.parquet', size: large.length, etag: sha256 };
    hub.fault(
      { kind: 'expired' },
      { kind: 'cut', after: 70_000, origin: 'cdn' },
      { kind: 'short', by: 1000 },
      { kind: 'stall', after: 500, ms: 900 },
    );
    expect(await joined(client.range(file, 1000, 299_999))).toEqual(large.subarray(1000, 299_999));
    hub.expireLinks();
    expect(await joined(client.range(file, 0, 10))).toEqual(large.subarray(0, 10));
    expect(hub.log.some(({ origin, authorised }) => origin === 'cdn' && authorised)).toBe(false);
    expect(hub.log.every(({ origin, authorised }) => origin === 'cdn' || authorised)).toBe(true);
    const odd = await lookOne(client, 'o/n', commit, 'a b/#100%?.txt');
    expect((await joined(client.range(odd, 0, 8))).toString()).toBe('odd name');
  });

  it('is refused where the file is not the one that was listed', async () => {
    const hub = await start();
    const client = clientOf(hub);
    const commit = await client.commitOf('o/n');
    const file = { repository: 'o/n', commit, path: 'data/train.parquet', size: large.length, etag: 'f'.repeat(64) };
    await expect(joined(client.range(file, 0, 10))).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
    await expect(joined(client.range({ ...file, etag: sha256, size: 5 }, 0, 5))).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
    });
  });
});

describe('a refusal', () => {
  const failure = async (
    work: Promise<unknown>,
  ): Promise<{ code: string; message: string; hint: string; path: string }> =>
    work.then(
      () => Promise.reject(new Error('it was to fail')),
      (error) => error,
    );
  const gated = { repository: 'o/gated', commit: 'main', path: 'x.parquet', size: 1, etag: '0'.repeat(64) };

  it('of a gated dataset names the page to accept its conditions on', async () => {
    const hub = await start();
    const without = await failure(joined(clientOf(hub).range(gated, 0, 1)));
    expect(without).toMatchObject({ code: 'NOT_AUTHORISED', path: 'o/gated@main/x.parquet' });
    expect(without.hint).toContain(`${hub.url}/datasets/o/gated`);
    expect(without.hint).toContain('HF_TOKEN');
    const other = await failure(joined(clientOf(hub, { token: 'hf_reader' }).range(gated, 0, 1)));
    expect(other).toMatchObject({ code: 'FORBIDDEN', hint: expect.stringContaining(`${hub.url}/datasets/o/gated`) });
    expect(other.hint).not.toContain('hf_reader');
    expect(await failure(clientOf(hub).bytes('o/gated', 'main', 'x.parquet'))).toMatchObject({
      code: 'NOT_AUTHORISED',
    });
    const right = clientOf(hub, { token: hub.token });
    const found = await lookOne(right, 'o/gated', 'main', 'x.parquet');
    expect(await joined(right.range(found, 0, 1))).toEqual(Buffer.from('x'));
  });

  it('of a private dataset, or one that is not there, says how to give a token', async () => {
    const hub = await start();
    for (const name of ['o/private', 'o/none']) {
      const without = await failure(clientOf(hub).commitOf(name));
      expect(without).toMatchObject({ code: 'NOT_AUTHORISED', path: name });
      expect(without.hint).toContain('HF_TOKEN');
      const other = await failure(clientOf(hub, { token: 'hf_reader' }).commitOf(name));
      expect(other).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining(name) });
    }
    expect(await clientOf(hub, { token: hub.token }).commitOf('o/private')).toMatch(/^[0-9a-f]{40}$/);
  });

  it('of a token that is not known says where that token is from', async () => {
    const hub = await start();
    const error = await failure(clientOf(hub, { token: 'hf_wrong' }).commitOf('o/private'));
    expect(error).toMatchObject({ code: 'NOT_AUTHORISED', message: expect.stringContaining('the option token') });
    expect(JSON.stringify([error, error.message])).not.toContain('hf_wrong');
  });

  it('of a revision or a folder tells what there is', async () => {
    const hub = await start();
    const client = clientOf(hub);
    expect(await failure(client.commitOf('o/n', 'v1.1'))).toMatchObject({
      code: 'NOT_FOUND',
      hint: "Did you mean 'v1.0'?",
    });
    expect(await failure(client.commitOf('o/n', 'nothing'))).toMatchObject({
      hint: "There are 'main', 'v1.0', 'refs/convert/parquet'.",
    });
    expect(await failure(all(client.files('o/n', 'main', 'date')))).toMatchObject({
      code: 'NOT_FOUND',
      path: 'o/n@main/date',
    });
  });

  it('comes without a request where nobody is to be asked', async () => {
    const hub = await start();
    const client = clientOf(hub, { offline: true });
    expect(await failure(client.commitOf('o/n'))).toMatchObject({ code: 'OFFLINE' });
    expect(hub.log).toEqual([]);
  });
});

describe('names that lead elsewhere', () => {
  it('are no part of an address', () => {
    const client = clientOf({ url: 'http://127.0.0.1:1' } as Hub);
    for (const path of ['../../../api/whoami-v2', 'a/../../b', '/etc/passwd', 'a\0b', '']) {
      expect(() => client.fileUrl('o/n', 'main', path)).toThrow(expect.objectContaining({ code: 'UNSAFE_PATH' }));
    }
    expect(() => client.fileUrl('../..', 'main', 'x')).toThrow(expect.objectContaining({ code: 'BAD_REPOSITORY' }));
  });
});
