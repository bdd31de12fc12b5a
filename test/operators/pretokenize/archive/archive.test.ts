import { readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settled } from '../../../../src/operators/pretokenize/settings.ts';
import { contents, cut, fixture, refused, sha256, tarOf, views, zipOf } from './archives.ts';

const expected = JSON.parse(
  readFileSync(new URL('../../../fixtures/media/archive/expected.json', import.meta.url), 'utf8'),
) as Record<string, [name: string, sha256: string][]> & { numbers: string; two: string };

const NAMES = Object.keys(expected).filter((name) =>
  /\.(zip|tar|gz|bz2|xz|zst|docx|odt|epub|xlsx|ods|pptx)$/.test(name),
);

describe('archives', () => {
  it.each(NAMES.filter((name) => name !== 'nested.zip'))(
    '%s has the members that Python finds, in their order',
    async (name) => {
      const cuts = await cut(fixture(name), { archive: { documents: 'members' } });
      const found = (expected[name] ?? []).map(([member, digest]) => ({ member, digest }));
      const empty = found.filter(({ digest }) => digest === sha256(new Uint8Array()));
      expect(refused(cuts)).toMatchObject(empty.map(({ member }) => ({ member, code: 'EMPTY_DOCUMENT' })));
      expect(
        views(cuts).map(({ member, content }) => ({ member, digest: sha256(content ?? new Uint8Array()) })),
      ).toEqual(found.filter((one) => !empty.includes(one)));
    },
  );

  it.each(['gz', 'bz2', 'xz', 'zst', 'br'])(
    'numbers.txt.%s has one member, named as it without the ending',
    async (ending) => {
      const cuts = await cut(fixture(`numbers.txt.${ending}`), { uri: `folder/numbers.txt.${ending}` });
      expect(cuts).toHaveLength(1);
      expect(cuts[0]).toMatchObject({ suffix: '!/numbers.txt', member: 'numbers.txt', modality: 'text' });
      expect(sha256(views(cuts)[0]?.content ?? new Uint8Array())).toBe(expected.numbers);
    },
  );

  it('a gzip file of another name has a member of the name in its header, or of none', async () => {
    expect(views(await cut(fixture('named')))[0]?.member).toBe('numbers.txt');
    expect(views(await cut(gzipSync('hello')))[0]?.member).toBe('content');
    expect(views(await cut(gzipSync('hello'), { uri: 'a.zip!/.gz' }))[0]?.member).toBe('content');
  });

  it.each(['gzip', 'bzip2', 'xz', 'zstd'])('streams of %s behind one another are one', async (packer) => {
    expect(sha256(views(await cut(fixture(`two.${packer}`)))[0]?.content ?? new Uint8Array())).toBe(expected.two);
  });

  it('libraries have their objects, and no tables of symbols or names', async () => {
    expect(Object.keys(contents(await cut(fixture('gnu.a'))))).toEqual(['a.txt', 'numbers.txt', 'b.py']);
    expect(contents(await cut(fixture('long.a')))).toEqual({ 'a-name-of-more-than-sixteen.txt': 'hello world\n' });
  });

  it('members of members are named by all that they lie in', async () => {
    expect(contents(await cut(fixture('nested.zip')))).toEqual({
      'inner.tar.gz!/inner.zip!/a.txt': 'hello world\n',
      'inner.tar.gz!/tree/sub/b.py': 'def f(x):\n    return x + 1\n',
      'tree/a.txt': 'hello world\n',
    });
  });

  it('members are what their content and name tell', async () => {
    const cuts = await cut(fixture('tree.zip'));
    const kinds = Object.fromEntries(
      views(cuts).map(({ member = '', modality, mediaType }) => [member, [modality, mediaType]]),
    );
    expect(kinds).toMatchObject({
      'tree/a.txt': ['text', 'text/plain'],
      'tree/sub/b.py': ['code', 'text/x-python'],
      'tree/raw.bin': ['binary', 'application/octet-stream'],
    });
  });

  it('of any files give them back, whatever they are packed with', async () => {
    const name = fc.stringMatching(/^[a-zé漢]{1,8}(\/[a-z]{1,8}){0,2}$/);
    const file = fc.record({ name, content: fc.uint8Array({ minLength: 1, maxLength: 600 }), stored: fc.boolean() });
    const files = fc.uniqueArray(file, { selector: (one) => one.name, minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(files, async (members) => {
        const tar = tarOf(members);
        for (const archive of [zipOf(members), tar, gzipSync(tar), zstdCompressSync(tar)]) {
          const cuts = await cut(archive, { archive: {}, modality: undefined, text: {} });
          const had = cuts.map(({ member }) => member?.split('!/')[0]);
          expect([...new Set(had)]).toEqual(members.map((member) => member.name));
          for (const view of views(cuts)) {
            const source = members.find((member) => member.name === view.member);
            if (source !== undefined) expect(Buffer.from(view.content ?? [])).toEqual(Buffer.from(source.content));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('which nothing opens are refused, or passed as they are', async () => {
    await expect(cut(fixture('tree.7z'))).rejects.toMatchObject({ code: 'UNDECODED' });
    expect(await cut(fixture('tree.7z'), { undecoded: 'keep' })).toMatchObject([{ suffix: '', modality: 'archive' }]);
  });

  it('pass as they are where nothing is to be opened', async () => {
    expect(await cut(fixture('tree.zip'), { archive: false })).toMatchObject([
      { suffix: '', mediaType: 'application/zip' },
    ]);
  });

  it('of whatever kind are opened where they are ZIP archives, and damaged where they are only said to be', async () => {
    const xlsb = zipOf(['[Content_Types].xml', 'xl/workbook.bin'].map((name) => ({ name, content: name })));
    expect(Object.keys(contents(await cut(xlsb)))).toEqual(['[Content_Types].xml', 'xl/workbook.bin']);
    const options = { types: { x: 'application/zip', y: 'application/x-tar', z: 'application/x-xz' } };
    for (const uri of ['a.x', 'a.y', 'a.z']) {
      await expect(cut(Buffer.from('neither of them'), { uri, ...options })).rejects.toMatchObject({
        code: 'DAMAGED_FILE',
      });
    }
  });

  it('without a file in them are refused', async () => {
    for (const empty of [
      zipOf([]),
      zipOf([{ name: 'folder/', stored: true }]),
      tarOf([{ name: 'folder/', type: '5' }]),
    ]) {
      await expect(cut(empty)).rejects.toMatchObject({ code: 'EMPTY_DOCUMENT' });
    }
  });

  it('options are checked at once', () => {
    for (const archive of [{ documents: 'words' as 'text' }, { maxExpansion: 0 }, { maxExpansion: Number.NaN }]) {
      expect(() => settled({ archive })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
    }
  });
});

describe('members that are left out', () => {
  it('are told: what is encrypted', async () => {
    const cuts = await cut(fixture('encrypted.zip'));
    expect(refused(cuts)).toMatchObject([{ suffix: '!/tree/a.txt', member: 'tree/a.txt', code: 'ENCRYPTED' }]);
    expect(Object.keys(contents(cuts))).toEqual(['tree/sub/b.py']);
  });

  it('are told: links and pipes, which nothing follows', async () => {
    const zipped = await cut(fixture('link.zip'));
    expect(refused(zipped)).toMatchObject([{ member: 'tree/link', code: 'UNSUPPORTED_MEMBER' }]);
    expect(Object.keys(contents(zipped))).toEqual(['tree/a.txt']);
    const tarred = await cut(fixture('special.tar'));
    expect(refused(tarred).map(({ member, code }) => [member, code])).toEqual([
      ['tree/hard', 'UNSUPPORTED_MEMBER'],
      ['tree/link', 'UNSUPPORTED_MEMBER'],
      ['tree/pipe', 'UNSUPPORTED_MEMBER'],
    ]);
    expect(Object.keys(contents(tarred))).toEqual(['tree/a.txt']);
  });

  it.each(['../up', 'a/../../up', '/etc/passwd', 'C:\\windows', '..\\up', '\\\\server\\share', 'x'.repeat(2000)])(
    'are told: those whose names lead elsewhere (%s)',
    async (name) => {
      const cuts = await cut(
        zipOf([
          { name, content: 'bad' },
          { name: 'good', content: 'good' },
        ]),
      );
      expect(contents(cuts)).toEqual({ good: 'good' });
      expect(refused(cuts)).toMatchObject([{ code: 'UNSAFE_PATH' }]);
      expect(refused(cuts)[0]?.member?.length).toBeLessThan(1100);
    },
  );

  it('are told: a name with a zero in it, and no character of it is a control', async () => {
    const cuts = await cut(
      zipOf([
        { name: 'a\0b', content: 'bad' },
        { name: 'c\nd', content: 'good' },
      ]),
    );
    expect(refused(cuts)).toMatchObject([{ code: 'UNSAFE_PATH', member: 'a\ufffdb' }]);
    expect(contents(cuts)).toEqual({ 'c\ufffdd': 'good' });
  });

  it('are told: what is damaged, alone', async () => {
    const bytes = zipOf([
      { name: 'crc', content: 'hello', crc: 1 },
      { name: 'short', content: 'hello'.repeat(50), size: 7 },
      { name: 'long', content: 'hello', size: 700 },
      { name: 'good', content: 'good' },
      { name: 'empty', content: '' },
    ]);
    const cuts = await cut(bytes);
    expect(contents(cuts)).toEqual({ good: 'good' });
    expect(refused(cuts).map(({ member, code }) => [member, code])).toEqual([
      ['crc', 'WRONG_CHECKSUM'],
      ['short', 'WRONG_SIZE'],
      ['long', 'WRONG_SIZE'],
      ['empty', 'EMPTY_DOCUMENT'],
    ]);
  });

  it('of the same name as another are named apart', async () => {
    const members = ['a.txt', 'a.txt', 'a~2.txt', 'a.txt', 'd/b', 'd/b'].map((name, n) => ({ name, content: `${n}` }));
    const names = ['a.txt', 'a~2.txt', 'a~2~2.txt', 'a~3.txt', 'd/b', 'd/b~2'];
    for (const archive of [zipOf(members), tarOf(members)]) {
      expect(contents(await cut(archive))).toEqual(Object.fromEntries(names.map((name, n) => [name, `${n}`])));
    }
  });
});

describe('archives that break off', () => {
  const members = Array.from({ length: 5 }, (_, n) => ({ name: `${n}.txt`, content: `${n}`.repeat(700) }));
  const tar = tarOf(members);

  it('keep the members before, and say so', async () => {
    const cuts = await cut(tar.subarray(0, 3 * 1536 + 600));
    expect(Object.keys(contents(cuts))).toEqual(['0.txt', '1.txt', '2.txt']);
    expect(refused(cuts)).toMatchObject([{ suffix: '', code: 'DAMAGED_FILE' }]);
  });

  it('so do compressed ones', async () => {
    const noise = members.map(({ name }, n) => ({ name, content: sha256(Buffer.from([n])).repeat(400) }));
    const packed = gzipSync(tarOf(noise), { level: 1 });
    const cuts = await cut(packed.subarray(0, packed.length - 300));
    expect(refused(cuts)).toMatchObject([{ suffix: '', code: 'DAMAGED_FILE' }]);
    expect(views(cuts).length).toBeGreaterThan(0);
    for (const { member, content } of views(cuts)) {
      expect(Buffer.from(content ?? []).toString()).toBe(noise.find(({ name }) => name === member)?.content);
    }
  });

  it('say so where the end mark alone is missing, and where a header is none', async () => {
    const whole = await cut(tar.subarray(0, -1024));
    expect(views(whole)).toHaveLength(5);
    expect(refused(whole)).toMatchObject([{ suffix: '', code: 'DAMAGED_FILE' }]);
    const bad = Buffer.from(tar);
    bad.fill(0x41, 2 * 1536, 2 * 1536 + 10);
    expect(views(await cut(bad))).toHaveLength(2);
  });

  it('have nothing at all where the list of members is missing, or the only stream is damaged', async () => {
    const zip = fixture('tree.zip');
    await expect(cut(zip.subarray(0, -10))).rejects.toMatchObject({ code: 'DAMAGED_FILE' });
    for (const ending of ['gz', 'bz2', 'xz', 'zst']) {
      const bytes = fixture(`numbers.txt.${ending}`);
      await expect(cut(bytes.subarray(0, -20), { uri: `x.${ending}` })).rejects.toMatchObject({ code: 'DAMAGED_FILE' });
      const flipped = Uint8Array.from(bytes);
      flipped[bytes.length >> 1]! ^= 0xff;
      await expect(cut(flipped, { uri: `x.${ending}` })).rejects.toMatchObject({ code: 'DAMAGED_FILE' });
    }
  });

  it('say what follows them in their file', async () => {
    const cuts = await cut(Buffer.concat([zipOf([{ name: 'a', content: 'a' }]), Buffer.from('more')]));
    expect(contents(cuts)).toEqual({ a: 'a' });
    expect(refused(cuts)).toMatchObject([{ suffix: '', code: 'TRAILING_DATA' }]);
  });
});
