import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { lastValueFrom, map, toArray } from 'rxjs';
import { definePipeline, type Patches } from 'sluice';
import { describe, expect, it } from 'vitest';
import { pull } from '../../src/flow/index.ts';
import { embed, patch, pretokenize, type QuantizeOptions, quantize } from '../../src/operators/index.ts';
import { openQuantizer, resolveChain, trainQuantizer } from '../../src/quantization/index.ts';
import { readQuantizers, writeQuantizers } from '../../src/quantization/quantizerFile.ts';
import { inspectOutput } from '../../src/report/inspect.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { safetensors, signals } from '../../src/sinks/index.ts';
import { files } from '../../src/sources/index.ts';
import { patchesOf, temporaryFolder } from '../sinks/flow.ts';
import { hashTree } from '../support/tree.ts';
import { readSafetensors } from './quantize/files.ts';

const documents = [
  { segments: [[3, 1, 4]] },
  {
    segments: [
      [1, 5],
      [9, 2, 6],
    ],
  },
];

const quantized = (values: readonly Patches[], options: QuantizeOptions): Promise<Patches[]> =>
  lastValueFrom(pull(() => values.map((value) => [value])).pipe(quantize(options), toArray()));

/** Sixty texts in one folder. */
async function texts(folder: string): Promise<string> {
  const input = path.join(folder, 'in');
  await mkdir(input);
  const words = 'the whale a ship of sea and sky in deep waters under cold moon light'.split(' ');
  for (let i = 0; i < 60; i++) {
    const text = Array.from({ length: 60 }, (_, n) => words[(i * n * 7 + i + n * n) % words.length]).join(' ');
    await writeFile(path.join(input, `${String(i).padStart(2, '0')}.txt`), `${i}: ${text}.\n`);
  }
  return input;
}

const pipelineOf = (input: string, options: QuantizeOptions) =>
  definePipeline('quantized', files(input), { splitBytes: 4096 })
    .pipe(pretokenize(), embed(), patch(), quantize(options))
    .to(safetensors('shards', { shardBytes: 1 << 20 }), signals('shards', { shardBytes: 1 << 20 }));

