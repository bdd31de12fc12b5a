import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommitRecord, readCommit } from '../../src/run/commitRecord.ts';
import { buildManifest, manifestText } from '../../src/run/manifest.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { makeOutput, planOf } from './output.ts';

const patchFile = (split: string, shard: number, patches: number, dim = 8, dir = 'shards') => ({
  path: `${dir}/${split}-${String(shard).padStart(6, '0')}.safetensors`,
  bytes: 1000,
  sha256: 'a'.repeat(64),
  info: { format: 'blt_patches_v3', split, shard, patches, bytes: patches * 3, dim, documents: 1 },
});

const commit = (split: string, shards: number[], dim = 8): CommitRecord => ({
  split,
  artefacts: shards.map((patches, i) => patchFile(split, i, patches, dim)),
  counts: { documents: shards.length, patches: shards.reduce((a, b) => a + b, 0) },
  rejects: 1,
});

describe('manifest', () => {
  it('tells how the shards of all splits make up one array', () => {
    const { jax } = buildManifest(planOf(2), [commit('00000', [10, 5]), commit('00001', [7])]);
    expect(jax).toEqual([
      {
        tensor: 'embeddings',
        dtype: 'float32',
        global_shape: [22, 8],
        axis: 0,
        shards: [
          { path: 'shards/00000-000000.safetensors', index: 0, start: 0, end: 10, byte_start: 0, byte_end: 30 },
          { path: 'shards/00000-000001.safetensors', index: 1, start: 10, end: 15, byte_start: 30, byte_end: 45 },
          { path: 'shards/00001-000000.safetensors', index: 2, start: 15, end: 22, byte_start: 45, byte_end: 66 },
        ],
      },
    ]);
  });

  it('says what shards without float32 embeddings have in their place', () => {
    const quantized = {
      format: 'blt_patches_v3_quantized',
      quantized: { embeddings: 'pca+int8', entropy: 'variable' },
    };
    const kept = { quantized: { embeddings: 'int8' } };
    const shard = (more: object) => {
      const file = patchFile('00000', 0, 3);
      return { ...commit('00000', []), artefacts: [{ ...file, info: { ...file.info, ...more } }] };
    };
    const [table] = buildManifest(planOf(1), [shard(quantized)]).jax ?? [];
    expect(table).toMatchObject({ dtype: 'float32', quantized: 'pca+int8', global_shape: [3, 8] });
    expect(buildManifest(planOf(1), [shard(kept)]).jax?.[0]).not.toHaveProperty('quantized');
    expect(
      buildManifest(planOf(1), [shard({ format: 'blt_patches_v3_quantized', quantized: { entropy: 'variable' } })])
        .jax?.[0],
    ).not.toHaveProperty('quantized');
  });

  it('has rows that cover the array without gap, whatever the shards hold', () => {
    const splits = fc.array(fc.array(fc.nat(1000), { maxLength: 5 }), { maxLength: 6 });
    fc.assert(
      fc.property(splits, (list) => {
        const plan = planOf(list.length);
        const commits = list.map((shards, i) => commit(plan.splits[i]?.id ?? '', shards));
        const [table] = buildManifest(plan, commits).jax ?? [];
        let end = 0;
        for (const row of table?.shards ?? []) {
          expect(row.start).toBe(end);
          end = row.end;
        }
        expect(table?.global_shape[0] ?? 0).toBe(list.flat().reduce((a, b) => a + b, 0));
      }),
    );
  });

  it('is the same in whatever order commits arrived', () => {
    const commits = [commit('00000', [10, 5]), commit('00001', [7]), commit('00002', [1, 2, 3])];
    const expected = manifestText(buildManifest(planOf(3), commits));
    expect(manifestText(buildManifest(planOf(3), commits.toReversed()))).toBe(expected);
  });

  it('adds up every count, and the rejects of splits and of the plan', () => {
    const { totals } = buildManifest(planOf(2, 4), [commit('00000', [10, 5]), commit('00001', [7])]);
    expect(totals).toEqual({ documents: 3, patches: 22, rejects: 6, left_out: 4 });
  });

  it('lists all artefacts by path with the split that made them, and how the model was called', () => {
    const manifest = buildManifest(planOf(2), [commit('00001', [7]), commit('00000', [10, 5])]);
    expect(manifest.artefacts.map(({ path: file, split }) => [file, split])).toEqual([
      ['shards/00000-000000.safetensors', '00000'],
      ['shards/00000-000001.safetensors', '00000'],
      ['shards/00001-000000.safetensors', '00001'],
    ]);
    expect(manifest.stages).toEqual([{ name: 'embed', options: { model: 'tiny' }, identity: { sha256: 'ab' } }]);
  });

  it('keeps folders of shards apart, and leaves out one whose embeddings differ in width', () => {
    const mixed: CommitRecord = {
      ...commit('00000', []),
      artefacts: [patchFile('00000', 0, 3), patchFile('00000', 0, 4, 8, 'docs'), patchFile('00000', 1, 2, 16)],
    };
    const { jax } = buildManifest(planOf(1), [mixed]);
    expect(jax?.map((table) => [table.global_shape, table.shards.map((row) => row.path)])).toEqual([
      [[4, 8], ['docs/00000-000000.safetensors']],
    ]);
    expect(buildManifest(planOf(1), [commit('00000', [])])).not.toHaveProperty('jax');
  });

  it('is the same bytes for the same run', async () => {
    const [one, other] = [await makeOutput(), await makeOutput()];
    const read = (root: string) => readFile(path.join(root, 'manifest.json'), 'utf8');
    expect(await read(other)).toBe(await read(one));
  });
});

describe('commit records', () => {
  const write = async (value: unknown): Promise<string> => {
    const root = await makeOutput([[{ segments: [[1]] }]]);
    await writeFile(path.join(root, 'commits/00000.json'), typeof value === 'string' ? value : JSON.stringify(value));
    return root;
  };

  it('are read back as they were written', async () => {
    const record = commit('00000', [10, 5]);
    expect(await readCommit(await write(record), '00000')).toEqual(record);
  });

  it('are undefined where a split has not been committed', async () => {
    expect(await readCommit(await temporaryFolder(), '00000')).toBeUndefined();
  });

  it.each([
    ['half a file', '{"split":"00000"'],
    ['another split', { ...commit('00001', []) }],
    ['no artefacts', { split: '00000', counts: {}, rejects: 0 }],
    ['a hash that is none', { ...commit('00000', []), artefacts: [{ ...patchFile('00000', 0, 1), sha256: 'x' }] }],
    [
      'a path out of the folder',
      { ...commit('00000', []), artefacts: [{ ...patchFile('00000', 0, 1), path: '../x' }] },
    ],
    ['a count that is no number', { ...commit('00000', []), counts: { patches: '1' } }],
    ['a negative size', { ...commit('00000', []), artefacts: [{ ...patchFile('00000', 0, 1), bytes: -1 }] }],
  ])('are refused with %s', async (_, value) => {
    await expect(readCommit(await write(value), '00000')).rejects.toMatchObject({
      name: 'OutputError',
      code: 'BAD_COMMIT',
    });
  });
});
