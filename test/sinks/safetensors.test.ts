import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { loadPatches, parseSafetensors } from './consumer.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, writeAll } from './flow.ts';

const three: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[1]] }, { segments: [[5, 5, 5]] }];

describe('safetensors sink', () => {
  it('writes one shard that its consumer reads back patch by patch', async () => {
    const values = patchesOf(three, 3);
    const { root, artefacts, counts } = await writeAll([safetensors()], values);
    expect(counts).toEqual({ documents: 3, patches: 7, bytes: 25 });
    expect(artefacts).toMatchObject([
      {
        path: 'shards/00000-000000.safetensors',
        info: { format: 'blt_patches_v3', split: '00000', shard: 0, documents: 3, patches: 7, bytes: 25, dim: 3 },
      },
    ]);
    const [file] = (await filesOf(root)).values();
    const loaded = loadPatches(file as Buffer);
    expect(loaded).toMatchObject({ patches: 7, dim: 3 });
    expect(loaded.pieces.map((piece) => piece.length)).toEqual([3, 4, 2, 1, 5, 5, 5]);
    expect(Buffer.concat(loaded.pieces)).toEqual(Buffer.concat(values.map((value) => value.bytes)));
    expect([...loaded.embeddings]).toEqual(values.flatMap((value) => [...value.embeddings]));
    expect([...loaded.prominence]).toEqual(values.flatMap((value) => [...value.prominence]));
    expect([...(loaded.entropies ?? [])]).toEqual(values.flatMap((value) => [...value.entropy]));
  });

  it('lays tensors out as the format says, without per-byte entropies, and with sorted metadata under both names', async () => {
    const { root } = await writeAll(
      [safetensors('shards', { metadata: { model: 'tiny', format: 'mine' } })],
      patchesOf(three, 3),
    );
    const [file] = (await filesOf(root)).values();
    const { entries, metadata } = parseSafetensors(file as Buffer);
    expect([...entries].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['embeddings', 'F32', [7, 3]],
      ['patch_entropies', 'F32', [7]],
      ['prominence', 'F32', [7]],
      ['patch_lengths', 'I32', [7]],
      ['bytes', 'U8', [25]],
    ]);
    expect(Object.entries(metadata)).toEqual([
      ['embed_dim', '3'],
      ['format', 'blt_patches_v3'],
      ['model', 'tiny'],
      ['n_patches', '7'],
      ['num_patches', '7'],
      ['shard', '0'],
      ['split', '00000'],
      ['total_bytes', '25'],
    ]);
  });

  it('writes the same bytes however the flow is divided', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300 }), at, async (documents, cuts) => {
        const values = patchesOf(documents);
        const sink = () => safetensors('shards', { shardBytes: 8192 });
        const whole = await writeAll([sink()], values);
        const pieces = await writeAll([sink()], divided(values, cuts));
        expect(await filesOf(pieces.root)).toEqual(await filesOf(whole.root));
        expect(pieces.artefacts).toEqual(whole.artefacts);
      }),
      { numRuns: 15 },
    );
  });

  it('loses nothing between shards', async () => {
    const values = patchesOf([{ segments: [Array(900).fill(7)] }, { segments: [[9]] }], 4);
    const { root, artefacts } = await writeAll([safetensors('shards', { shardBytes: 16_384 })], values);
    const files = [...(await filesOf(root)).values()];
    expect(files.length).toBeGreaterThan(3);
    const pieces = files.flatMap((file) => loadPatches(file).pieces);
    expect(Buffer.concat(pieces)).toEqual(Buffer.concat(values.map((value) => value.bytes)));
    const embeddings = files.flatMap((file) => [...loadPatches(file).embeddings]);
    expect(embeddings).toEqual(values.flatMap((value) => [...value.embeddings]));
    // The first document is counted where it begins, in none of the shards that it goes on in.
    expect(artefacts.map((artefact) => artefact.info.documents)).toEqual([
      1,
      ...Array(artefacts.length - 2).fill(0),
      1,
    ]);
  });

  it('keeps every shard within its size, headers aside', async () => {
    const values = patchesOf([{ segments: [Array(900).fill(7)] }], 4);
    const { artefacts } = await writeAll([safetensors('shards', { shardBytes: 16_384 })], values);
    for (const artefact of artefacts) expect(artefact.bytes).toBeLessThan(16_384 + 1024);
  });

  it('writes nothing for a split that yields nothing', async () => {
    const { root, artefacts, counts } = await writeAll([safetensors()], []);
    expect(artefacts).toEqual([]);
    expect(counts).toEqual({ documents: 0, patches: 0, bytes: 0 });
    expect((await filesOf(root)).size).toBe(0);
  });

  it('writes a shard of no patches for documents that have none, so that none goes missing', async () => {
    const { root, counts } = await writeAll([safetensors()], patchesOf([{ segments: [[]] }]));
    expect(counts).toEqual({ documents: 1, patches: 0, bytes: 0 });
    const [file] = (await filesOf(root)).values();
    expect(loadPatches(file as Buffer)).toMatchObject({ patches: 0, dim: 4, pieces: [] });
  });

  describe('with a file for each document', () => {
    it('names it after the document, safely and uniquely', async () => {
      const ids = ['../../etc/passwd', 'a.b.c', 'ä/ö', 'same', 'same', '', 'x'.repeat(500), 'nul\0\\:*?'];
      const values = patchesOf(ids.map((id) => ({ id, segments: [[3]] })));
      const { artefacts } = await writeAll([safetensors('docs', { layout: 'document' })], values);
      expect(artefacts.map((artefact) => artefact.path)).toEqual([
        'docs/00000-000000-etc_passwd.safetensors',
        'docs/00000-000001-a_b_c.safetensors',
        'docs/00000-000002.safetensors',
        'docs/00000-000003-same.safetensors',
        'docs/00000-000004-same.safetensors',
        'docs/00000-000005.safetensors',
        `docs/00000-000006-${'x'.repeat(64)}.safetensors`,
        'docs/00000-000007-nul.safetensors',
      ]);
    });

    it('never holds two documents in one file, nor more than a shard of one', async () => {
      const values = patchesOf([{ segments: [Array(300).fill(7)] }, { segments: [[2]] }], 4);
      const { root, artefacts } = await writeAll(
        [safetensors('shards', { layout: 'document', shardBytes: 16_384 })],
        values,
      );
      expect(artefacts.length).toBeGreaterThan(2);
      const sizes = [...(await filesOf(root)).values()].map((file) => loadPatches(file).patches);
      expect(sizes.at(-1)).toBe(1);
      expect(sizes.reduce((a, b) => a + b)).toBe(301);
    });
  });

  it.each(['', '.', '..', '/tmp', 'a/b', 'a\\b', '.hidden', 'commits', 'rejects'])('refuses the folder %j', (dir) => {
    expect(() => safetensors(dir)).toThrow(expect.objectContaining({ code: 'BAD_FOLDER' }));
  });

  it('tells the bytes it holds', () => {
    const { holds } = safetensors('shards', { shardBytes: 1 << 20 });
    expect(holds).toBe((1 << 20) + (256 << 10));
  });

  it('replaces a shard that a former attempt at the split has left', async () => {
    const root = await temporaryFolder();
    await writeAll([safetensors()], patchesOf(three), root);
    const before = await filesOf(root);
    await writeAll([safetensors()], patchesOf(three), root);
    expect(await filesOf(root)).toEqual(before);
  });
});