describe('quantize in a flow of somebody else', () => {
  it('adds what a quantizer makes of the embeddings, and leaves everything else as it is', async () => {
    const values = patchesOf(documents, 8);
    const out = await quantized(values, { to: 'int8' });
    expect(out.map(({ quantized: _, ...rest }) => rest)).toEqual(values);
    const quantizer = openQuantizer(resolveChain('int8'), 8);
    for (const value of out) {
      expect(value.quantized).toMatchObject([
        { field: 'embeddings', keep: false, encoded: quantizer.encode(value.embeddings) },
      ]);
    }
  });

  it('quantizes signals of patches and of bytes, in the order of the fields', async () => {
    const interval = [0, 8] as const;
    const signal = { scheme: 'variable', bits: 8, interval } as const;
    const [value] = await quantized(patchesOf(documents, 8), {
      to: 'int8',
      signals: { norms: signal, entropy: signal },
      keep: true,
    });
    expect(value?.quantized?.map(({ field, quantizer, keep }) => [field, quantizer.columns, keep])).toEqual([
      ['embeddings', 8, true],
      ['entropy', 1, true],
      ['norms', 1, true],
    ]);
    const [, , norms] = value?.quantized ?? [];
    const decoded = norms?.quantizer.decode(norms.encoded) ?? [];
    for (const [i, norm] of (value?.norms ?? new Float32Array()).entries()) {
      expect(Math.abs((decoded[i] ?? 0) - norm)).toBeLessThanOrEqual(8 / 254 + 1e-6);
    }
  });

  it('leaves what was quantized before it, unless it quantizes that anew', async () => {
    const values = patchesOf(documents, 8);
    const norms = { scheme: 'variable', bits: 8, interval: [0, 8] } as const;
    const twice = pull(() => values.map((value) => [value])).pipe(
      quantize({ signals: { norms, entropy: norms }, keep: true }),
      quantize({ to: 'int8', signals: { entropy: { ...norms, bits: 4 } } }),
      toArray(),
    );
    for (const value of await lastValueFrom(twice)) {
      expect(value.quantized).toMatchObject([
        { field: 'embeddings', keep: false, quantizer: { chain: [{ scheme: 'int8' }] } },
        { field: 'entropy', keep: false, quantizer: { chain: [{ options: { bits: 4 } }] } },
        { field: 'norms', keep: true, quantizer: { chain: [{ options: { bits: 8 } }] } },
      ]);
    }
  });

  it('says what has to be trained first, and takes what was trained', async () => {
    const values = patchesOf(documents, 8);
    await expect(quantized(values, { to: 'pca:2+int8' })).rejects.toMatchObject({ code: 'NEEDS_RUN' });
    const rows = Float32Array.from(values.flatMap(({ embeddings }) => [...embeddings]));
    const trained = trainQuantizer(resolveChain('pca:2+int8'), { columns: 8, rows, seed: 0 });
    const quantizer = path.join(await temporaryFolder(), 'q.safetensors');
    await writeQuantizers(quantizer, new Map([['embeddings', trained]]));
    const out = await quantized(values, { to: 'pca:2+int8', quantizer });
    expect(out.map((value) => value.quantized?.[0]?.encoded)).toEqual(
      values.map(({ embeddings }) => trained.encode(embeddings)),
    );
    await expect(quantized(values, { to: 'pca:3+int8', quantizer })).rejects.toMatchObject({ code: 'OTHER_QUANTIZER' });
    await expect(quantized(patchesOf(documents, 9), { to: 'pca:2+int8', quantizer })).rejects.toMatchObject({
      code: 'QUANTIZER_COLUMNS',
    });
  });

  it('names the document of a number that cannot be quantized', async () => {
    const values = patchesOf(documents, 8);
    values[1]!.embeddings[11] = Number.NaN;
    await expect(quantized(values, { to: 'int8' })).rejects.toMatchObject({
      code: 'QUANTIZE_VALUE',
      path: 'in/1.txt',
      message: expect.stringMatching(/embeddings of document 'doc-1'.*row 1, column 3/),
    });
  });

  it('refuses values that lack what it shall quantize', async () => {
    const values = patchesOf(documents, 8);
    const none = new Float32Array(0);
    const without = values.map((value) => ({ ...value, embeddings: none, dim: 0, norms: none, entropies: none }));
    await expect(quantized(without, { to: 'int8' })).rejects.toMatchObject({ code: 'NOTHING_TO_QUANTIZE' });
    const empty = without.map((value) => ({ ...value, lengths: new Int32Array(0), bytes: new Uint8Array(0) }));
    await expect(quantized(empty, { to: 'int8' })).rejects.toMatchObject({ code: 'NOTHING_TO_QUANTIZE' });
    const norms = { scheme: 'variable', bits: 4 } as const;
    await expect(quantized(without, { signals: { norms } })).rejects.toMatchObject({
      code: 'NOTHING_TO_QUANTIZE',
      hint: expect.stringContaining('keepSignals'),
    });
    await expect(lastValueFrom(pull(() => [['text']]).pipe(quantize({ to: 'int8' }) as never))).rejects.toMatchObject({
      code: 'WRONG_VALUES',
    });
  });

  it.each<[QuantizeOptions, string]>([
    [{}, 'BAD_OPTION'],
    [{ to: 'int9' as 'int8' }, 'BAD_OPTION'],
    [{ to: 'int8+pca' }, 'BAD_OPTION'],
    [{ to: 'pca:2+pca:1' }, 'BAD_OPTION'],
    [{ to: 'pca:two' }, 'BAD_OPTION'],
    [{ to: [] }, 'BAD_OPTION'],
    [{ to: { scheme: 'int8', scale: 'rows' } as never }, 'BAD_OPTION'],
    [{ to: { scheme: 'int8', scales: 'f16', bits: 3 } as never }, 'UNKNOWN_OPTION'],
    [{ to: 'int8', signals: { embeddings: 'int8' } as never }, 'BAD_OPTION'],
    [{ to: 'int8', signals: { entropi: 'int8' } as never }, 'BAD_OPTION'],
    [{ to: 'int8', sample: { rows: 0 } }, 'BAD_OPTION'],
    [{ to: 'int8', qualityRows: 1e6 }, 'BAD_OPTION'],
    [{ to: 'int8', dir: '../out' }, 'BAD_FOLDER'],
    [{ to: 'int8', scheme: 'pq' } as never, 'UNKNOWN_OPTION'],
  ])('refuses %j at once', (options, code) => {
    expect(() => quantize(options)).toThrow(expect.objectContaining({ code }));
  });
});

