import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { zip } from '../../src/sources/index.ts';
import { codes, content, readAll, temporaryFolder, text } from './helpers.ts';
import { type ZipPart, zipOf } from './zipOf.ts';

function file(name: string, bytes: Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const noise = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, n) => Math.imul(n + 1, 2654435761) >>> 24));

const parts: readonly ZipPart[] = [
  { name: 'a.txt', content: 'one', method: 0 },
  { name: 'folder/', method: 0 },
  { name: 'folder/empty.txt', method: 0 },
  { name: 'folder/größe.txt', content: 'x'.repeat(1500) },
  { name: 'folder/zstd.txt', content: 'y'.repeat(1500), method: 93 },
  { name: 'described.txt', content: 'z'.repeat(1500), descriptor: true },
  { name: 'extra.txt', content: 'more', localExtra: Buffer.from([0xfe, 0xca, 2, 0, 1, 2]) },
  { name: 'large.bin', content: noise(700_000) },
  { name: 'large-stored.bin', content: noise(600_000), method: 0 },
  { name: 'large.txt', content: 'line\n'.repeat(150_000), method: 93 },
];
const good = zipOf(parts);
const names = parts.map(({ name }) => String(name)).filter((name) => !name.endsWith('/'));

describe('a ZIP archive', () => {
  it.each([
    ['as it is', good],
    ['with ZIP64 fields', zipOf(parts, { zip64: true })],
    ['with a comment', zipOf(parts, { comment: 'hello '.repeat(1000) })],
  ])('%s gives its files, with the places of their headers', async (_how, bytes) => {
    const { records, rejects } = await readAll(zip(file('x.zip', bytes)));
    expect(rejects).toEqual([]);
    expect(records.map(({ id }) => id)).toEqual(names.map((name) => `x.zip!/${name}`));
    for (const { bytes: body, source, id } of records) {
      const { byte = -1, member } = source.position;
      const part = parts.find(({ name }) => name === member);
      expect(Buffer.from(body).equals(Buffer.from(part?.content ?? ''))).toBe(true);
      expect(bytes.readUInt32LE(byte)).toBe(0x04034b50);
      expect(
        bytes
          .subarray(byte + 30)
          .toString('utf8')
          .startsWith(member ?? ''),
      ).toBe(true);
      expect(source.uri).toBe(id);
    }
  });

  it('is cut between members, which changes nothing', async () => {
    const path = file('x.zip', good);
    const whole = await readAll(zip(path), 1 << 30);
    expect(whole.splits).toHaveLength(1);
    for (const splitBytes of [1, 2000, 100_000]) {
      const cut = await readAll(zip(path), splitBytes);
      expect(cut.rejects).toEqual([]);
      expect(cut.splits.length).toBeGreaterThan(1);
      expect(content(cut.records)).toEqual(content(whole.records));
    }
  });

  it('whose directory has another order than its members is read in that of the directory', async () => {
    const order = [3, 9, 0, 8, 7, 5];
    const path = file('x.zip', zipOf(parts, { order }));
    for (const splitBytes of [1, 1 << 30]) {
      const { records, rejects } = await readAll(zip(path), splitBytes);
      expect(rejects).toEqual([]);
      expect(records.map(({ source }) => source.position.member)).toEqual(order.map((n) => parts[n]?.name));
    }
  });

  it('from other writers is read: Info-ZIP, Python that writes to a pipe, yazl', async () => {
    const fixtures = join(import.meta.dirname, '../fixtures/archives');
    const info = await readAll(zip(join(fixtures, 'info-zip.zip')));
    expect(info.records.map((document) => [document.id, text(document)])).toEqual([
      ['info-zip.zip!/folder/größe.txt', 'from Info-ZIP\n'],
    ]);
    expect(info.rejects.map(({ error }) => [error.code, error.position?.member])).toEqual([
      ['UNSUPPORTED_MEMBER', 'folder/link.txt'],
    ]);
    const python = await readAll(zip(join(fixtures, 'python-pipe.zip')));
    expect(python.rejects).toEqual([]);
    expect(python.records.map((document) => [document.source.position.member, text(document)])).toEqual([
      ['größe.txt', 'from Python\n'],
      ['wide.txt', 'ZIP64\n'.repeat(50)],
      ['stored.txt', 'as it is\n'],
    ]);
    const yazl = new ZipFile();
    yazl.addBuffer(Buffer.from('hello'), 'a.txt', { forceZip64Format: true });
    yazl.addReadStream(Readable.from([Buffer.from('stream')]), 'b.txt');
    yazl.end({ forceZip64Format: true, comment: '' });
    const outcome = await readAll(zip(file('y.zip', await buffer(yazl.outputStream))));
    expect(outcome.rejects).toEqual([]);
    expect(outcome.records.map(text)).toEqual(['hello', 'stream']);
  });

  it('has names in code page 437 where it does not say UTF-8, or says so in an extra field', async () => {
    const raw = Buffer.from([0x81, 0x2e, 0x74]);
    const utf8 = Buffer.from('ü€.t');
    const unicode = Buffer.concat([Buffer.from([0x75, 0x70, 5 + utf8.length, 0, 1, 0, 0, 0, 0]), utf8]);
    unicode.writeUInt32LE(crc32(raw), 5);
    const archive = zipOf([
      { name: raw, flags: 0, content: '1' },
      { name: raw, flags: 0, content: '2', extra: unicode },
      { name: 'é.t', content: '3' },
    ]);
    const { records } = await readAll(zip(file('x.zip', archive)));
    expect(records.map(({ source }) => source.position.member)).toEqual(['ü.t', 'ü€.t', 'é.t']);
  });

  it('gives a large member in parts', async () => {
    const body = Array.from({ length: 300 }, (_, n) => `line ${n} é\n`).join('');
    const path = file(
      'x.zip',
      zipOf([
        { name: 'big.txt', content: body },
        { name: 'small.txt', content: 's' },
      ]),
    );
    const { records } = await readAll(zip(path, { maxDocumentBytes: 500 }));
    const cut = records.filter(({ source }) => source.position.member === 'big.txt');
    expect(cut.map(text).join('')).toBe(body);
    expect(cut.map(({ source }) => source.position.part)).toEqual([...cut.keys()]);
    expect(cut.map(({ id }) => id)).toEqual(cut.map((_part, n) => `x.zip!/big.txt#${n}`));
    expect(records.at(-1)?.id).toBe('x.zip!/small.txt');
  });
});

