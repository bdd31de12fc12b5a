import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tar } from '../../src/sources/index.ts';
import { codes, content, readAll, tarOf, temporaryFolder, text } from './helpers.ts';

function file(name: string, bytes: Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const long = `${'deep/'.repeat(40)}name.txt`;
const members = [
  { name: 'a.txt', content: 'one' },
  { name: 'folder/', type: 'directory' as const },
  { name: 'folder/empty.txt', content: '' },
  { name: 'folder/größe.txt', content: 'x'.repeat(1500) },
  { name: long, content: 'long' },
  { name: 'last.bin', content: new Uint8Array([0, 1, 2, 255]) },
];
const good = await tarOf(members);

describe('a tar archive', () => {
  it('gives its regular members at their exact places', async () => {
    const { records, rejects } = await readAll(tar(file('x.tar', good)));
    expect(rejects).toEqual([]);
    expect(records.map(({ id }) => id)).toEqual(
      ['a.txt', 'folder/empty.txt', 'folder/größe.txt', long, 'last.bin'].map((name) => `x.tar!/${name}`),
    );
    for (const { bytes, source, id } of records) {
      const { byte = -1, member } = source.position;
      expect(good.subarray(byte, byte + bytes.length)).toEqual(Buffer.from(bytes));
      expect(id).toBe(`x.tar!/${member}`);
      expect(source.uri).toBe(id);
    }
  });

  it.each([
    ['x.tar.gz', gzipSync(good)],
    ['x.tgz', gzipSync(good)],
    ['x.tar.zst', zstdCompressSync(good)],
    ['two.tar.zst', Buffer.concat([zstdCompressSync(good.subarray(0, 700)), zstdCompressSync(good.subarray(700))])],
  ])('%s gives the same', async (name, bytes) => {
    const plain = await readAll(tar(file('x.tar', good)));
    const { records, rejects, splits } = await readAll(tar(file(name, bytes)), 1);
    expect(rejects).toEqual([]);
    expect(splits).toHaveLength(1);
    expect(records.map(({ bytes: body, source: { position } }) => [body, position])).toEqual(
      plain.records.map(({ bytes: body, source: { position } }) => [body, position]),
    );
  });

  it('is cut between members where it is plain, which changes nothing', async () => {
    const many = await tarOf(
      Array.from({ length: 60 }, (_, n) => ({
        name: n % 7 === 0 ? `${n}-${long}` : `${n}.txt`,
        content: `${n}`.repeat(n * 20),
      })),
    );
    const path = file('x.tar', many);
    const whole = await readAll(tar(path), 1 << 30);
    expect(whole.records).toHaveLength(60);
    for (const splitBytes of [1, 3000, 20_000]) {
      const cut = await readAll(tar(path), splitBytes);
      expect(cut.rejects).toEqual([]);
      expect(cut.splits.length).toBeGreaterThan(2);
      expect(content(cut.records)).toEqual(content(whole.records));
      expect(cut.splits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(many.length);
    }
  });

  it('that GNU tar wrote is read, its sparse members are rejected', async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'in'));
    writeFileSync(join(root, 'in', `${'n'.repeat(150)}.txt`), 'long name');
    writeFileSync(join(root, 'in', 'holes'), '');
    truncateSync(join(root, 'in', 'holes'), 1 << 20);
    for (const format of ['gnu', 'pax', 'v7']) {
      const path = join(root, `${format}.tar`);
      const sparse = format === 'v7' ? [] : ['--sparse'];
      const names = format === 'v7' ? ['in/holes'] : ['in'];
      execFileSync('tar', [`--format=${format}`, ...sparse, '-cf', path, '-C', root, ...names]);
      const outcome = await readAll(tar(path));
      if (format === 'v7') {
        expect(outcome.records.map(({ bytes }) => bytes.length)).toEqual([1 << 20]);
        continue;
      }
      expect(outcome.records.map(text)).toEqual(['long name']);
      expect(codes(outcome)).toEqual([format === 'gnu' ? 'UNSUPPORTED_MEMBER' : 'SPARSE_MEMBER']);
    }
  });

  it.each(['ustar', 'gnu', 'pax'])('that Python wrote as %s is read, its links are rejected', async (format) => {
    const path = join(import.meta.dirname, `../fixtures/archives/python-${format}.tar.gz`);
    const { records, rejects } = await readAll(tar(path));
    const files = records.map(({ source, bytes }) => [source.position.member, bytes.length] as const);
    expect(files.filter(([name]) => !name?.startsWith('deep/'))).toEqual([
      ['a.txt', 4],
      ['folder/empty.txt', 0],
      ['folder/größe.txt', 1400],
      ...(format === 'pax' ? [['timed.txt', 6]] : []),
      ['last.bin', 1280],
    ]);
    expect(files.filter(([name]) => /^(deep\/){20,60}x{60,130}\.txt$/.test(name ?? ''))).toHaveLength(1);
    expect(rejects.map(({ error }) => [error.code, error.position?.member])).toEqual([
      ['UNSUPPORTED_MEMBER', 'link'],
      ['UNSUPPORTED_MEMBER', 'hard'],
      ['UNSUPPORTED_MEMBER', 'fifo'],
    ]);
  });

  it('gives a large member in parts, with exact places', async () => {
    const body = Array.from({ length: 300 }, (_, n) => `line ${n} é\n`).join('');
    const path = file(
      'x.tar',
      await tarOf([
        { name: 'big.txt', content: body },
        { name: 'small.txt', content: 's' },
      ]),
    );
    const { records } = await readAll(tar(path, { maxDocumentBytes: 500 }));
    const parts = records.filter(({ source }) => source.position.member === 'big.txt');
    expect(parts.map(text).join('')).toBe(body);
    expect(parts.map(({ source }) => source.position.part)).toEqual([...parts.keys()]);
    const bytes = readFileSync(path);
    for (const { bytes: part, source } of parts) {
      const { byte = -1 } = source.position;
      expect(part.length).toBeLessThanOrEqual(500);
      expect(bytes.subarray(byte, byte + part.length)).toEqual(Buffer.from(part));
    }
    expect(records.at(-1)?.id).toBe('x.tar!/small.txt');
  });
});