describe('quantize in a run', () => {
  it('has sinks write codes in place of numbers, and measures what that costs', async () => {
    const folder = await temporaryFolder();
    const input = await texts(folder);
    const output = path.join(folder, 'out');
    await run(pipelineOf(input, { to: 'int8' }), { output });
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });
    const plain = path.join(folder, 'plain');
    const without = definePipeline('plain', files(input), { splitBytes: 4096 })
      .pipe(pretokenize(), embed(), patch())
      .to(safetensors('shards', { shardBytes: 1 << 20 }));
    await run(without, { output: plain });
    const [coded, float] = [await readSafetensors(output), await readSafetensors(plain)];
    expect(Object.keys(coded[0] ?? {})).not.toContain('embeddings');
    const before = float.reduce((sum, tensors) => sum + (tensors['embeddings']?.length ?? 0), 0);
    const after = coded.reduce(
      (sum, tensors) =>
        sum +
        Object.entries(tensors).reduce(
          (all, [name, { length }]) => all + (name.startsWith('embeddings.') ? length : 0),
          0,
        ),
      0,
    );
    expect(before / after).toBeGreaterThanOrEqual(3.9);
    const { quantization = [] } = await inspectOutput(output);
    expect(quantization).toMatchObject([
      { tensor: 'embeddings', schemes: 'int8', columns: 128, ratio: before / after },
    ]);
    expect(quantization[0]?.quality).toMatchObject({ rows: expect.any(Number) });
    expect(quantization[0]?.quality?.cosine?.mean).toBeGreaterThanOrEqual(0.9995);
    expect(quantization[0]?.quality?.recall_at_10).toBeGreaterThanOrEqual(0.98);
    expect(await readdir(path.join(output, 'quantizer'))).toEqual(['quality.json']);
  });

  it('learns from a sample beforehand, and gives the same bytes for any number of workers', {
    timeout: 60_000,
  }, async () => {
    const folder = await temporaryFolder();
    const input = await texts(folder);
    const options: QuantizeOptions = {
      to: 'pca:16+int8',
      signals: { entropies: { scheme: 'variable', bits: 8, range: 'minmax' } },
      sample: { rows: 1024, splits: 3 },
    };
    const outputs = [1, 2, 3].map((workers) => ({ workers, output: path.join(folder, `out-${workers}`) }));
    for (const { workers, output } of outputs) await run(pipelineOf(input, options), { output, workers });
    const [first, ...others] = await Promise.all(outputs.map(({ output }) => hashTree(output)));
    for (const other of others) expect(other).toEqual(first);
    const output = path.join(folder, 'out-1');
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });
    const { quantizers } = await readQuantizers(path.join(output, 'quantizer/quantizer.safetensors'));
    expect([...quantizers.keys()].sort()).toEqual(['embeddings', 'entropies']);
    const commit = JSON.parse(await readFile(path.join(output, 'commits/quantizer/train-0.json'), 'utf8'));
    expect(commit.counts).toMatchObject({ embeddings_rows: 1024, entropies_rows: 1024 });
    const passes = (await readdir(path.join(output, 'commits/quantizer'))).filter((name) => name.startsWith('sample-'));
    expect(passes.length).toBe(3);
  });

  it('takes over what was trained before, to the same codes, without reading its input twice', async () => {
    const folder = await temporaryFolder();
    const input = await texts(folder);
    const [first, second] = ['first', 'second'].map((name) => path.join(folder, name)) as [string, string];
    await run(pipelineOf(input, { to: 'pq:16', sample: { rows: 512 } }), { output: first });
    const quantizer = path.join(first, 'quantizer/quantizer.safetensors');
    await run(pipelineOf(input, { to: 'pq:16', sample: { rows: 512 }, quantizer }), { output: second });
    expect(await readSafetensors(second)).toEqual(await readSafetensors(first));
    expect((await readdir(path.join(second, 'commits/quantizer'))).sort()).toEqual(['measure-0.json', 'train-0.json']);
    expect(await verifyOutput(second)).toMatchObject({ ok: true, findings: [] });
  });

  it('refuses to go on with another quantizer under the same name', async () => {
    const folder = await temporaryFolder();
    const input = await texts(folder);
    const output = path.join(folder, 'out');
    const quantizer = path.join(folder, 'q.safetensors');
    const train = async (seed: number): Promise<void> => {
      const rows = Float32Array.from({ length: 128 * 300 }, (_, i) => Math.sin(i * (seed + 1)));
      const trained = trainQuantizer(resolveChain('pca:4'), { columns: 128, rows, seed });
      await writeQuantizers(quantizer, new Map([['embeddings', trained]]));
    };
    await train(0);
    await run(pipelineOf(input, { to: 'pca:4', quantizer }), { output });
    await train(1);
    await expect(run(pipelineOf(input, { to: 'pca:4', quantizer }), { output })).rejects.toMatchObject({
      code: 'OTHER_PLAN',
    });
  });

  it('tells where there is nothing to learn from', async () => {
    const folder = await temporaryFolder();
    const input = path.join(folder, 'in');
    await mkdir(input);
    await writeFile(path.join(input, 'empty.txt'), '');
    await expect(run(pipelineOf(input, { to: 'pca:4' }), { output: path.join(folder, 'out') })).rejects.toMatchObject({
      code: 'QUANTIZE_SAMPLE',
    });
  });

  it('lets operators behind it see the numbers as they were', async () => {
    const folder = await temporaryFolder();
    const input = await texts(folder);
    const seen: boolean[] = [];
    const looking = definePipeline('looking', files(input), { splitBytes: 1 << 20 })
      .pipe(
        pretokenize(),
        embed(),
        patch(),
        quantize({ to: 'binary', qualityRows: 0 }),
        map((value: Patches) => {
          seen.push(value.embeddings.length === value.lengths.length * value.dim);
          return value;
        }),
      )
      .to(safetensors());
    await run(looking, { output: path.join(folder, 'out') });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every(Boolean)).toBe(true);
  });
});
