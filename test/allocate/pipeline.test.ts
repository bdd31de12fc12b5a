import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { allocate } from '../../src/allocate/allocate.ts';
import { type AllocateRun, allocatePipeline } from '../../src/allocate/pipeline.ts';
import { parseNpy } from '../../src/formats/npy.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { makeOutput, twoSplits } from '../run/output.ts';
import { floats, parseSafetensors, tensor } from '../sinks/consumer.ts';
import { patchesOf, temporaryFolder } from '../sinks/flow.ts';
import { f1, f2, f4, oldDocument, pooled, pooledStates } from '../support/oldLayouts.ts';
import { hashTree } from '../support/tree.ts';
import { unzipStored } from '../support/zip.ts';

interface Arrays {
  readonly [name: string]: { readonly shape: readonly number[]; readonly values: number[] };
}

function arraysOf(file: Buffer): Arrays {
  return Object.fromEntries(
    unzipStored(file).map(({ name, content }) => {
      const { type, shape, data } = parseNpy(content);
      const view = Buffer.from(data);
      const values = Array.from({ length: view.length / 4 }, (_, i) =>
        type === '<i4' ? view.readInt32LE(4 * i) : view.readFloatLE(4 * i),
      );
      return [name.replace('.npy', ''), { shape, values }];
    }),
  );
}

async function allocated(inputs: readonly string[], options: AllocateRun = {}) {
  const output = path.join(await temporaryFolder(), 'out');
  const summary = await run(await allocatePipeline(inputs, options), { output, workers: 2 });
  const index = JSON.parse(await readFile(path.join(output, 'sphere/sphere.json'), 'utf8'));
  const arrays = async (): Promise<Arrays[]> =>
    Promise.all(
      index.files.map(async ({ files }: { files: string[] }) =>
        arraysOf(await readFile(path.join(output, 'sphere', files[0] ?? ''))),
      ),
    );
  return { output, summary, index, arrays };
}

const values = twoSplits.flatMap((documents) => patchesOf(documents));
const all = (name: 'prominence' | 'entropy' | 'embeddings'): Float32Array =>
  Float32Array.from(values.flatMap((value) => [...value[name]]));

