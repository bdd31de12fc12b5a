import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ArchiveIndex, openArchive } from '../../src/archives/archiveIndex.ts';
import { tarOf } from '../sources/helpers.ts';
import { zipOf } from '../sources/zipOf.ts';
import { all, bytesRead, counted, opened, temporaryFolder } from './helpers.ts';

/** Bytes that no codec makes smaller. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  return bytes;
}

const long = `${'deep/'.repeat(40)}name.txt`;
const members = [
  { name: './a.txt', content: Buffer.from('one') },
  { name: 'folder/empty.txt', content: Buffer.alloc(0) },
  { name: 'folder/größe.txt', content: Buffer.from('x'.repeat(1500)) },
  { name: long, content: Buffer.from('long') },
  ...Array.from({ length: 40 }, (_, n) => ({ name: `images/${n}.jpg`, content: noise(1000 + n * 7000, n) })),
  { name: 'last.bin', content: noise(3_000_000, 99) },
];
const tar = await tarOf([{ name: 'folder/', type: 'directory' }, ...members]);
const names = members.map(({ name }) => name.replace('./', ''));

/** Cuts bytes at given places, and where a cut is one more would be too large for a block. */
function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
}

const kinds: readonly (readonly [how: string, file: string, bytes: Buffer, packed: boolean])[] = [
  ['a plain tar', 'x.tar', tar, false],
  ['a gzip of one member', 'x.tar.gz', gzipSync(tar), true],
  ['a gzip of many members', 'x.tgz', Buffer.concat(pieces(tar, 100_000).map((piece) => gzipSync(piece))), false],
  ['a gzip of few large members', 'x.tgz', Buffer.concat(pieces(tar, 4_500_000).map((piece) => gzipSync(piece))), true],
  ['a Zstandard frame', 'x.tar.zst', zstdCompressSync(tar), true],
  ['Zstandard frames', 'x.tzst', Buffer.concat(pieces(tar, 700_000).map((piece) => zstdCompressSync(piece))), false],
  ['a ZIP', 'x.zip', zipOf(members), false],
];

async function expectAll(index: ArchiveIndex): Promise<void> {
  expect(index.damage).toBeUndefined();
  expect(await all(index.names())).toEqual(names);
  for (const { name, content } of [...members].reverse()) {
    expect(index.has(name)).toBe(true);
    expect(index.member(name)?.size).toBe(content.length);
    expect(content.equals(await index.read(name)), name).toBe(true);
  }
  const chunks = await all(index.stream('last.bin'));
  expect(Buffer.concat(chunks).equals(members.at(-1)!.content)).toBe(true);
}

describe.each(kinds)('the index of %s', (_how, name, bytes, packed) => {
  it('finds every member and no other, in any order', async () => {
    const { index, cache } = await opened(name, bytes);
    await expectAll(index);
    expect(index.has('images/40.jpg')).toBe(false);
    expect(index.member('images/')).toBeUndefined();
    await expect(index.read('no')).rejects.toMatchObject({ code: 'NO_MEMBER', path: `${name}!/no` });
    const [folder = ''] = readdirSync(join(cache, 'archives'));
    const files = readdirSync(join(cache, 'archives', folder));
    expect(files.filter((file) => file.endsWith('.pack'))).toHaveLength(packed ? 1 : 0);
    expect(files).toHaveLength(packed ? 2 : 1);
  });

  it('is made in one pass, and is there the next time', async () => {
    const folder = temporaryFolder();
    const first = await opened(name, bytes, { folder });
    expect(bytesRead(first.file)).toBeLessThanOrEqual(bytes.length * 1.1);
    const file = await counted(join(folder, name));
    const again = await openArchive(file, { cache: first.cache });
    expect(file.ranges).toEqual([]);
    await expectAll(again);
    const read = bytesRead(file);
    // Once for members in any order, once for the stream of the last one.
    if (packed) expect(read).toBeLessThanOrEqual(4_500_000);
    else expect(read).toBeLessThan(bytes.length * 4);
    await again.close();
    await file.close();
  });

  it('tells hashes where it has read the content', async () => {
    const { index } = await opened(name, bytes);
    for (const { name: member, content } of members) {
      const digest = createHash('sha256').update(content).digest('hex');
      expect(index.member(member)?.sha256).toBe(/zip$|tar$/.test(name) ? undefined : digest);
    }
  });
});

