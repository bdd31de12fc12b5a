import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jaxPipeline, jaxRanges } from '../../src/export/jax.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { makeOutput, twoSplits } from '../run/output.ts';
import { floats, parseSafetensors, tensor } from '../sinks/consumer.ts';
import { patchesOf, temporaryFolder } from '../sinks/flow.ts';
import { corpus, f3, f5, oldDocument, pooledStates } from '../support/oldLayouts.ts';
import { hashTree } from '../support/tree.ts';

async function exported(inputs: readonly string[], options: Parameters<typeof jaxPipeline>[1]) {
  const output = path.join(await temporaryFolder(), 'out');
  const summary = await run(await jaxPipeline(inputs, options), { output, workers: 2 });
  const index = JSON.parse(await readFile(path.join(output, 'jax/jax.json'), 'utf8'));
  const shards = await Promise.all(
    index.shards.map(async (shard: { path: string }) => readFile(path.join(output, 'jax', shard.path))),
  );
  return { output, summary, index, shards: shards as Buffer[] };
}

const ints = (bytes: Buffer): number[] => Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readInt32LE(4 * i));

describe('ranges', () => {
  it('cover all patches once, in order, in shards of equal length', () => {
    fc.assert(
      fc.property(
        fc.nat(500),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        fc.boolean(),
        (patches, n, bySize, pad) => {
          const ranges = jaxRanges(patches, bySize ? { shardSize: n, pad } : { shards: n, pad });
          let at = 0;
          for (const { start, end, rows, index } of ranges) {
            expect(ranges[index]?.start).toBe(start);
            expect(start).toBe(at);
            expect(end - start).toBeLessThanOrEqual(rows);
            at = end;
          }
          expect(at).toBe(patches);
          if (pad) expect(new Set(ranges.map(({ rows }) => rows)).size).toBe(1);
          if (!bySize) expect(ranges).toHaveLength(n);
          if (bySize && pad) expect(ranges[0]?.rows).toBe(n);
        },
      ),
    );
  });
});

describe('a JAX export', () => {
  const values = twoSplits.flatMap((documents) => patchesOf(documents));
  const all = (name: 'embeddings' | 'prominence' | 'entropy' | 'lengths' | 'bytes'): number[] =>
    values.flatMap((value) => [...value[name]]);

  it.each([1, 2, 7, 45])('of %i shards holds every patch once, and tells which rows are real', async (count) => {
    const { output, summary, index, shards } = await exported([await makeOutput()], { shards: count });
    const rows = Math.ceil(407 / count);
    expect(index).toMatchObject({
      format: 'sluice_jax_index_v1',
      axis: 0,
      num_shards: count,
      padded: true,
      valid_rows: 407,
      arrays: {
        embeddings: { dtype: 'float32', global_shape: [rows * count, 4] },
        mask: { global_shape: [rows * count] },
      },
    });
    const read = { embeddings: [] as number[], prominence: [] as number[], patch_entropies: [] as number[] };
    const [lengths, bytes, mask] = [[] as number[], [] as number[], [] as number[]];
    for (const [i, shard] of shards.entries()) {
      const { metadata, entries } = parseSafetensors(shard);
      expect([...entries.keys()]).toEqual([
        'embeddings',
        'patch_entropies',
        'prominence',
        'patch_lengths',
        'bytes',
        'mask',
      ]);
      expect(JSON.parse(metadata['sharding_info'] ?? '')).toEqual({
        global_shape: [rows * count, 4],
        shard_index: i,
        num_shards: count,
        process_index: i,
        axis: 0,
      });
      expect(tensor(shard, 'embeddings', 'F32').shape).toEqual([rows, 4]);
      for (const name of ['embeddings', 'prominence', 'patch_entropies'] as const)
        read[name].push(...floats(tensor(shard, name, 'F32').bytes));
      const own = ints(tensor(shard, 'patch_lengths', 'I32').bytes);
      lengths.push(...own);
      const content = tensor(shard, 'bytes', 'U8').bytes;
      expect(own.reduce((sum, length) => sum + length, 0)).toBe(content.length);
      bytes.push(...content);
      mask.push(...tensor(shard, 'mask', 'U8').bytes);
      expect(index.shards[i]).toMatchObject({
        path: `patches_shard_${i}_of_${count}.safetensors`,
        process_index: i,
        start: i * rows,
        end: (i + 1) * rows,
      });
    }
    const padding = rows * count - 407;
    expect(read.embeddings).toEqual([...all('embeddings'), ...Array(4 * padding).fill(0)]);
    expect(read.prominence).toEqual([...all('prominence'), ...Array(padding).fill(0)]);
    expect(read.patch_entropies).toEqual([...all('entropy'), ...Array(padding).fill(0)]);
    expect(lengths).toEqual([...all('lengths'), ...Array(padding).fill(0)]);
    expect(bytes).toEqual(all('bytes'));
    expect(mask).toEqual([...Array(407).fill(1), ...Array(padding).fill(0)]);
    expect(summary.counts).toMatchObject({ patches: 407, bytes: 2822 });
    expect(await verifyOutput(output)).toMatchObject({ ok: true });
  });

  it('without padding ends in a shorter shard, and says so', async () => {
    const { index, shards } = await exported([await makeOutput()], { shardSize: 100, pad: false });
    expect(index).toMatchObject({ padded: false, arrays: { embeddings: { global_shape: [407, 4] } } });
    expect(index.arrays.mask).toBeUndefined();
    expect(shards.map((shard) => tensor(shard, 'embeddings', 'F32').shape[0])).toEqual([100, 100, 100, 100, 7]);
    expect(index.shards.at(-1)).toMatchObject({ start: 400, end: 407, valid_rows: 7 });
    expect(parseSafetensors(shards[4]!).entries.has('mask')).toBe(false);
  });

  it('writes the same bytes again, and goes on where tasks are missing', async () => {
    const root = await makeOutput();
    const first = await exported([root], { shards: 3 });
    const wanted = await hashTree(first.output);
    expect(await hashTree((await exported([root], { shards: 3 })).output)).toEqual(wanted);
    for (const gone of ['manifest.json', 'commits/jax/shard-000001.json', 'jax/patches_shard_1_of_3.safetensors'])
      await rm(path.join(first.output, gone));
    await run(await jaxPipeline([root], { shards: 3 }), { output: first.output });
    expect(await hashTree(first.output)).toEqual(wanted);
  });

  it('takes files of any layout that has what arrays need', async () => {
    const folder = await temporaryFolder();
    const [a, b] = [oldDocument([3, 1, 4]), oldDocument([2, 2], 3, 5)];
    await writeFile(path.join(folder, 'a.safetensors'), f3(a));
    await writeFile(path.join(folder, 'b.safetensors'), f5(b));
    const { shards } = await exported([folder], { shards: 2 });
    const embeddings = shards.flatMap((shard) => [...floats(tensor(shard, 'embeddings', 'F32').bytes)]);
    for (const [i, value] of [...pooledStates(a), ...pooledStates(b)].entries())
      expect(embeddings[i]).toBeCloseTo(value, 4);
    await writeFile(path.join(folder, 'c.safetensors'), corpus(oldDocument([1], 5)));
    await expect(jaxPipeline([folder], { shards: 2 })).rejects.toMatchObject({ code: 'MIXED_DIMS' });
  });

  it.each([{}, { shards: 1, shardSize: 1 }, { shards: 0 }, { shardSize: 1.5 }])(
    'needs one size: %j',
    async (options) => {
      await expect(jaxPipeline(['x'], options)).rejects.toMatchObject({ code: 'BAD_SHARDS' });
    },
  );
});