describe('an allocation', () => {
  it.each(['osmotic', 'energy', 'entropy'] as const)(
    'by %s is one over all shards, written shard by shard',
    async (method) => {
      const { output, index, arrays, summary } = await allocated([await makeOutput()], { method });
      expect(summary.counts).toMatchObject({ patches: 407, bytes: 2822 });
      expect(index).toMatchObject({ format: 'sluice_sphere_index_v1', patches: 407, undirected: 0, scope: 'all' });
      expect(index.settings).toMatchObject({ method, direction: 'outward', rMin: 32, rMax: 512 });
      const files = await arrays();
      expect(files.length).toBeGreaterThan(1);
      const column = (name: string): number[] => files.flatMap((file) => file[name]?.values ?? []);
      const expected = allocate(all('prominence'), all('entropy'), { method });
      expect(column('radii')).toEqual([...expected.radii]);
      expect(column('r')).toEqual([...expected.radii]);
      expect(column('shells')).toEqual([...expected.shells]);
      expect(column('original_prominence')).toEqual([...all('prominence')]);
      expect(column('original_entropies')).toEqual([...all('entropy')]);
      const embeddings = all('embeddings');
      const coords = column('sphere_coords');
      expect(coords).toHaveLength(407 * 4);
      for (let p = 0; p < 407; p += 41) {
        const [own, given] = [coords.slice(4 * p, 4 * p + 4), embeddings.slice(4 * p, 4 * p + 4)];
        const [length, norm] = [Math.hypot(...own), Math.hypot(...given)];
        expect(length).toBeCloseTo(expected.radii[p] ?? 0, 2);
        for (const [d, x] of own.entries()) expect(x / length).toBeCloseTo((given[d] ?? 0) / norm, 5);
      }
      expect(files[0]?.['cartesian']?.shape).toEqual([files[0]?.['theta']?.shape[0], 3]);
      expect(await verifyOutput(output)).toMatchObject({ ok: true });
    },
  );

  it('writes safetensors under the names that the older viewer asks for', async () => {
    const { output } = await allocated([await makeOutput()], { formats: ['safetensors'] });
    const file = await readFile(path.join(output, 'sphere/sphere_00000-000000.safetensors'));
    const { entries, metadata } = parseSafetensors(file);
    expect([...entries.keys()]).toEqual(['embeddings', 'phi', 'prominence', 'radii', 'sphere_coords', 'theta']);
    expect(metadata).toEqual({ format: 'sluice_sphere_v1', embed_dim: '4', num_patches: '5' });
    expect([...floats(tensor(file, 'prominence', 'F32').bytes)]).toEqual([...all('prominence').subarray(0, 5)]);
  });

  it('pools older files, and can take each by itself', async () => {
    const folder = await temporaryFolder();
    const [a, b] = [oldDocument([3, 1, 4, 2]), oldDocument([2, 2, 5], 3, 5)];
    await writeFile(path.join(folder, 'a.safetensors'), f1(a));
    await writeFile(path.join(folder, 'b.safetensors'), f2(b));
    const { arrays, output } = await allocated([folder], { scope: 'file', method: 'energy' });
    const [first, second] = await arrays();
    const norms = Float32Array.from(pooled(a.lengths, a.norms));
    expect(first?.['radii']?.values).toEqual([...allocate(norms, undefined, { method: 'energy' }).radii]);
    // an F1 file says nothing of entropies, and neither does what comes of it
    expect(Object.keys(first ?? {})).not.toContain('original_entropies');
    expect(Object.keys(first ?? {})).not.toContain('original_coherence');
    expect(second?.['original_coherence']?.values).toHaveLength(3);
    const coords = second?.['sphere_coords']?.values ?? [];
    const states = pooledStates(b).slice(0, 3);
    for (const [d, x] of coords.slice(0, 3).entries())
      expect(x / Math.hypot(...coords.slice(0, 3))).toBeCloseTo((states[d] ?? 0) / Math.hypot(...states), 4);
    expect(await verifyOutput(output)).toMatchObject({ ok: true });
    await expect(allocated([folder], { scope: 'file', method: 'entropy' })).rejects.toMatchObject({
      code: 'NO_SIGNALS',
    });
  });

  it('is the same again, and goes on where files are gone', async () => {
    const root = await makeOutput();
    const { output } = await allocated([root], { method: 'entropy', direction: 'inward' });
    const wanted = await hashTree(output);
    for (const gone of ['manifest.json', 'commits/sphere/place-000001.json', 'sphere/sphere_00001-000000.npz'])
      await rm(path.join(output, gone));
    await run(await allocatePipeline([root], { method: 'entropy', direction: 'inward' }), { output });
    expect(await hashTree(output)).toEqual(wanted);
  });

  it('names the file and the row of a value that is no number, and a file that changes meanwhile', async () => {
    const folder = await temporaryFolder();
    const document = oldDocument([3, 1, 4]);
    const file = path.join(folder, 'a.safetensors');
    await writeFile(file, f2({ ...document, norms: document.norms.map((norm, i) => (i === 3 ? Number.NaN : norm)) }));
    await expect(allocated([folder])).rejects.toMatchObject({ code: 'BAD_VALUE', path: file, position: { row: 1 } });
    await writeFile(file, f2(document));
    const pipeline = await allocatePipeline([folder]);
    const output = path.join(await temporaryFolder(), 'out');
    await run(pipeline, { output });
    await rm(path.join(output, 'commits/sphere'), { recursive: true });
    await utimes(file, 1, 1);
    await expect(run(pipeline, { output })).rejects.toMatchObject({ code: 'INPUT_CHANGED', path: file });
    await writeFile(file, f4(document));
    await expect(allocated([folder])).rejects.toMatchObject({ code: 'NO_SIGNALS', path: file });
  });
});
