import { readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { map } from 'rxjs';
import { openHypergraph } from 'sluice/hypergraph';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { allocatePipeline } from '../../src/allocate/pipeline.ts';
import { exportCommand } from '../../src/cli/commands/export.ts';
import { jaxPipeline } from '../../src/export/jax.ts';
import { parseSafetensorsHeader } from '../../src/formats/safetensors/read.ts';
import { openLayout } from '../../src/layouts/index.ts';
import { readQuantizers } from '../../src/quantization/quantizerFile.ts';
import type { Patches } from '../../src/records.ts';
import { definePipeline } from '../../src/run/definition.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { hypergraph, safetensors, signals } from '../../src/sinks/index.ts';
import { quantized, quantizerOf } from '../layouts/quantizedFlow.ts';
import { floats, tensor } from '../sinks/consumer.ts';
import { type Sketch, temporaryFolder } from '../sinks/flow.ts';
import { sketched } from '../support/graphs.ts';

const SHARD_BYTES = 16_384;

/** Two splits: in the second a document goes on over several shards. */
const splits: Sketch[][] = [
  [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [[5, 6]] }],
  [{ segments: [Array(300).fill(7)] }, { segments: [[1, 1]], derived: 'utf-16le -> utf-8' }],
];

/** An output of a run whose patches are changed by this before they are written. */
async function outputOf(change: (value: Patches) => Patches): Promise<string> {
  const output = path.join(await temporaryFolder(), 'out');
  const options = { shardBytes: SHARD_BYTES };
  const pipeline = definePipeline('quantized', sketched(splits))
    .pipe(map(change))
    .to(safetensors('shards', options), hypergraph('shards', options), signals('shards', options));
  await run(pipeline, { output, workers: 1 });
  return output;
}

const SCHEMES = ['int8', 'pca:2', 'pq:2'] as const;
const quantizers = new Map(SCHEMES.map((to) => [to as string, quantizerOf(to)]));
const prominence = quantizerOf({ scheme: 'int8', scales: 'f32' }, 1);

const one = (value: Patches, to: string): Patches => {
  const [only = value] = quantized([value], { embeddings: quantizers.get(to), prominence, norms: prominence });
  return only;
};

/** The same as float32: what readers are to get. */
const plain = (value: Patches, to: string): Patches => {
  const [embeddings, weights, norms] = (one(value, to).quantized ?? []).map(({ quantizer, encoded }) =>
    quantizer.decode(encoded),
  );
  return {
    ...value,
    ...(embeddings && { embeddings }),
    ...(weights && { prominence: weights }),
    ...(norms && { norms }),
  };
};

const outputs = new Map<string, { readonly quantized: string; readonly decoded: string }>();
beforeAll(async () => {
  for (const to of SCHEMES) {
    const made = { quantized: await outputOf((value) => one(value, to)), decoded: await outputOf((v) => plain(v, to)) };
    outputs.set(to, made);
  }
});
afterAll(async () => {
  for (const made of outputs.values())
    for (const root of Object.values(made)) await rm(path.dirname(root), { recursive: true, force: true });
});

const output = (to: string): { readonly quantized: string; readonly decoded: string } => {
  const made = outputs.get(to);
  if (made === undefined) throw new Error(`no output of ${to}`);
  return made;
};

async function exported(inputs: readonly string[], to: string, ...flags: readonly string[]): Promise<string> {
  const made = path.join(await temporaryFolder(), 'export');
  const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const args = [...inputs, '--to', to, '--output', made, '--progress', 'off', ...flags];
    await exportCommand().exitOverride().parseAsync(args, { from: 'user' });
    expect(process.exitCode ?? 0).toBe(0);
    expect([to, await verifyOutput(made)]).toEqual([to, expect.objectContaining({ findings: [], ok: true })]);
    return made;
  } finally {
    process.exitCode = 0;
    spy.mockRestore();
  }
}