describe('a member that is not to be read', () => {
  it.each(['/etc/passwd', '../up.txt', 'a/../../b', 'C:\\x', 'C:x', '..\\x', '\\\\host\\x'])(
    '(%s) is rejected, and the others are read',
    async (name) => {
      const path = file(
        'x.tar',
        await tarOf([
          { name: 'a', content: '1' },
          { name, content: 'evil' },
          { name: 'b', content: '2' },
        ]),
      );
      const { records, rejects } = await readAll(tar(path));
      expect(records.map(({ source: { position } }) => [position.ordinal, position.member])).toEqual([
        [0, 'a'],
        [2, 'b'],
      ]);
      expect(
        rejects.map(({ error: { code, position, path: uri } }) => [code, position?.ordinal, position?.member, uri]),
      ).toEqual([['UNSAFE_PATH', 1, name, 'x.tar']]);
    },
  );

  it('because it is a link or a device is rejected with its kind', async () => {
    const path = file(
      'x.tar',
      await tarOf([
        { name: 'soft', type: 'symlink', linkname: '/etc/passwd' },
        { name: 'hard', type: 'link', linkname: 'soft' },
        { name: 'null', type: 'character-device' },
        { name: 'pipe', type: 'fifo' },
        { name: 'file', content: 'ok' },
      ]),
    );
    const outcome = await readAll(tar(path));
    expect(outcome.records.map(text)).toEqual(['ok']);
    expect(outcome.rejects.map(({ error }) => error.message)).toEqual([
      expect.stringContaining('symlink'),
      expect.stringContaining('link'),
      expect.stringContaining('character-device'),
      expect.stringContaining('fifo'),
    ]);
  });
});

