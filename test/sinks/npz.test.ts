import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkNpz } from '../../src/formats/checkNpz.ts';
import { npyArray, parseNpy } from '../../src/formats/npy.ts';
import { type NpzMember, npzChunks } from '../../src/formats/npz.ts';
import { npz } from '../../src/sinks/npz.ts';
import { unzipStored } from '../support/zip.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, writeAll } from './flow.ts';

const three: Sketch[] = [
  { id: 'ä', segments: [[3, 4], [2]] },
  { id: '', segments: [[]] },
  { id: 'c', segments: [[5]] },
];

type Numbers = readonly (number | bigint)[];

/** Arrays by name, each with its type and shape, read by the descriptions of ZIP and .npy alone. */
function load(file: Buffer): Record<string, { head: string; values: Numbers }> {
  return Object.fromEntries(
    unzipStored(file).map(({ name, content }) => {
      const { type, shape, data } = parseNpy(content);
      const view = Buffer.from(data);
      const at = (size: number, read: (offset: number) => number | bigint): Numbers =>
        Array.from({ length: view.length / size }, (_, i) => read(i * size));
      const readers: Readonly<Record<string, () => Numbers>> = {
        '<f4': () => at(4, (offset) => view.readFloatLE(offset)),
        '<f8': () => at(8, (offset) => view.readDoubleLE(offset)),
        '<i4': () => at(4, (offset) => view.readInt32LE(offset)),
        '<i8': () => at(8, (offset) => view.readBigInt64LE(offset)),
        '|i1': () => at(1, (offset) => view.readInt8(offset)),
        '|u1': () => [...view],
      };
      return [name, { head: `${type} ${shape.join(' ')}`, values: readers[type]?.() ?? [] }];
    }),
  );
}