/** Files of the folders that sinks write to, by name. */
async function contentOf(root: string): Promise<Map<string, string>> {
  const names = await readdir(root, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const own = files.filter((file) => !/\/commits\/|(plan|manifest)\.json$/.test(file)).sort();
  const read = own.map(
    async (file): Promise<[string, string]> => [path.relative(root, file), await readFile(file, 'base64')],
  );
  return new Map(await Promise.all(read));
}

const targets: readonly (readonly [to: string, flags: readonly string[]])[] = [
  ['safetensors', ['--signals', '--shard-bytes', String(SHARD_BYTES)]],
  ['webdataset', []],
  ['parquet', ['--compression', 'none']],
  ['jsonl', ['--embeddings', 'list']],
  ['sqlite', []],
  ['npz', []],
  ['jax', ['--num-shards', '3']],
];

describe('an export of a quantized output', () => {
  it.each(['int8', 'pq:2'] as const)('is that of the values it decodes to, in every layout: %s', async (scheme) => {
    const { quantized: coded, decoded } = output(scheme);
    for (const [to, flags] of targets) {
      const [ours, wanted] = [await exported([coded], to, ...flags), await exported([decoded], to, ...flags)];
      const [a, b] = [await contentOf(ours), await contentOf(wanted)];
      expect([to, [...a.keys()]]).toEqual([to, [...b.keys()]]);
      for (const [name, bytes] of a) expect(bytes === b.get(name), name).toBe(true);
    }
  });

  it('as JSON has the graph of every shard, whatever its patches are kept in', async () => {
    const made = await exported([output('pq:2').quantized], 'json');
    const graphs = [...(await contentOf(path.join(made, 'json'))).values()];
    const leaves = graphs.flatMap((graph) => {
      const { nodes } = JSON.parse(Buffer.from(graph, 'base64').toString()) as { nodes: readonly object[] };
      return nodes.filter((node) => 'Leaf' in node);
    });
    expect(graphs).toHaveLength((await readdir(path.join(output('pq:2').quantized, 'shards'))).length / 3);
    expect(leaves).toHaveLength(splits.flat(3).flatMap(({ segments }) => segments.flat()).length);
  });

  it.each(SCHEMES)('as it is stored: the same shards again, byte for byte: %s', async (scheme) => {
    const { quantized: coded } = output(scheme);
    const made = await exported(
      [coded],
      'safetensors',
      '--signals',
      '--shard-bytes',
      String(SHARD_BYTES),
      '--as-stored',
    );
    const [ours, wanted] = [await contentOf(path.join(made, 'shards')), await contentOf(path.join(coded, 'shards'))];
    expect([...ours.keys()]).toEqual([...wanted.keys()]);
    for (const [name, bytes] of ours) if (!name.endsWith('.db')) expect(bytes === wanted.get(name), name).toBe(true);
  });

  it.each(SCHEMES)('as it is stored: archives that are read as what they decode to: %s', async (scheme) => {
    const { quantized: coded, decoded } = output(scheme);
    const made = await exported([coded], 'webdataset', '--as-stored');
    const isTrained = scheme !== 'int8';
    expect((await readdir(made)).includes('quantizer')).toBe(isTrained);
    const read = async (folder: string, ending: string): Promise<number[]> => {
      const embeddings: number[] = [];
      for (const name of (await readdir(folder))
        .filter((one) => one.endsWith(ending) && !one.includes('.signals.'))
        .sort()) {
        const layout = await openLayout(path.join(folder, name));
        for await (const { table, firstPatch: from, patches } of layout.documents())
          for await (const rows of table.rows({ from, to: from + patches }))
            embeddings.push(...(rows.embeddings ?? []));
        await layout.close();
      }
      return embeddings;
    };
    expect(await read(path.join(made, 'wds'), '.tar')).toEqual(
      await read(path.join(decoded, 'shards'), '.safetensors'),
    );
    if (!isTrained) return;
    const learned = await readQuantizers(path.join(made, 'quantizer/quantizer.safetensors'));
    expect(learned.quantizers.get('embeddings')?.trained).toEqual(quantizerOf(scheme).trained);
    // and back again, from the archives
    const back = await exported([path.join(made, 'wds')], 'safetensors', '--as-stored');
    expect(await read(path.join(back, 'shards'), '.safetensors')).toEqual(
      await read(path.join(decoded, 'shards'), '.safetensors'),
    );
  });

  it('as it is stored: refused where one export would have several quantizers', async () => {
    const [a, b] = [output('pca:2').quantized, output('pq:2').quantized];
    const options = { output: path.join(await temporaryFolder(), 'jax'), workers: 1 };
    await expect(run(await jaxPipeline([a, b], { shards: 2, asStored: true }), options)).rejects.toMatchObject({
      code: 'MIXED_QUANTIZERS',
    });
    await expect(exported([a, b], 'webdataset', '--as-stored')).rejects.toMatchObject({ code: 'MIXED_QUANTIZERS' });
  });
});

describe('a JAX export of parts as they are stored', () => {
  it('shards parts by rows, pads them, and has what was learned whole in every shard', async () => {
    const quantizer = quantizerOf('pq:2');
    const made = await exported([output('pq:2').quantized], 'jax', '--num-shards', '4', '--as-stored');
    const index = JSON.parse(await readFile(path.join(made, 'jax/jax.json'), 'utf8'));
    const patches = splits.flat(3).flatMap(({ segments }) => segments.flat()).length;
    const rows = Math.ceil(patches / 4);
    expect(index).toMatchObject({
      valid_rows: patches,
      arrays: {
        'embeddings.codes': { dtype: 'uint8', global_shape: [4 * rows, 2] },
        'embeddings.pq.codebooks': { dtype: 'float32', global_shape: [2, 256, 2], replicated: true },
        'prominence.codes': { dtype: 'int8', global_shape: [4 * rows, 1] },
        patch_entropies: { dtype: 'float32', global_shape: [4 * rows] },
        patch_lengths: { dtype: 'int32' },
        mask: { dtype: 'uint8' },
      },
      quantization: { embeddings: { chain: [{ scheme: 'pq' }], columns: 4 } },
    });
    expect(index.arrays.embeddings).toBeUndefined();
    const content = (bytes: Buffer, name: string): Buffer => {
      const { offset = 0, length = 0 } = parseSafetensorsHeader(bytes, bytes.length).tensors.get(name) ?? {};
      return bytes.subarray(offset, offset + length);
    };
    const codes: Buffer[] = [];
    for (const shard of index.shards) {
      const bytes = await readFile(path.join(made, 'jax', shard.path));
      const { tensors: entries, metadata } = parseSafetensorsHeader(bytes, bytes.length);
      // every tensor but the bytes is in the table, with its shape
      expect([...entries.keys()].filter((name) => name !== 'bytes').sort()).toEqual(Object.keys(index.arrays).sort());
      for (const [name, { shape }] of entries) {
        if (name === 'bytes') continue;
        const { global_shape: global, replicated } = index.arrays[name];
        expect([name, shape]).toEqual([name, replicated ? global : [rows, ...global.slice(1)]]);
      }
      expect(JSON.parse(metadata['quantization'] ?? '')).toEqual(index.quantization);
      expect([...floats(content(bytes, 'embeddings.pq.codebooks'))]).toEqual([...(quantizer.trained[0]?.values ?? [])]);
      codes.push(content(bytes, 'embeddings.codes'));
    }
    const all = Buffer.concat(codes);
    expect(all.subarray(2 * patches)).toEqual(Buffer.alloc(2 * (4 * rows - patches)));
    const wanted = await exported([output('pq:2').decoded], 'jax', '--num-shards', '1');
    const single = await readFile(path.join(wanted, 'jax/patches_shard_0_of_1.safetensors'));
    expect([...quantizer.decode([all.subarray(0, 2 * patches)])]).toEqual([
      ...floats(tensor(single, 'embeddings', 'F32').bytes),
    ]);
  });
});

describe('what else reads shards', () => {
  it.each(SCHEMES)('hypergraph: patches have the embeddings that are decoded: %s', async (scheme) => {
    const { quantized: coded, decoded } = output(scheme);
    const [ours, wanted] = [await openHypergraph(coded), await openHypergraph(decoded)];
    for (const document of wanted.documents()) {
      const patches = [...wanted.patches(document, { embeddings: true, bytes: true })];
      const own = [...ours.patches(document.id, { embeddings: true, bytes: true })];
      expect(own.map(({ embedding, bytes }) => [embedding, bytes])).toEqual(
        patches.map(({ embedding, bytes }) => [embedding, bytes]),
      );
    }
    ours.close();
    wanted.close();
  });

  it.each(SCHEMES)('allocate: spheres are those of the decoded values: %s', async (scheme) => {
    const { quantized: coded, decoded } = output(scheme);
    const spheres: Buffer[][] = [];
    for (const root of [coded, decoded]) {
      const made = path.join(await temporaryFolder(), 'out');
      const pipeline = await allocatePipeline([root], { method: 'entropy', formats: ['safetensors'] });
      await run(pipeline, { output: made, workers: 1 });
      const files = [...(await contentOf(path.join(made, 'sphere')))].filter(([name]) => name.endsWith('.safetensors'));
      const shards = files.map(([, content]) => Buffer.from(content, 'base64'));
      const all = (name: string) => Buffer.concat(shards.map((shard) => tensor(shard, name, 'F32').bytes));
      spheres.push(['embeddings', 'prominence', 'radii', 'sphere_coords', 'phi', 'theta'].map(all));
    }
    expect(spheres[0]).toEqual(spheres[1]);
  });

  it('files of single documents: by the quantizer that is named, where theirs is not there', async () => {
    const source = output('pca:2');
    const made = await exported([source.quantized], 'safetensors', '--as-stored', '--layout', 'document');
    const learned = path.join(made, 'quantizer/quantizer.safetensors');
    const elsewhere = path.join(await temporaryFolder(), 'learned.safetensors');
    await rename(learned, elsewhere);
    const shards = path.join(made, 'shards');
    const bytesOf = async (inputs: readonly string[], quantizer?: string): Promise<Buffer> => {
      const target = path.join(await temporaryFolder(), 'out');
      await run(await jaxPipeline(inputs, { shards: 1, quantizer }), { output: target, workers: 1 });
      return readFile(path.join(target, 'jax/patches_shard_0_of_1.safetensors'));
    };
    expect(await bytesOf([shards], elsewhere)).toEqual(await bytesOf([source.decoded]));
    await expect(bytesOf([shards])).rejects.toMatchObject({ code: 'NO_QUANTIZER' });
    await expect(allocatePipeline([shards], { quantizer: `${elsewhere}.no` })).rejects.toMatchObject({
      code: 'NO_QUANTIZER',
    });
  });
});