describe('an index', () => {
  it('knows of members with one name the last, and gives the name once', async () => {
    const twice = await tarOf([
      { name: 'a', content: 'old' },
      { name: 'b', content: 'b' },
      { name: './a', content: 'new' },
      { name: 'c', content: 'c' },
      { name: 'c', type: 'symlink', linkname: 'a' },
    ]);
    for (const [name, bytes] of [
      ['x.tar', twice],
      ['x.tar.gz', gzipSync(twice)],
    ] as const) {
      const { index } = await opened(name, bytes);
      expect(await all(index.names())).toEqual(['b', 'a']);
      expect(Buffer.from(await index.read('a')).toString()).toBe('new');
      expect(index.has('c')).toBe(false);
    }
  });

  it('says why a member is left out, and where it is', async () => {
    const hostile = await tarOf([
      { name: '../up', content: 'evil' },
      { name: '/etc/passwd', content: 'evil' },
      { name: 'soft', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'hard', type: 'link', linkname: 'soft' },
      { name: 'ok', content: 'ok' },
    ]);
    for (const [name, bytes] of [
      ['x.tar', hostile],
      ['x.tar.zst', zstdCompressSync(hostile)],
    ] as const) {
      const { index } = await opened(name, bytes);
      expect(await all(index.names())).toEqual(['ok']);
      for (const [member, code] of [
        ['../up', 'UNSAFE_PATH'],
        ['/etc/passwd', 'UNSAFE_PATH'],
        ['soft', 'UNSUPPORTED_MEMBER'],
        ['hard', 'UNSUPPORTED_MEMBER'],
      ] as const) {
        expect(index.has(member)).toBe(false);
        expect(() => index.member(member)).toThrow(expect.objectContaining({ code, path: `${name}!/${member}` }));
        await expect(index.read(member)).rejects.toThrow(/byte \d+/);
      }
    }
    const { index } = await opened(
      'x.zip',
      zipOf([
        { name: 'secret', content: 's', flags: 0x801 },
        { name: 'wrong', content: 'w', crc: 1 },
        { name: 'ok', content: 'ok' },
      ]),
    );
    expect(await all(index.names())).toEqual(['wrong', 'ok']);
    expect(() => index.member('secret')).toThrow(expect.objectContaining({ code: 'ENCRYPTED' }));
    await expect(index.read('wrong')).rejects.toMatchObject({ code: 'WRONG_CHECKSUM', path: 'x.zip!/wrong' });
  });

  it('of a remote archive asks for few ranges: not for the content of large members', async () => {
    const large = await tarOf(Array.from({ length: 6 }, (_, n) => ({ name: `${n}`, content: noise(3_000_000, n) })));
    const { file, index } = await opened('x.tar', large, { remote: true });
    expect(bytesRead(file)).toBeLessThan(1_300_000);
    expect(file.ranges.length).toBeLessThanOrEqual(7);
    expect(noise(3_000_000, 4).equals(await index.read('4'))).toBe(true);
    const small = await tarOf(Array.from({ length: 600 }, (_, n) => ({ name: `${n}`, content: noise(5000, n) })));
    const many = await opened('x.tar', small, { remote: true });
    expect(many.file.ranges.length).toBeLessThanOrEqual(5);
    expect(bytesRead(many.file)).toBeLessThan(small.length * 1.1);
    const zip = await opened(
      'x.zip',
      zipOf([
        { name: 'a', content: noise(3000, 1) },
        { name: 'b', content: 'b' },
      ]),
      { remote: true },
    );
    const before = zip.file.ranges.length;
    await zip.index.read('b');
    expect(zip.file.ranges.length).toBe(before + 1);
  });

  it('reads no more of a member than it is allowed to', async () => {
    const { index } = await opened('x.tar', tar, { maxMemberBytes: 1500 });
    expect(await index.read('folder/größe.txt')).toHaveLength(1500);
    await expect(index.read('last.bin')).rejects.toMatchObject({ code: 'MEMBER_TOO_LARGE' });
    expect(await all(index.stream('last.bin'))).not.toHaveLength(0);
  });

  it('is only made of what is an archive by its name', async () => {
    await expect(opened('x.txt', tar)).rejects.toMatchObject({ code: 'NOT_AN_ARCHIVE' });
  });

  it('takes no more of the disk than it is allowed to', async () => {
    const folder = temporaryFolder();
    await expect(opened('x.tar.gz', gzipSync(tar), { folder, maxPackBytes: 4_000_000 })).rejects.toMatchObject({
      code: 'PACK_LIMIT',
    });
    const [key = ''] = readdirSync(join(folder, 'cache/archives'));
    expect(readdirSync(join(folder, 'cache/archives', key))).toEqual([]);
  });
});