describe('a member that is not to be read', () => {
  const body = 'words '.repeat(100);
  const large = noise(700_000);
  const cases: [string, Partial<ZipPart>, string][] = [
    ['because it is encrypted', { flags: 0x801 }, 'ENCRYPTED'],
    ['because it is strongly encrypted', { flags: 0x841 }, 'CORRUPT_MEMBER'],
    ['because it is encrypted with AES', { method: 99, flags: 0x801 }, 'ENCRYPTED'],
    ['because its method is unknown', { method: 12 }, 'UNKNOWN_CODEC'],
    ['because it is a link', { mode: 0o120777 }, 'UNSUPPORTED_MEMBER'],
    ['because it is a device', { mode: 0o020600 }, 'UNSUPPORTED_MEMBER'],
    ['because its checksum is another', { crc: 1 }, 'WRONG_CHECKSUM'],
    ['because it is longer than it says', { size: 599 }, 'WRONG_SIZE'],
    ['because it is shorter than it says', { size: 601 }, 'WRONG_SIZE'],
    ['because it is longer than it says, and large', { content: large, size: 699_999 }, 'WRONG_SIZE'],
    ['because it is shorter than it says, and large', { content: large, size: 700_001 }, 'WRONG_SIZE'],
    ['because its checksum is another, and it is large', { content: large, crc: 1 }, 'WRONG_CHECKSUM'],
    ['because it is stored and has two sizes', { method: 0, size: 2 }, 'WRONG_SIZE'],
    ['because it is no deflated data', { packed: Buffer.alloc(50, 0xff), crc: 0 }, 'CORRUPT_COMPRESSION'],
    ['because its data is cut', { packed: deflateRawSync(body).subarray(0, -3) }, 'CORRUPT_COMPRESSION'],
    ['because it is no Zstandard frame', { method: 93, packed: Buffer.alloc(50, 0x41) }, 'CORRUPT_COMPRESSION'],
    [
      'because something follows its data',
      { packed: Buffer.concat([deflateRawSync(body), Buffer.alloc(9)]) },
      'WRONG_SIZE',
    ],
    ['because its header has another name', { localName: 'other.txt' }, 'HEADER_MISMATCH'],
    ['because its header is elsewhere', { offset: 36, packedSize: 5 }, 'HEADER_MISMATCH'],
    ['because its extra fields are damaged', { extra: Buffer.from([1, 0, 99, 0]) }, 'CORRUPT_MEMBER'],
  ];

  it.each(cases)('%s is rejected with its place, and the others are read', async (_why, change, code) => {
    const archive = zipOf([
      { name: 'a', content: '1' },
      { name: 'bad.txt', content: body, ...change },
      { name: 'b', content: '2' },
      { name: 'c', content: '3' },
    ]);
    for (const splitBytes of [1, 1 << 30]) {
      const { records, rejects } = await readAll(zip(file('x.zip', archive)), splitBytes);
      expect(records.map(({ source }) => source.position.member)).toEqual(['a', 'b', 'c']);
      expect(rejects.map(({ error }) => [error.code, error.path])).toEqual([[code, 'x.zip']]);
      const { byte = -1, member } = rejects[0]?.error.position ?? {};
      if (code === 'CORRUPT_MEMBER') expect(archive.readUInt32LE(byte)).toBe(0x02014b50);
      else expect([byte, member]).toEqual([change.offset ?? archive.indexOf('PK\x03\x04', 5), 'bad.txt']);
    }
  });

  it.each(['/etc/passwd', '../up.txt', 'a/../../b', 'C:\\x', 'C:x', '..\\x', '\\\\host\\x', 'a\0b', ''])(
    'because of its name (%j) is rejected, and the others are read',
    async (name) => {
      const archive = zipOf([
        { name: 'a', content: '1' },
        { name, content: 'evil' },
        { name: 'b', content: '2' },
      ]);
      const { records, rejects } = await readAll(zip(file('x.zip', archive)));
      expect(records.map(({ source: { position } }) => [position.ordinal, position.member])).toEqual([
        [0, 'a'],
        [2, 'b'],
      ]);
      expect(rejects.map(({ error: { code, position } }) => [code, position?.ordinal, position?.member])).toEqual([
        ['UNSAFE_PATH', 1, name],
      ]);
    },
  );
});

