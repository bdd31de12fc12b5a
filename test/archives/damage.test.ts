import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tarOf } from '../sources/helpers.ts';
import { zipOf } from '../sources/zipOf.ts';
import { all, opened, temporaryFolder } from './helpers.ts';

const members = [
  { name: 'a', content: 'a'.repeat(700) },
  { name: `${'long/'.repeat(40)}b`, content: 'the only text' },
  { name: 'empty', content: '' },
  { name: 'c', content: 'c'.repeat(1024) },
];
const tar = await tarOf(members);

/** Where the content of each member ends. */
const ends = members.map(({ content }) => (content === '' ? 0 : tar.indexOf(content) + content.length));

describe('an archive that is cut', () => {
  it('at any block has the members before, and says of others where it is damaged', async () => {
    const folder = temporaryFolder();
    const outcomes = new Set<string | undefined>();
    for (let cut = 0; cut <= tar.length; cut += 512) {
      for (const [name, bytes] of [
        [`${cut}.tar`, tar.subarray(0, cut)],
        [`${cut}.tar.gz`, gzipSync(tar.subarray(0, cut))],
        [`${cut}.tar.zst`, zstdCompressSync(tar.subarray(0, cut))],
      ] as const) {
        const { index } = await opened(name, bytes, { folder });
        const whole = cut >= tar.length - 512;
        expect(index.damage?.code).toBe(whole ? undefined : 'TRUNCATED');
        outcomes.add(index.damage?.code);
        for (const [number, member] of members.entries()) {
          const there = member.content === '' ? tar.indexOf('empty\0') + 512 <= cut : (ends[number] ?? 0) <= cut;
          expect(index.has(member.name), `${name} ${member.name}`).toBe(there);
          if (there) expect(Buffer.from(await index.read(member.name)).toString()).toBe(member.content);
          else {
            const error = { code: 'DAMAGED_ARCHIVE', message: expect.stringMatching(/before byte \d+/) };
            expect(() => index.member(member.name)).toThrow(expect.objectContaining(error));
            await expect(index.read(member.name)).rejects.toMatchObject(error);
          }
        }
        if (whole) expect(index.member('no')).toBeUndefined();
        else expect(() => index.member('no')).toThrow(expect.objectContaining({ code: 'DAMAGED_ARCHIVE' }));
      }
    }
    expect(outcomes).toEqual(new Set([undefined, 'TRUNCATED']));
  });

  it('in its compression has the members before', async () => {
    const noisy = await tarOf(
      Array.from({ length: 60 }, (_, n) => ({
        name: `${n}`,
        content: Buffer.from(Array.from({ length: 3000 }, (_, m) => Math.imul(n * 4000 + m, 2654435761) >>> 24)),
      })),
    );
    for (const [name, packed] of [
      ['x.tar.gz', gzipSync(noisy)],
      ['y.tgz', Buffer.concat([gzipSync(noisy.subarray(0, 60_000)), gzipSync(noisy.subarray(60_000))])],
      ['x.tar.zst', zstdCompressSync(noisy)],
    ] as const) {
      const { index } = await opened(name, packed.subarray(0, Math.floor(packed.length * 0.7)));
      expect(index.damage?.code).toBe('TRUNCATED');
      const names = await all(index.names());
      expect(names.length).toBeGreaterThan(20);
      expect(names.length).toBeLessThan(60);
      for (const member of names) expect(await index.read(member)).toHaveLength(3000);
    }
  });

  it('as a ZIP in its directory has the members before', async () => {
    const zip = zipOf(members);
    const directory = zip.indexOf('PK\x01\x02');
    const damaged = Buffer.from(zip);
    damaged.fill(0, zip.indexOf('PK\x01\x02', directory + 4), zip.indexOf('PK\x05\x06'));
    const { index } = await opened('x.zip', damaged);
    expect(index.damage?.code).toBe('CORRUPT_ARCHIVE');
    expect(Buffer.from(await index.read('a')).toString()).toBe(members[0]?.content);
    await expect(index.read('c')).rejects.toMatchObject({ code: 'DAMAGED_ARCHIVE' });
  });
});

describe('an archive that is none, or a bomb', () => {
  it('has no members and says so', async () => {
    for (const [name, bytes, code] of [
      ['x.tar', Buffer.from('hello '.repeat(400)), 'NOT_TAR'],
      ['x.tar.gz', Buffer.from('hello'), 'CORRUPT_COMPRESSION'],
      ['x.tar.zst', gzipSync('hello'), 'CORRUPT_COMPRESSION'],
      ['x.zip', tar, 'NOT_ZIP'],
    ] as const) {
      const { index } = await opened(name, bytes);
      expect(index.damage?.code).toBe(code);
      await expect(index.read('a')).rejects.toMatchObject({ code: 'DAMAGED_ARCHIVE' });
    }
  });

  it('is not read beyond its limit; members before are there', async () => {
    const zeros = await tarOf([
      { name: 'a', content: 'a' },
      { name: 'zeros', content: Buffer.alloc(40 << 20) },
      { name: 'b', content: 'b' },
    ]);
    for (const [name, bytes] of [
      ['x.tar.gz', gzipSync(zeros)],
      ['x.tar.zst', zstdCompressSync(zeros)],
      ['y.tgz', Buffer.concat([gzipSync(zeros.subarray(0, 1024)), gzipSync(zeros.subarray(1024))])],
    ] as const) {
      const folder = temporaryFolder();
      const { index } = await opened(name, bytes, { folder });
      expect(index.damage?.code).toBe('EXPANSION_LIMIT');
      expect(Buffer.from(await index.read('a')).toString()).toBe('a');
      await expect(index.read('b')).rejects.toThrow(/more than 250 times/);
      const trusted = await opened(name, bytes, { folder: temporaryFolder(), maxExpansion: 100_000 });
      expect(Buffer.from(await trusted.index.read('b')).toString()).toBe('b');
    }
  });
});
