import { crc32, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../../../src/sources/failure.ts';
import { contents, cut, fixture, refused, tarOf, views, zipOf } from './archives.ts';
import { gzipQuine } from './quine.ts';

const MIB = 1 << 20;
const zeros = gzipSync(Buffer.alloc(16 * MIB));

describe('bombs', () => {
  it('of a GiB of zeros are refused by how much they grow, and by what a record may become', async () => {
    const bomb = Buffer.concat(Array.from({ length: 64 }, () => zeros));
    expect(bomb.length).toBeLessThan(2 * MIB);
    await expect(cut(bomb)).rejects.toMatchObject({ code: 'DECODED_TOO_LARGE' });
    await expect(cut(bomb.subarray(0, 10 * zeros.length))).rejects.toMatchObject({ code: 'EXPANSION_LIMIT' });
    await expect(cut(zstdCompressSync(Buffer.alloc(64 * MIB)))).rejects.toMatchObject({ code: 'EXPANSION_LIMIT' });
  });

  it('are refused by what a record may become, where growth is allowed', async () => {
    const bomb = Buffer.concat([zeros, zeros, zeros]);
    const options = { archive: { maxExpansion: 1e6 }, limits: { decodedBytes: 32 * MIB } };
    await expect(cut(bomb, options)).rejects.toMatchObject({ code: 'DECODED_TOO_LARGE' });
    await expect(cut(zstdCompressSync(gunzipSync(bomb)), options)).rejects.toMatchObject({ code: 'DECODED_TOO_LARGE' });
    const members = [0, 1, 2].map((n) => ({ name: `${n}`, content: Buffer.alloc(12 * MIB) }));
    const cuts = await cut(zipOf(members), options);
    expect(views(cuts).map(({ member }) => member)).toEqual(['0', '1']);
    expect(refused(cuts)).toMatchObject([{ member: '2', code: 'DECODED_TOO_LARGE' }]);
  });

  it('of members that share their bytes are told', async () => {
    const kernel = Buffer.alloc(MIB);
    const crc = crc32(kernel);
    const bytes = zipOf(
      Array.from({ length: 1000 }, (_, n) => ({
        name: `${n}`.padStart(4, '0'),
        content: kernel,
        crc,
        sameAs: n === 0 ? undefined : 0,
      })),
    );
    await expect(cut(bytes)).rejects.toMatchObject({ code: 'EXPANSION_LIMIT' });
    const cuts = await cut(bytes, { archive: { maxExpansion: 1e9 } });
    expect(new Set(refused(cuts).map(({ code }) => code))).toEqual(new Set(['OVERLAPPING_MEMBER']));
    expect(views(cuts)).toEqual([]);
  });

  it('that say they are small are not unpacked beyond what they say', async () => {
    const cuts = await cut(zipOf([{ name: 'liar', content: Buffer.alloc(8 * MIB), size: 10 }]));
    expect(refused(cuts)).toMatchObject([{ member: 'liar', code: 'WRONG_SIZE' }]);
  });

  it('that say they are huge are not made room for', async () => {
    const cuts = await cut(
      zipOf([
        { name: 'liar', content: 'x', size: 0xfffffff0 },
        { name: 'b', content: 'b' },
      ]),
      {
        archive: { maxExpansion: 1e12 },
      },
    );
    expect(refused(cuts)).toMatchObject([{ member: 'liar', code: 'DECODED_TOO_LARGE' }]);
    expect(contents(cuts)).toEqual({ b: 'b' });
  });

  it('of archives in archives, sixteen at each level, end at the number of members', async () => {
    let inner: Buffer = zipOf([{ name: '0', content: 'the kernel' }]);
    for (let level = 0; level < 4; level++) {
      const content = inner;
      inner = zipOf(Array.from({ length: 16 }, (_, n) => ({ name: `${n}`, content })));
    }
    const cuts = await cut(inner, { limits: { members: 3000 } });
    expect(refused(cuts).at(-1)).toMatchObject({ suffix: '', code: 'TOO_MANY_MEMBERS' });
    expect(views(cuts).length).toBeGreaterThan(1000);
    expect(cuts.length).toBeLessThan(3100);
  });
});

describe('nesting', () => {
  const nested = (levels: number, pack: (name: string, content: Buffer) => Buffer): Buffer => {
    let bytes: Buffer = Buffer.from('the innermost');
    for (let level = levels; level > 0; level--) bytes = pack(`${level}`, bytes);
    return bytes;
  };
  const besides = (name: string, content: Buffer): Buffer =>
    zipOf([
      { name: `beside-${name}`, content: name },
      { name, content },
    ]);

  it.each([
    ['zip', besides],
    [
      'tar',
      (name: string, content: Buffer) =>
        tarOf([
          { name: `beside-${name}`, content: name },
          { name, content },
        ]),
    ],
  ])('of %s, 50 deep, ends at the limit; what lies above is kept', async (_kind, pack) => {
    const cuts = await cut(nested(50, pack));
    expect(views(cuts).map(({ content }) => Buffer.from(content ?? []).toString())).toEqual(
      Array.from({ length: 8 }, (_, n) => `${n + 1}`),
    );
    const codes = refused(cuts).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['NESTED_TOO_DEEP']));
    expect(refused(cuts)[0]?.member?.split('!/')).toHaveLength(9);
  });

  it('of gzip in gzip ends there, too', async () => {
    const cuts = await cut(nested(50, (_name, content) => gzipSync(content)));
    expect(cuts).toMatchObject([{ code: 'NESTED_TOO_DEEP' }]);
    expect(
      contents(
        await cut(
          nested(8, (_name, content) => gzipSync(content)),
          { uri: 'a.gz' },
        ),
      ),
    ).toEqual({
      [['a', ...Array.from({ length: 7 }, () => 'content')].join('!/')]: 'the innermost',
    });
  });

  it('of a file in itself ends there: one that holds itself is one reject', async () => {
    const quine = gzipQuine();
    expect(gunzipSync(quine)).toEqual(quine);
    expect(await cut(quine)).toMatchObject([
      {
        suffix: '!/self'.repeat(9),
        member: Array.from({ length: 9 }, () => 'self').join('!/'),
        code: 'NESTED_TOO_DEEP',
      },
    ]);
    const beside = await cut(
      zipOf([
        { name: 'self.gz', content: quine },
        { name: 'a', content: 'a' },
      ]),
    );
    expect(contents(beside)).toEqual({ a: 'a' });
    expect(refused(beside)).toMatchObject([{ code: 'NESTED_TOO_DEEP' }]);
  });

  it('may be forbidden', async () => {
    const cuts = await cut(zipOf([{ name: 'a', content: 'a' }]), { limits: { depth: 0 } });
    expect(cuts).toMatchObject([{ member: 'a', code: 'NESTED_TOO_DEEP' }]);
  });
});