describe('a bomb', () => {
  it('made of members that share their content is rejected, and nothing is unpacked twice', async () => {
    // Every entry of the directory describes the same member under a name that its header does not have, ...
    const kernel = zipOf([
      { name: 'a', content: 'x'.repeat(9000) },
      ...Array.from({ length: 50 }, () => ({ name: 'a', offset: 0 })),
    ]);
    const shared = await readAll(zip(file('x.zip', kernel)));
    expect(shared.records).toEqual([]);
    expect(new Set(codes(shared))).toEqual(new Set(['OVERLAPPING_MEMBER']));
    expect(codes(shared)).toHaveLength(51);
    // ... or a stored member that holds the header of the next, which holds the header of the next.
    const inner = zipOf([{ name: 'b', content: 'y'.repeat(9000) }]);
    const header = inner.subarray(0, inner.indexOf('PK\x01\x02'));
    const quoted = zipOf([
      { name: 'a', content: header, method: 0 },
      { name: 'b', content: 'y'.repeat(9000), offset: 31 },
    ]);
    const outcome = await readAll(zip(file('x.zip', quoted)));
    expect(outcome.rejects.map(({ error }) => [error.code, error.position?.member])).toEqual([
      ['OVERLAPPING_MEMBER', 'a'],
    ]);
    expect(outcome.records.map(({ source }) => source.position.member)).toEqual(['b']);
  });

  it('of one member is rejected by what it says of its size, and not read beyond it where it lies', async () => {
    const zeros = Buffer.alloc(20 << 20);
    const packed = deflateRawSync(zeros);
    const words = { name: 'words', content: noise(200_000), method: 0 };
    const honest = zipOf([words, { name: 'zeros', packed, size: zeros.length, crc: crc32(zeros) }]);
    const outcome = await readAll(zip(file('x.zip', honest)));
    expect(outcome.records.map(({ source }) => source.position.member)).toEqual(['words']);
    expect(outcome.rejects.map(({ error }) => [error.code, error.position?.member])).toEqual([
      ['EXPANSION_LIMIT', 'zeros'],
    ]);
    const lying = zipOf([words, { name: 'zeros', packed, size: 1000 }]);
    expect(codes(await readAll(zip(file('x.zip', lying))))).toEqual(['WRONG_SIZE']);
    expect((await readAll(zip(file('x.zip', honest), { maxExpansion: 2000 }))).rejects).toEqual([]);
  });

  it('of many members is left out as a whole', async () => {
    const zeros = Buffer.alloc(1 << 20);
    const packed = deflateRawSync(zeros);
    const archive = zipOf(
      Array.from({ length: 17 }, (_, n) => ({ name: `${n}`, packed, size: zeros.length, crc: crc32(zeros) })),
    );
    await expect(readAll(zip(file('x.zip', archive)))).rejects.toMatchObject({ cause: { code: 'EXPANSION_LIMIT' } });
  });
});

