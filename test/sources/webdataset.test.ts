import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { webdataset } from '../../src/sources/index.ts';
import { codes, content, readAll, tarOf, temporaryFolder, text } from './helpers.ts';

function file(name: string, bytes: Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const members = [
  { name: '__index__', content: 'of the archive' },
  { name: 'img/', type: 'directory' as const },
  { name: 'img/001.jpg', content: 'JPEG 1' },
  { name: 'img/001.cls', content: '7\n' },
  { name: 'img/001.json', content: '{"caption": "eins", "id": 9007199254740993, "tags": ["a", null]}' },
  { name: 'img/002.JSON', content: '{"caption": "zwei", "__key__": "lie"}' },
  { name: 'img/002.jpg', content: 'JPEG 2' },
  { name: 'img/002.seg.png', content: 'PNG 2' },
  { name: 'img/003.jpg', content: 'JPEG 3' },
];
const good = await tarOf(members);

describe('a WebDataset shard', () => {
  it('gives the payload of its samples, with their metadata', async () => {
    const { records, rejects } = await readAll(webdataset(file('x.tar', good), { meta: ['json', 'cls'] }));
    expect(rejects).toEqual([]);
    expect(
      records.map(({ id, record, meta, ...document }) => [id, record, text({ id, meta, ...document }), meta]),
    ).toEqual([
      [
        'x.tar!/img/001.jpg',
        'x.tar!/img/001',
        'JPEG 1',
        { caption: 'eins', id: 9007199254740993n, tags: ['a', null], cls: 7, __key__: 'img/001', __url__: 'x.tar' },
      ],
      ['x.tar!/img/002.jpg', 'x.tar!/img/002', 'JPEG 2', { caption: 'zwei', __key__: 'img/002', __url__: 'x.tar' }],
      ['x.tar!/img/002.seg.png', 'x.tar!/img/002', 'PNG 2', { caption: 'zwei', __key__: 'img/002', __url__: 'x.tar' }],
      ['x.tar!/img/003.jpg', 'x.tar!/img/003', 'JPEG 3', { __key__: 'img/003', __url__: 'x.tar' }],
    ]);
    for (const { bytes, source } of records) {
      const { byte = -1 } = source.position;
      expect(good.subarray(byte, byte + bytes.length)).toEqual(Buffer.from(bytes));
    }
  });

  it.each([
    ['x.tar.gz', gzipSync(good)],
    ['x.tgz', gzipSync(good)],
    ['x.tar.zst', zstdCompressSync(good)],
  ])('%s gives the same', async (name, bytes) => {
    const plain = await readAll(webdataset(file('x.tar', good)));
    const { records } = await readAll(webdataset(file(name, bytes)));
    expect(records.map(({ bytes: body, source }) => [text({ ...records[0]!, bytes: body }), source.position])).toEqual(
      plain.records.map(({ bytes: body, source }) => [text({ ...records[0]!, bytes: body }), source.position]),
    );
  });

  it('gives the payload that is asked for, and no other', async () => {
    const path = file('x.tar', good);
    const { records, rejects } = await readAll(webdataset(path, { payload: ['PNG', 'seg.png', 'json'] }));
    expect(rejects).toEqual([]);
    expect(records.map(({ source }) => source.position.member)).toEqual([
      'img/001.json',
      'img/002.JSON',
      'img/002.seg.png',
    ]);
    expect(records[0]?.meta).toMatchObject({ caption: 'eins' });
  });

  it('is never cut inside a sample, and cutting changes nothing', async () => {
    const samples = await tarOf(
      Array.from({ length: 90 }, (_, n) => ({
        name: `${String((n / 3) | 0).padStart(4, '0')}.${['jpg', 'txt', 'json'][n % 3]}`,
        content: n % 3 === 2 ? `{"n": ${n}}` : `${n}`.repeat(n * 20),
      })),
    );
    const path = file('x.tar', samples);
    const whole = await readAll(webdataset(path), 1 << 30);
    expect(whole.records).toHaveLength(60);
    for (const splitBytes of [1, 3000, 20_000]) {
      const cut = await readAll(webdataset(path), splitBytes);
      expect(cut.rejects).toEqual([]);
      expect(cut.splits.length).toBeGreaterThan(2);
      expect(cut.splits.length).toBeLessThanOrEqual(30);
      expect(content(cut.records)).toEqual(content(whole.records));
      const splitOf = new Map<string | undefined, string>();
      for (const { record, source } of cut.records) {
        expect(splitOf.get(record) ?? source.split).toBe(source.split);
        splitOf.set(record, source.split);
      }
    }
  });

  it('of many is named by a pattern, and none is missing without a word', async () => {
    const folder = temporaryFolder();
    for (const n of ['008', '009', '010', '012']) writeFileSync(join(folder, `s-${n}.tar`), good);
    const three = await readAll(webdataset(join(folder, 's-{008..010}.tar')));
    expect(new Set(three.records.map(({ meta }) => meta.__url__))).toEqual(
      new Set(['s-008.tar', 's-009.tar', 's-010.tar']),
    );
    const either = await readAll(webdataset(join(folder, 's-{008,012}.tar')));
    expect(new Set(either.records.map(({ meta }) => meta.__url__))).toEqual(new Set(['s-008.tar', 's-012.tar']));
    await expect(readAll(webdataset(join(folder, 's-{008..012}.tar')))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(() => webdataset('{0..9999999}.tar')).toThrow(expect.objectContaining({ code: 'BAD_PATTERN' }));
  });

  it('gives a large member in parts', async () => {
    const body = Array.from({ length: 300 }, (_, n) => `line ${n} é\n`).join('');
    const path = file(
      'x.tar',
      await tarOf([
        { name: 'a.txt', content: body },
        { name: 'a.json', content: '{"n": 1}' },
      ]),
    );
    const { records } = await readAll(webdataset(path, { maxDocumentBytes: 500 }));
    expect(records.map(text).join('')).toBe(body);
    expect(records.map(({ id }) => id)).toEqual(records.map((_part, n) => `x.tar!/a.txt#${n}`));
    expect(records.every(({ meta, record }) => meta['n'] === 1 && record === 'x.tar!/a')).toBe(true);
  });
});

describe('samples', () => {
  /** What Python's `webdataset` says a name is: everything up to the first dot of the last part, and the rest. */
  function oracle(names: readonly string[]): string[][] {
    const groups: string[][] = [];
    let key: string | undefined;
    for (const name of names) {
      if (/^__[^/]*__(\/|$)/.test(name)) continue;
      const match = /^((?:.*\/|)[^.]+)[.]([^/]*)$/.exec(name);
      if (match === null) continue;
      if (match[1] !== key) groups.push([]);
      key = match[1];
      const extension = match[2]!.toLowerCase();
      if (!groups.at(-1)?.some((other) => other.endsWith(`.${extension}`))) groups.at(-1)?.push(`${key}.${extension}`);
    }
    return groups;
  }

  it('are what Python makes of the same names', async () => {
    const part = fc.constantFrom('a', 'b', 'a.b', 'x.JPG', '.hidden', 'a.txt', 'b.txt', '__m__', 'no', 'a.Txt');
    const names = fc.array(
      fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
      { maxLength: 12 },
    );
    const path = join(temporaryFolder(), 'x.tar');
    await fc.assert(
      fc.asyncProperty(names, async (list) => {
        writeFileSync(path, await tarOf(list.map((name) => ({ name, content: name }))));
        const { records } = await readAll(webdataset(path, { meta: [] }));
        const groups: string[][] = [];
        let last: object | undefined;
        for (const { meta, source } of records) {
          if (meta !== last) groups.push([]);
          last = meta;
          const { member = '' } = source.position;
          groups.at(-1)?.push(`${meta.__key__}.${member.slice(`${meta.__key__}.`.length).toLowerCase()}`);
        }
        expect(groups).toEqual(oracle(list));
      }),
      { numRuns: 100 },
    );
  });

  it('with what cannot be used give the rest, and a reject for each', async () => {
    const path = file(
      'x.tar',
      await tarOf([
        { name: 'README', content: 'no extension' },
        { name: 'a.jpg', content: '1' },
        { name: 'a.JPG', content: 'again' },
        { name: 'a.json', content: 'no JSON' },
        { name: 'link.jpg', type: 'symlink', linkname: 'a.jpg' },
        { name: '../up.jpg', content: 'evil' },
        { name: 'b.jpg', content: '2' },
        { name: 'b.json', content: `${'['.repeat(200)}${']'.repeat(200)}` },
        { name: 'a.jpg', content: '3' },
        { name: 'a.json', content: '[1]' },
      ]),
    );
    for (const splitBytes of [1, 1 << 30]) {
      const { records, rejects } = await readAll(webdataset(path), splitBytes);
      expect(records.map((document) => [document.id, text(document), document.meta['json']])).toEqual([
        ['x.tar!/a.jpg', '1', undefined],
        ['x.tar!/b.jpg', '2', undefined],
        ['x.tar!/a.jpg', '3', [1]],
      ]);
      expect(rejects.map(({ error }) => [error.code, error.position?.member])).toEqual([
        ['NO_EXTENSION', 'README'],
        ['DUPLICATE_EXTENSION', 'a.JPG'],
        ['UNSUPPORTED_MEMBER', 'link.jpg'],
        ['UNSAFE_PATH', '../up.jpg'],
        ['INVALID_JSON', 'a.json'],
        ['TOO_DEEP', 'b.json'],
      ]);
    }
  });

  it('that are too large are left out, and nothing of them is held', async () => {
    const path = file(
      'x.tar',
      await tarOf([
        { name: 'a.jpg', content: 'x'.repeat(60) },
        { name: 'a.png', content: 'x'.repeat(60) },
        { name: 'a.txt', content: 'x' },
        { name: 'b.jpg', content: 'x'.repeat(100) },
      ]),
    );
    const { records, rejects } = await readAll(webdataset(path, { maxSampleBytes: 100 }));
    expect(records.map(({ id }) => id)).toEqual(['x.tar!/b.jpg']);
    expect(rejects.map(({ error }) => [error.code, error.position?.member])).toEqual([['SAMPLE_TOO_LARGE', 'a.png']]);
  });

  it('of a shard that breaks off are given up to the last, which may not be whole', async () => {
    const cut = good.subarray(0, good.indexOf('img/003.jpg'));
    const outcome = await readAll(webdataset(file('x.tar', cut)));
    expect(outcome.records.map(({ source }) => source.position.member)).toEqual(['img/001.jpg', 'img/001.cls']);
    expect(codes(outcome)).toEqual(['TRUNCATED', 'INCOMPLETE_SAMPLE']);
  });
});
