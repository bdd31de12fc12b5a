import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { extract, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { type TarHeader, tarHeaders } from '../../src/archives/tarHeaders.ts';
import { tarPieces } from '../../src/archives/tarPieces.ts';
import { tarOf } from '../sources/helpers.ts';
import { all, counted, temporaryFolder } from './helpers.ts';

type Seen = { readonly name: string; readonly size: number; readonly byte: number; readonly type: string | null };

async function ours(
  bytes: Uint8Array,
): Promise<{ readonly headers: TarHeader[]; readonly broken: string | undefined }> {
  const path = join(temporaryFolder(), 'x.tar');
  writeFileSync(path, bytes);
  const file = await counted(path);
  let broken: string | undefined;
  const headers = await all(tarHeaders(file, (failure) => (broken = failure.code)));
  await file.close();
  return { headers, broken };
}

/** What tar-stream, which reads all of an archive, finds. */
async function theirs(bytes: Uint8Array): Promise<Seen[]> {
  const archive = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
  archive.end(Buffer.from(bytes));
  const seen: Seen[] = [];
  for await (const entry of archive) {
    const { name, size, type, byteOffset } = entry.header as unknown as Seen & { readonly byteOffset: number };
    seen.push({ name, size: size ?? 0, byte: byteOffset, type });
    entry.resume();
  }
  return seen;
}

const seen = (headers: readonly TarHeader[]): Seen[] =>
  headers.map(({ name, size, byte, type }) => ({ name, size, byte, type }));

describe('headers alone', () => {
  it.each(['ustar', 'gnu', 'pax'])(
    'of an archive that Python wrote as %s tell what tar-stream reads',
    async (format) => {
      const archive = join(import.meta.dirname, `../fixtures/archives/python-${format}.tar.gz`);
      const bytes = gunzipSync(readFileSync(archive));
      const { headers, broken } = await ours(bytes);
      expect(broken).toBeUndefined();
      expect(headers.length).toBeGreaterThanOrEqual(9);
      expect(seen(headers)).toEqual(await theirs(bytes));
      expect(headers.find(({ name }) => name === 'folder/größe.txt')?.size).toBe(1400);
      expect(headers.some(({ name }) => /^(deep\/){20,60}x{60,130}\.txt$/.test(name))).toBe(true);
    },
  );

  it('of any archive tell what tar-stream reads', async () => {
    const name = fc
      .array(fc.constantFrom('a', 'größe', 'x'.repeat(60), '/', '/', '.', ' ', '日本'), { minLength: 1, maxLength: 9 })
      .map((parts) => parts.join(''));
    const member = fc.record({
      name,
      content: fc.integer({ min: 0, max: 2000 }).map((size) => 'c'.repeat(size)),
      type: fc.constantFrom('file', 'file', 'file', 'contiguous-file', 'directory', 'symlink', 'fifo'),
      pax: fc.option(fc.constantFrom({ comment: 'ü = x\ny' }, { mtime: '1.25' }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 8 }), async (members) => {
        const packed = pack();
        for (const { content, type, pax, ...header } of members) {
          const body = type === 'file' || type === 'contiguous-file' ? content : '';
          const entry = { ...header, type, linkname: 'target', ...(pax === undefined ? {} : { pax }) };
          packed.entry(entry as Parameters<typeof packed.entry>[0], body);
        }
        packed.finalize();
        const bytes = Buffer.concat(await all(packed as AsyncIterable<Buffer>));
        const { headers, broken } = await ours(bytes);
        expect(broken).toBeUndefined();
        expect(seen(headers)).toEqual(await theirs(bytes));
      }),
      { numRuns: 150 },
    );
  });

  it('that are damaged anywhere give what lies before, or the same', async () => {
    const good = await tarOf([
      { name: 'a', content: 'x'.repeat(600) },
      { name: `${'long/'.repeat(40)}b`, content: 'y' },
      { name: 'c', content: '' },
    ]);
    const names = (await ours(good)).headers.map((header) => header.name);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = Buffer.from(good);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        const { headers, broken } = await ours(damaged);
        if (broken === undefined) expect(headers.length).toBeLessThanOrEqual(3);
        else expect(['TRUNCATED', 'CORRUPT_ARCHIVE', 'NOT_TAR']).toContain(broken);
        // A name is guarded by the header's checksum, unless it lies in an extended header.
        for (const [index, { name }] of headers.entries()) if (index !== 1) expect(names).toContain(name);
      }),
      { numRuns: 300 },
    );
  });
});

describe('ranges of an archive', () => {
  it('are the file, each from a member to another, and none is cut behind a global header', async () => {
    const members = Array.from({ length: 30 }, (_, n) => ({ name: `${n}`, content: 'x'.repeat(n * 60) }));
    const bytes = await tarOf(members);
    const path = join(temporaryFolder(), 'x.tar');
    const cut = async (archive: Buffer): Promise<{ readonly start: number; readonly end: number }[]> => {
      writeFileSync(path, archive);
      const file = await counted(path);
      const ranges = await all(tarPieces(file, 2000, () => true));
      await file.close();
      expect(ranges[0]?.start).toBe(0);
      expect(ranges.at(-1)?.end).toBe(archive.length);
      for (const [index, { start }] of ranges.slice(1).entries()) expect(start).toBe(ranges[index]?.end);
      return ranges;
    };
    const ranges = await cut(bytes);
    expect(ranges.length).toBeGreaterThan(5);
    const { headers } = await ours(bytes);
    for (const { start } of ranges) expect(headers.map((header) => header.start)).toContain(start);
    const global = Buffer.from(bytes.subarray(0, 1024));
    global.write('g', 156);
    global.write('00000000000\0', 124);
    global.write('        ', 148);
    const sum = global.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    global.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const half = headers[20]?.start ?? 0;
    const bound = await cut(Buffer.concat([bytes.subarray(0, half), global.subarray(0, 512), bytes.subarray(half)]));
    expect(bound.length).toBeGreaterThan(2);
    expect(bound.at(-1)?.start).toBeLessThanOrEqual(half);
  });
});