describe('an archive that is damaged', () => {
  const few = zipOf([
    { name: 'a', content: '1' },
    { name: 'b', content: '2' },
    { name: 'c', content: '3' },
  ]);
  const entries = few.indexOf('PK\x01\x02');

  it('in its directory gives the members before, and one reject', async () => {
    const damaged = Buffer.from(few);
    damaged.fill(0, entries + 47 + 47);
    damaged.set(few.subarray(few.indexOf('PK\x05\x06')), few.indexOf('PK\x05\x06'));
    for (const splitBytes of [1, 1 << 30]) {
      const outcome = await readAll(zip(file('x.zip', damaged)), splitBytes);
      expect(outcome.records.map(text)).toEqual(['1', '2']);
      expect(codes(outcome)).toEqual(['CORRUPT_ARCHIVE']);
    }
  });

  it('because it lists more than it says, or says more than it lists, is told', async () => {
    const few2 = zipOf(parts.slice(0, 3), { count: 2 });
    const outcome = await readAll(zip(file('x.zip', few2)));
    expect(codes(outcome)).toEqual(['CORRUPT_ARCHIVE']);
    const many = zipOf(parts.slice(0, 3), { count: 4, comment: 'c'.repeat(99) });
    expect(codes(await readAll(zip(file('x.zip', many))))).toEqual(['CORRUPT_ARCHIVE']);
    const huge = zipOf(parts.slice(0, 3), { count: 2 ** 50, zip64: true });
    await expect(readAll(zip(file('x.zip', huge)))).rejects.toMatchObject({ cause: { code: 'CORRUPT_ARCHIVE' } });
  });

  it('by what follows it is read, and told', async () => {
    const outcome = await readAll(zip(file('x.zip', Buffer.concat([few, Buffer.from('garbage')]))), 1);
    expect(outcome.records.map(text)).toEqual(['1', '2', '3']);
    expect(outcome.rejects.map(({ error }) => [error.code, error.position?.byte])).toEqual([
      ['TRAILING_DATA', few.length],
    ]);
  });

  it('or none is left out', async () => {
    const cause = (bytes: Uint8Array): Promise<unknown> =>
      readAll(zip(file('x.zip', bytes))).catch((error: { cause: { code: string } }) => error.cause.code);
    expect(await cause(Buffer.from('hello '.repeat(400)))).toBe('NOT_ZIP');
    expect(await cause(Buffer.from('PK'))).toBe('NOT_ZIP');
    expect(await cause(Buffer.alloc(0))).toBe('EMPTY_FILE');
    expect(await cause(few.subarray(0, few.length - 22))).toBe('TRUNCATED');
    expect((await readAll(zip(file('x.zip', zipOf([]))))).records).toEqual([]);
  });

  it('anywhere neither hangs nor gives wrong bytes', async () => {
    const contents = new Set(['1', '2', '3'.repeat(100)]);
    const archive = zipOf([
      { name: 'a', content: '1', method: 0 },
      { name: 'b', content: '2' },
      { name: 'c', content: '3'.repeat(100), method: 93 },
    ]);
    const folder = temporaryFolder();
    const path = join(folder, 'x.zip');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(archive.length),
        fc.boolean(),
        async (changes, length, cut) => {
          const damaged = Buffer.from(archive);
          for (const [at, byte] of changes) damaged[at] = byte;
          writeFileSync(path, cut ? damaged.subarray(0, length) : damaged);
          const outcome = await readAll(zip(path)).catch((error: { code: string }) => {
            expect(error.code).toBe('NO_USABLE_FILE');
          });
          for (const record of outcome?.records ?? []) expect(contents).toContain(text(record));
        },
      ),
      { numRuns: 500 },
    );
  });
});
