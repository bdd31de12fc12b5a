import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { UrlCache } from '../../src/references/urlCache.ts';
import { temporaryFolder } from '../sources/helpers.ts';

const never = new AbortController().signal;
const url = 'https://example.org/a.png?signature=1';

async function* body(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await sleep(1);
    yield Buffer.from(chunk);
  }
}

describe('the cache of files at URLs', () => {
  it('has a file fetched once, by whoever is first, and gives the same bytes from then on', async () => {
    const folder = temporaryFolder();
    let fetched = 0;
    const get = async () => {
      // Each is as a process of its own: nothing is shared but the folder.
      const cache = new UrlCache(folder);
      const entry = await cache.entry(url, never, () => {
        fetched++;
        return cache.put(url, body('bytes ', `of ${fetched}`), 100, '"tag"');
      });
      return entry === undefined ? undefined : Buffer.from(await cache.read(url, entry)).toString();
    };
    expect(await Promise.all([get(), get(), get()])).toEqual(['bytes of 1', 'bytes of 1', 'bytes of 1']);
    expect(await get()).toBe('bytes of 1');
    expect(fetched).toBe(1);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('keeps nothing of what is too large, breaks off, or is not there', async () => {
    const folder = temporaryFolder();
    const cache = new UrlCache(folder);
    await expect(cache.entry(url, never, () => cache.put(url, body('12345', '6'), 5))).rejects.toMatchObject({
      code: 'REFERENCE_TOO_LARGE',
    });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x');
      throw new Error('cut');
    }
    await expect(cache.entry(url, never, () => cache.put(url, broken(), 5))).rejects.toThrow('cut');
    expect(await cache.entry(url, never, async () => undefined)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    expect(await cache.entry(url, never, () => cache.put(url, body('12345'), 5))).toMatchObject({
      size: 5,
      url: 'https://example.org/a.png?...',
    });
  });

  it('is left no larger by processes that were killed', async () => {
    const folder = temporaryFolder();
    const cache = new UrlCache(folder);
    let left: string[] = [];
    await cache.entry(url, never, () =>
      cache.put(
        url,
        (async function* () {
          yield Buffer.from('one');
          left = readdirSync(folder).filter((name) => !/[.]lock/.test(name));
        })(),
        5,
      ),
    );
    // What there is in the midst of it would stay behind.
    const [partial = ''] = left;
    rmSync(cache.place(url));
    writeFileSync(join(folder, partial), 'a longer beginning');
    const entry = await cache.entry(url, never, () => cache.put(url, body('two'), 5));
    expect(entry?.size).toBe(3);
    expect(readdirSync(folder)).toHaveLength(2);
    expect(left).toHaveLength(1);
  });

  it('stops waiting for another when it is told to', async () => {
    const cache = new UrlCache(temporaryFolder());
    const abort = new AbortController();
    const slow = cache.entry(url, never, async () => {
      await sleep(200);
      return cache.put(url, body('x'), 5);
    });
    await sleep(20);
    const waiting = cache.entry(url, abort.signal, () => Promise.reject(new Error('never asked')));
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(await slow).toMatchObject({ size: 1 });
  });

  it('takes an entry that is damaged for none', async () => {
    const folder = temporaryFolder();
    const cache = new UrlCache(folder);
    const put = () => cache.put(url, body('x'), 5);
    await cache.entry(url, never, put);
    const facts = readdirSync(folder).find((name) => name.endsWith('.json')) ?? '';
    for (const text of [
      '',
      '{}',
      'null',
      '[]',
      '{"url":"x","size":-1,"sha256":""}',
      '{"url":"x","size":1,"sha256":"x"}',
    ]) {
      writeFileSync(join(folder, facts), text);
      let asked = 0;
      await cache.entry(url, never, () => {
        asked++;
        return put();
      });
      expect(asked, text).toBe(1);
    }
  });

  it('takes an entry for none whose file is gone or was cut', async () => {
    const folder = temporaryFolder();
    const cache = new UrlCache(folder);
    let asked = 0;
    const put = () => {
      asked++;
      return cache.put(url, body('x'), 5);
    };
    await cache.entry(url, never, put);
    rmSync(cache.place(url));
    await cache.entry(url, never, put);
    writeFileSync(cache.place(url), '');
    const entry = await cache.entry(url, never, put);
    expect(asked).toBe(3);
    expect(`${Buffer.from(await cache.read(url, entry ?? { url, size: 0, sha256: '' }))}`).toBe('x');
  });

  it('says that it is the cache where its disk refuses', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const cache = new UrlCache(join(file, 'below'));
    await expect(cache.entry(url, never, () => cache.put(url, body('x'), 5))).rejects.toMatchObject({
      name: 'OutputError',
      code: 'ENOTDIR',
      hint: expect.stringContaining('cache folder of attach'),
    });
  });
});
