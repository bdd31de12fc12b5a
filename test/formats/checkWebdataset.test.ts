import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { checkWebdataset, type ExpectedArchive } from '../../src/formats/checkWebdataset.ts';
import { webdataset } from '../../src/sinks/webdataset.ts';
import { filesOf, patchesOf, temporaryFolder, writeAll } from '../sinks/flow.ts';
import { untar } from '../support/tar.ts';

interface File {
  readonly name: string;
  readonly content: Uint8Array;
  readonly mode?: number;
}

/** An archive as the sink writes one, of the members that are given. */
async function tarOf(files: readonly File[]): Promise<Buffer> {
  const archive = pack();
  for (const { name, content, mode = 0o644 } of files)
    archive.entry({ name, mode, mtime: new Date(0) }, Buffer.from(content));
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const { root } = await writeAll(
  [webdataset('wds', { members: ['safetensors', 'json', 'payload'] })],
  patchesOf([{ segments: [[3, 4]] }, { segments: [[5]] }]),
);
const good = (await filesOf(root, 'wds')).get('00000-000000.tar')!;
const members: File[] = untar(good).map(({ name, content }) => ({ name, content }));
const expected: ExpectedArchive = {
  split: '00000',
  compression: 'none',
  samples: 2,
  documents: 2,
  patches: 3,
  bytes: 12,
};

async function complaints(bytes: Uint8Array, more: Partial<ExpectedArchive> = {}): Promise<string[]> {
  const file = path.join(await temporaryFolder(), 'x.tar');
  await writeFile(file, bytes);
  const found: string[] = [];
  await checkWebdataset(file, { ...expected, ...more }, (what) => found.push(what));
  return found;
}

const edited = (change: (file: File, i: number) => File | undefined): Promise<Buffer> =>
  tarOf(members.flatMap((file, i) => change(file, i) ?? []));
const replaced = (file: File, from: string, to: string): File => ({
  ...file,
  content: Buffer.from(Buffer.from(file.content).toString('latin1').replace(from, to), 'latin1'),
});
const renamed = (from: string, to: string): Promise<Buffer> =>
  edited((file) => ({ ...file, name: file.name.replace(from, to) }));
const inJson = (from: string, to: string): Promise<Buffer> =>
  edited((file, i) => (i === 1 ? replaced(file, from, to) : file));

describe('check of a WebDataset archive', () => {
  it('finds nothing wrong with what the sink writes, however it is compressed', async () => {
    expect(await tarOf(members)).toEqual(good);
    expect(await complaints(good)).toEqual([]);
    const two = [good.subarray(0, 1536), good.subarray(1536)];
    expect(await complaints(Buffer.concat(two.map((part) => gzipSync(part))), { compression: 'gzip' })).toEqual([]);
    expect(await complaints(Buffer.concat(two.map((part) => zstdCompressSync(part))), { compression: 'zstd' })).toEqual(
      [],
    );
  });

  it('takes a document that goes on from the archive before', async () => {
    const bytes = await tarOf([{ name: '00000-00000007_2.bin', content: Buffer.from('abc') }]);
    expect(await complaints(bytes, { samples: 1, documents: 0, patches: undefined, bytes: 3 })).toEqual([]);
  });

  it.each<[string, () => Promise<Buffer> | Buffer]>([
    ['has no header of a member at byte 0, as sluice writes one', () => Buffer.alloc(4096, 'x')],
    ['has no header of a member at byte 0, as sluice writes one', () => Buffer.alloc(0)],
    ['has no header of a member at byte 0, as sluice writes one', () => edited((file) => ({ ...file, mode: 0o600 }))],
    ["ends within '00000-00000000.safetensors'", () => good.subarray(0, 1000)],
    [
      `has no header of a member at byte ${good.length - 1024}, as sluice writes one`,
      () => good.subarray(0, good.length - 1024),
    ],
    ['does not end with two blocks of zeros', () => good.subarray(0, good.length - 512)],
    ['does not end with two blocks of zeros', () => Buffer.concat([good, Buffer.alloc(512)])],
    [
      "has something else than zeros behind '00000-00000000.json'",
      () => {
        const bytes = Buffer.from(good);
        const header = bytes.indexOf('00000-00000000.json');
        bytes[header + 512 + 511] = 1;
        return bytes;
      },
    ],
    ["has a second member '00000-00000000.json'", () => renamed('00000000.txt', '00000000.json')],
    ["has a member 'a.json' whose key is none of split 00000", () => renamed('00000-00000000.json', 'a.json')],
    [
      "has a member '00001-00000000.json' whose key is none of split 00000",
      () => renamed('00000-00000000.json', '00001-00000000.json'),
    ],
    ["has the key '00000-00000002' behind '00000-00000000'", () => renamed('-00000001', '-00000002')],
    ["has the key '00000-00000000_2' behind '00000-00000000'", () => renamed('-00000001', '-00000000_2')],
    ["has the key '00000-00000000' behind '00000-00000001'", () => tarOf([...members, ...members.slice(0, 3)])],
    [
      "has a sample '00000-00000001' of safetensors,json, and its first one has safetensors,json,payload",
      () => edited((file, i) => (i === 5 ? undefined : file)),
    ],
    ["has a member '00000-00000000.json' that is no JSON object", () => inJson('{', '[')],
    ["has a member '00000-00000000.json' without uri", () => inJson('"uri"', '"url"')],
    [
      "has a member '00000-00000000.json' that tells of 7 patches, and it is 2",
      () => inJson('"num_patches":2', '"num_patches":7'),
    ],
    ["has a member '00000-00000000.json' of part 3", () => inJson('"part":0', '"part":3')],
    [
      "has '00000-00000000.txt' of 3 bytes in a sample of 7",
      () => edited((file, i) => (i === 2 ? { ...file, content: Buffer.from('abc') } : file)),
    ],
    [
      "has a member '00000-00000000.safetensors' that has patch lengths that add up to 8, and 7 bytes",
      () =>
        edited((file, i) => {
          if (i !== 0) return file;
          const content = Buffer.from(file.content);
          // Lengths stand in front of the 7 bytes.
          content.writeInt32LE(5, content.length - 7 - 4);
          return { ...file, content };
        }),
    ],
  ])('finds that it %s', async (what, make) => {
    expect(await complaints(await make())).toContain(what);
  });

  it('takes the name of a split for what it is', async () => {
    expect(await complaints(good, { split: '(' })).toContain(
      "has a member '00000-00000000.safetensors' whose key is none of split (",
    );
  });

  it('finds other counts than were committed', async () => {
    const counts = { samples: 3, documents: 1, patches: 9, bytes: 13 };
    expect(await complaints(good, counts)).toEqual([
      'holds 2 samples, and was committed with 3',
      'holds 2 documents, and was committed with 1',
      'holds 3 patches, and was committed with 9',
      'holds 12 bytes, and was committed with 13',
    ]);
  });

  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('tells that a %s stream is damaged', async (compression, compress) => {
    const bytes = compress(good);
    await expect(complaints(bytes.subarray(0, bytes.length - 20), { compression })).rejects.toMatchObject({
      code: 'TRUNCATED',
    });
    bytes.fill(0x55, 30, 60);
    await expect(complaints(bytes, { compression })).rejects.toMatchObject({ code: 'CORRUPT_COMPRESSION' });
  });

  it('tells that a safetensors member is none', async () => {
    const bytes = await edited((file, i) => (i === 0 ? { ...file, content: Buffer.from('none') } : file));
    await expect(complaints(bytes)).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
  });
});