describe('npz sink', () => {
  it('writes an archive of arrays, with everything about the patches and where documents begin', async () => {
    const values = patchesOf(three, 3);
    const { root, artefacts, counts } = await writeAll([npz()], values);
    expect(counts).toEqual({ documents: 3, patches: 4, bytes: 14 });
    expect(artefacts).toMatchObject([
      {
        path: 'npz/00000-000000.npz',
        info: {
          format: 'sluice_npz_v1',
          split: '00000',
          shard: 0,
          documents: 3,
          parts: 3,
          patches: 4,
          bytes: 14,
          dim: 3,
        },
      },
    ]);
    const [file] = (await filesOf(root, 'npz')).values();
    const all = (pick: (value: (typeof values)[number]) => ArrayLike<number>) =>
      values.flatMap((v) => [...Array.from(pick(v))]);
    expect(load(file!)).toEqual({
      'embeddings.npy': { head: '<f4 4 3', values: all((v) => v.embeddings) },
      'prominence.npy': { head: '<f4 4', values: all((v) => v.prominence) },
      'patch_entropies.npy': { head: '<f4 4', values: all((v) => v.entropy) },
      'coherence.npy': { head: '<f4 4', values: all((v) => v.coherence) },
      'patch_lengths.npy': { head: '<i4 4', values: [3, 4, 2, 5] },
      'bytes.npy': { head: '|u1 14', values: all((v) => v.bytes) },
      'document_offsets.npy': { head: '<i8 4', values: [0n, 3n, 3n, 4n] },
      'doc_ids.npy': { head: '|u1 3', values: [...Buffer.from('äc')] },
      'doc_id_offsets.npy': { head: '<i8 4', values: [0n, 2n, 2n, 3n] },
    });
  });

  it('loses nothing, writes the same bytes however the flow is divided, and passes its own check', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300 }), at, async (documents, cuts) => {
        const values = patchesOf(documents);
        const sink = () => npz('npz', { shardBytes: 8192 });
        const whole = await writeAll([sink()], values);
        const pieces = await writeAll([sink()], divided(values, cuts));
        const files = await filesOf(whole.root, 'npz');
        expect(await filesOf(pieces.root, 'npz')).toEqual(files);
        const bytes = [...files.values()].flatMap((file) => load(file)['bytes.npy']?.values ?? []);
        expect(bytes).toEqual(values.flatMap((value) => [...value.bytes]));
        for (const { path: file, info } of whole.artefacts) {
          const expected = info as { patches: number; bytes: number; dim: number; parts: number };
          expect(await complaintsOf(path.join(whole.root, file), expected)).toEqual([]);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('writes nothing for a split that yields nothing', async () => {
    expect((await writeAll([npz()], [])).artefacts).toEqual([]);
  });

  it('tells the bytes it holds: an open shard, and what of it is on its way to the file', () => {
    expect(npz('npz', { shardBytes: 1 << 20 }).holds).toBe(2 << 20);
  });
});

async function complaintsOf(file: string, expected: Parameters<typeof checkNpz>[1]): Promise<string[]> {
  const found: string[] = [];
  await checkNpz(file, expected, (what) => found.push(what));
  return found;
}

describe('the check of an .npz file', () => {
  const expected = { patches: 2, bytes: 5, dim: 1, parts: 1 };
  const members = (change: Partial<Record<string, NpzMember>> = {}): NpzMember[] =>
    [
      { name: 'embeddings', ...npyArray(Float32Array.of(1, 2), [2, 1]) },
      { name: 'prominence', ...npyArray(Float32Array.of(1, 2)) },
      { name: 'patch_entropies', ...npyArray(Float32Array.of(1, 2)) },
      { name: 'coherence', ...npyArray(Float32Array.of(1, 2)) },
      { name: 'patch_lengths', ...npyArray(Int32Array.of(2, 3)) },
      { name: 'bytes', ...npyArray(Buffer.from('hello')) },
      { name: 'document_offsets', ...npyArray(BigInt64Array.of(0n, 2n)) },
      { name: 'doc_ids', ...npyArray(Buffer.from('x')) },
      { name: 'doc_id_offsets', ...npyArray(BigInt64Array.of(0n, 1n)) },
    ].map((member) => change[member.name] ?? member) as NpzMember[];

  async function found(list: NpzMember[], change: (file: Buffer) => Buffer = (file) => file): Promise<string[]> {
    const file = path.join(await temporaryFolder(), 'x.npz');
    const chunks: Uint8Array[] = [];
    for await (const chunk of npzChunks(list)) chunks.push(chunk);
    await writeFile(file, change(Buffer.concat(chunks)));
    return complaintsOf(file, expected);
  }

  it('finds nothing wrong with what the sink writes', async () => {
    expect(await found(members())).toEqual([]);
  });

  it.each<[string, NpzMember['name'], Parameters<typeof npyArray>]>([
    ['prominence[1] = -1', 'prominence', [Float32Array.of(1, -1)]],
    ['coherence[0] = NaN', 'coherence', [Float32Array.of(Number.NaN, -1)]],
    ['a patch of 0 bytes', 'patch_lengths', [Int32Array.of(5, 0)]],
    ['patch lengths that add up to 4, and 5 bytes', 'patch_lengths', [Int32Array.of(1, 3)]],
    ['a last document offset of 1, and it should be 2', 'document_offsets', [BigInt64Array.of(0n, 1n)]],
    ['id offset 0 at 1', 'doc_id_offsets', [BigInt64Array.of(1n, 1n)]],
    ['ids that are no UTF-8', 'doc_ids', [Uint8Array.of(255)]],
    ['bytes as |u1 (4), and should have |u1 (5)', 'bytes', [Buffer.from('hell')]],
    ['embeddings as <f4 (2), and should have <f4 (2, 1)', 'embeddings', [Float32Array.of(1, 2)]],
  ])('finds %s', async (what, name, array) => {
    expect(await found(members({ [name]: { name, ...npyArray(...array) } }))).toContain(`has ${what}`);
  });

  it('finds arrays that are missing', async () => {
    expect(await found(members().slice(1))).toEqual([
      expect.stringMatching(/^holds prominence, .*and should hold emb/),
    ]);
  });

  it('finds a member whose bytes are not those of its checksum', async () => {
    const flipped = (file: Buffer): Buffer => {
      const at = file.indexOf('hello');
      file[at] = 0;
      return file;
    };
    expect(await found(members(), flipped)).toEqual(["has a member 'bytes.npy' of another checksum"]);
  });

  it.each([
    ['nothing', 'BAD_ZIP', () => Buffer.alloc(0)],
    ['the half of it', 'BAD_ZIP', (file: Buffer) => file.subarray(0, file.length >> 1)],
    [
      'a member that is no array',
      'BAD_NPY',
      (file: Buffer) => Buffer.from(file.toString('latin1').replace('NUMPY', 'NUMPI'), 'latin1'),
    ],
  ])('tells that a file holds %s', async (_, code, change) => {
    await expect(found(members(), change)).rejects.toMatchObject({ code });
  });
});