describe('an archive that breaks off', () => {
  const first = 512 + 512;

  it.each([
    ['inside a member', good.subarray(0, good.length - 1024 - 300), 'TRUNCATED'],
    ['inside a header', good.subarray(0, first + 100), 'TRUNCATED'],
    ['between members, without an end mark', good.subarray(0, first), 'TRUNCATED'],
    [
      'in a damaged header',
      Buffer.concat([good.subarray(0, first), Buffer.alloc(512, 0x41), good.subarray(first)]),
      'CORRUPT_ARCHIVE',
    ],
  ])('%s gives the members before, and one reject', async (_where, bytes, code) => {
    for (const [name, packed] of [
      ['x.tar', bytes],
      ['x.tar.gz', gzipSync(bytes)],
      ['x.tar.zst', zstdCompressSync(bytes)],
    ] as const) {
      const outcome = await readAll(tar(file(name, packed)), name === 'x.tar' ? 1 : 1 << 20);
      expect(outcome.records[0]?.source.position.member).toBe('a.txt');
      expect(codes(outcome)).toEqual([code]);
    }
  });

  it('at any block gives what the same members give without, and one reject', async () => {
    const path = file('x.tar', good);
    const whole = await readAll(tar(path));
    for (let cut = 512; cut < good.length - 512; cut += 512) {
      for (const splitBytes of [1, 1 << 30]) {
        writeFileSync(path, good.subarray(0, cut));
        const outcome = await readAll(tar(path), splitBytes);
        expect(content(outcome.records)).toEqual(content(whole.records.slice(0, outcome.records.length)));
        expect(codes(outcome)).toEqual(['TRUNCATED']);
        for (const { source, bytes } of outcome.records) {
          expect((source.position.byte ?? 0) + bytes.length).toBeLessThanOrEqual(cut);
        }
      }
    }
  });

  it('because its compression is cut gives the members before, and one reject', async () => {
    const noise = Array.from({ length: 200 }, (_, n) => ({
      name: `${n}.txt`,
      content: Buffer.from(Array.from({ length: 900 }, (_, m) => Math.imul(n * 1000 + m, 2654435761) >>> 24)),
    }));
    const whole = await tarOf(noise);
    for (const [name, packed] of [
      ['x.tar.gz', gzipSync(whole)],
      ['x.tar.zst', zstdCompressSync(whole)],
    ] as const) {
      const { records, rejects } = await readAll(tar(file(name, packed.subarray(0, Math.floor(packed.length * 0.8)))));
      expect(records.length).toBeGreaterThan(100);
      expect(records.map(({ bytes }) => Buffer.from(bytes))).toEqual(
        noise.slice(0, records.length).map((member) => member.content),
      );
      expect(rejects.map(({ error: { code, position } }) => [code, position?.ordinal])).toEqual([
        ['TRUNCATED', records.length],
      ]);
    }
  });

  it('or is none is a reject', async () => {
    expect(codes(await readAll(tar(file('x.tar', Buffer.from('hello '.repeat(400))))))).toEqual(['NOT_TAR']);
    expect(codes(await readAll(tar(file('x.tar.gz', Buffer.from('hello')))))).toEqual(['CORRUPT_COMPRESSION']);
    expect(codes(await readAll(tar(file('x.tar.gz', gzipSync('')))))).toEqual(['TRUNCATED']);
    await expect(readAll(tar(file('x.tar', Buffer.alloc(0))))).rejects.toMatchObject({ cause: { code: 'EMPTY_FILE' } });
    expect((await readAll(tar(file('x.tar', Buffer.alloc(10240))))).records).toEqual([]);
  });

  it('or lies about its size does not hang', async () => {
    const lie = Buffer.from(good);
    lie.write('77777777777\0', 124);
    lie.write('        ', 148);
    const sum = lie.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    lie.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const outcome = await readAll(tar(file('x.tar', lie)), 1);
    expect(outcome.records).toEqual([]);
    expect(codes(outcome)).toEqual(['TRUNCATED']);
  });
});