describe('many members', () => {
  it('end the archive at the limit: 100,001 of them are one too many', async () => {
    // Most are encrypted, which makes them cheap and lets them count: what is refused is a member, too.
    const members = (flags: number) =>
      zipOf(Array.from({ length: 5000 }, (_, n) => ({ name: `${n}`, content: 'x', stored: true, flags })));
    const [locked, open] = [members(1), members(0)];
    const cuts = await cut(
      zipOf(Array.from({ length: 20 }, (_, n) => ({ name: `${n}`, content: n < 19 ? locked : open }))),
    );
    // the twenty archives are members, too
    expect(cuts).toHaveLength(100_000 - 20 + 1);
    expect(views(cuts)).toHaveLength(5000 - 20);
    expect(cuts.at(-1)).toMatchObject({ suffix: '!/19', code: 'TOO_MANY_MEMBERS' });
  });
});

describe('damage', () => {
  const files = [
    'tree.zip',
    'stored.zip',
    'piped.zip',
    'gnu.tar',
    'pax.tar',
    'special.tar',
    'tree.tar.gz',
    'tree.tar.bz2',
    'tree.tar.xz',
    'tree.tar.zst',
    'numbers.txt.gz',
    'numbers.txt.bz2',
    'numbers.txt.xz',
    'numbers.txt.zst',
    'numbers.txt.br',
    'gnu.a',
    'long.a',
    'nested.zip',
    'text.docx',
    'sheets.xlsx',
    'slides.pptx',
    'text.odt',
    'sheets.ods',
    'book.epub',
    'tree.7z',
  ];
  const options = {
    archive: { documents: 'multiview' },
    undecoded: 'keep',
    limits: { decodedBytes: 64 * MIB, members: 1000 },
  } as const;

  /** Whether bytes become cuts, each accounted for, or a Failure. */
  async function isAccounted(bytes: Uint8Array, uri: string): Promise<void> {
    try {
      const cuts = await cut(bytes, { uri, ...options });
      expect(cuts.length).toBeGreaterThan(0);
      expect(new Set(cuts.map(({ suffix }) => suffix)).size).toBeGreaterThanOrEqual(cuts.length - 1);
    } catch (error) {
      expect(error).toBeInstanceOf(Failure);
    }
  }

  it.each(files)('of %s in any place is a Failure or less of it, soon', async (name) => {
    const good = fixture(name);
    const step = Math.max(1, Math.floor(good.length / 25));
    for (let length = 1; length < good.length; length += step) await isAccounted(good.subarray(0, length), name);
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.constantFrom(1, 1, 1, 4));
    for (const [at, value, width] of fc.sample(change, { numRuns: 40, seed: 42 })) {
      const bytes = Uint8Array.from(good);
      bytes.fill(value, at, at + width);
      await isAccounted(bytes, name);
    }
  });
});