describe('what is kept', () => {
  const gz = gzipSync(tar);

  function cacheFiles(cache: string): { readonly index: string; readonly pack: string; readonly folder: string } {
    const [key = ''] = readdirSync(join(cache, 'archives'));
    const folder = join(cache, 'archives', key);
    const pack = readdirSync(folder).find((name) => name.endsWith('.pack')) ?? '';
    return { folder, index: join(folder, 'index'), pack: join(folder, pack) };
  }

  async function reopened(
    folder: string,
    cache: string,
  ): Promise<{ readonly index: ArchiveIndex; readonly read: number }> {
    const file = await counted(join(folder, 'x.tar.gz'));
    const index = await openArchive(file, { cache });
    const read = bytesRead(file);
    await expectAll(index);
    await index.close();
    await file.close();
    return { index, read };
  }

  it.each([
    ['a flipped byte', (index: string) => flip(index, 500)],
    ['a flipped byte of its head', (index: string) => flip(index, readFileSync(index).length - 100)],
    ['a flipped byte of its trailer', (index: string) => flip(index, readFileSync(index).length - 3)],
    ['half of it', (index: string) => truncateSync(index, readFileSync(index).length >> 1)],
    ['nothing in it', (index: string) => truncateSync(index, 0)],
    ['text in it', (index: string) => writeFileSync(index, 'hello '.repeat(20))],
  ])('is made anew from an index with %s', async (_what, damage) => {
    const folder = temporaryFolder();
    const { cache } = await opened('x.tar.gz', gz, { folder });
    damage(cacheFiles(cache).index);
    expect((await reopened(folder, cache)).read).toBe(gz.length);
    expect((await reopened(folder, cache)).read).toBe(0);
  });

  it('is made anew where the pack is gone or short, and after it was found damaged', async () => {
    const folder = temporaryFolder();
    const { cache } = await opened('x.tar.gz', gz, { folder });
    truncateSync(cacheFiles(cache).pack, 1000);
    expect((await reopened(folder, cache)).read).toBe(gz.length);
    const { pack } = cacheFiles(cache);
    flip(pack, tar.indexOf(members.at(-1)!.content.subarray(0, 100)) + 5);
    const file = await counted(join(folder, 'x.tar.gz'));
    const index = await openArchive(file, { cache });
    await expect(index.read('last.bin')).rejects.toMatchObject({
      code: 'WRONG_CHECKSUM',
      hint: expect.stringContaining('Run again'),
    });
    await index.close();
    await file.close();
    expect((await reopened(folder, cache)).read).toBe(gz.length);
  });

  it('is another for another version of the archive', async () => {
    const folder = temporaryFolder();
    const { cache } = await opened('x.tar.gz', gz, { folder });
    utimesSync(join(folder, 'x.tar.gz'), 1, 1);
    expect((await reopened(folder, cache)).read).toBe(gz.length);
    expect(readdirSync(join(cache, 'archives'))).toHaveLength(2);
  });

  it('is made once for all that ask at once, and after a process that was ended', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'x.tar.gz'), gz);
    const files = await Promise.all(Array.from({ length: 5 }, () => counted(join(folder, 'x.tar.gz'))));
    const cache = join(folder, 'cache');
    const indexes = await Promise.all(files.map((file) => openArchive(file, { cache })));
    expect(files.map(bytesRead).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, gz.length]);
    for (const index of indexes) {
      await expectAll(index);
      await index.close();
    }
    for (const file of files) await file.close();
    const { index, folder: own } = cacheFiles(cache);
    truncateSync(index, 10);
    await writeFile(
      join(own, 'lock'),
      JSON.stringify({ host: (await import('node:os')).hostname(), pid: 2 ** 22 + 1, started: '' }),
    );
    await writeFile(join(own, 'left.tmp'), 'half');
    await mkdir(join(own, 'lock.takeover'), { recursive: true });
    await reopened(folder, cache);
    expect(existsSync(join(own, 'left.tmp'))).toBe(false);
    expect(
      readdirSync(own)
        .filter((name) => !name.endsWith('.pack'))
        .toSorted(),
    ).toEqual(['index']);
  });

  it('is not made where the reading is aborted, and the next one makes it', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'x.tar.gz'), gz);
    const cache = join(folder, 'cache');
    const file = await counted(join(folder, 'x.tar.gz'));
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const aborted = {
      ...file,
      async *stream() {
        yield gz.subarray(0, 1000);
        begun.resolve();
        await goOn.promise;
        throw new DOMException('no more', 'AbortError');
      },
    };
    const one = openArchive(aborted, { cache });
    await begun.promise;
    const other = openArchive(file, { cache });
    goOn.resolve();
    const [first, second] = await Promise.allSettled([one, other]);
    expect(first).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
    if (second.status === 'rejected') throw second.reason;
    await expectAll(second.value);
    await second.value.close();
    await file.close();
    await expect(openArchive(file, { cache, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(file, bytes);
}
