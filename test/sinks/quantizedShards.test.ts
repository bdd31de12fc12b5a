import fc from 'fast-check';
import library from 'safetensors';
import { describe, expect, it } from 'vitest';
import type { Patches, QuantizedFieldName } from '../../src/records.ts';
import { hypergraph } from '../../src/sinks/hypergraph.ts';
import { npz } from '../../src/sinks/npz.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { signals } from '../../src/sinks/signals.ts';
import { anyChain, chains, quantized, quantizerOf } from '../layouts/quantizedFlow.ts';
import { floats, loadPatches, parseSafetensors, tensor } from './consumer.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, writeAll } from './flow.ts';

const three: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[1]] }, { segments: [[5, 5, 5]] }];
const int8 = quantizerOf('int8');

/** The tensors of a file, as the safetensors package of npm reads them, which knows no metadata. */
function packageTensors(file: Buffer): Map<string, Buffer> {
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(file.toString('utf8', 8, 8 + length));
  const header = Buffer.from(JSON.stringify(tensors).padEnd(length));
  const read = new library.SafeTensor(
    Uint8Array.from(Buffer.concat([file.subarray(0, 8), header, file.subarray(8 + length)])),
  );
  return new Map([...read.metadata.keys()].map((name) => [name, Buffer.from(read.getTensor(name))]));
}

/** All rows of a field in the tensors of some files, decoded. */
function rowsIn(files: Iterable<Buffer>, name: string, quantizer = int8): number[] {
  return [...files].flatMap((file) => {
    const tensors = packageTensors(file);
    return [...quantizer.decode(quantizer.parts.map((part) => tensors.get(`${name}.${part.name}`) ?? Buffer.alloc(0)))];
  });
}

function rowsOf(values: readonly Patches[], field: QuantizedFieldName, quantizer = int8): number[] {
  return values.flatMap((value) => [...quantizer.decode(quantizer.encode(value[field]))]);
}

describe('safetensors sink, of quantized patches', () => {
  it('writes the parts of a field in place of its float32 tensor, and how to read them', async () => {
    const values = quantized(patchesOf(three), { embeddings: int8 });
    const { root, artefacts } = await writeAll([safetensors()], values);
    expect(artefacts[0]?.info).toMatchObject({ format: 'blt_patches_v3_quantized', quantized: { embeddings: 'int8' } });
    const [file = Buffer.alloc(0)] = (await filesOf(root)).values();
    const { entries, metadata } = parseSafetensors(file);
    expect([...entries].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['patch_entropies', 'F32', [7]],
      ['prominence', 'F32', [7]],
      ['patch_lengths', 'I32', [7]],
      ['embeddings.scales', 'F16', [7]],
      ['embeddings.codes', 'I8', [7, 4]],
      ['bytes', 'U8', [25]],
    ]);
    expect(metadata['format']).toBe('blt_patches_v3_quantized');
    const options = { calibrate: 'minmax', mode: 'symmetric', percentile: 99.9, scale: 'row', scales: 'f16' };
    expect(metadata['quantization']).toBe(
      JSON.stringify({ embeddings: { chain: [{ options, scheme: 'int8' }], columns: 4 } }),
    );
  });

  it('keeps the layout that other readers know where float32 is kept as well', async () => {
    const plain = patchesOf(three);
    const values = quantized(plain, { embeddings: int8, entropy: quantizerOf('int8', 1) }, true);
    const { root, artefacts } = await writeAll([safetensors()], values);
    expect(artefacts[0]?.info).toMatchObject({
      format: 'blt_patches_v3',
      quantized: { embeddings: 'int8', entropy: 'int8' },
    });
    const [file = Buffer.alloc(0)] = (await filesOf(root)).values();
    expect(parseSafetensors(file).metadata['format']).toBe('blt_patches_v3');
    expect([...loadPatches(file).embeddings]).toEqual(plain.flatMap((value) => [...value.embeddings]));
    expect(rowsIn([file], 'embeddings')).toEqual(rowsOf(plain, 'embeddings'));
    expect([...parseSafetensors(file).entries.keys()]).toContain('patch_entropies.codes');
  });

  it.each(chains)('cuts values of %s wherever a shard ends, and another reader gets all rows', async (chain) => {
    const quantizer = quantizerOf(chain);
    const one = quantizerOf('int8', 1);
    const values = quantized(patchesOf([{ segments: [Array(900).fill(7)] }, { segments: [[9, 1]] }]), {
      embeddings: quantizer,
      prominence: one,
      entropy: one,
    });
    const { root } = await writeAll([safetensors('shards', { shardBytes: 24_576 })], values);
    const files = [...(await filesOf(root)).values()];
    expect(files.length).toBeGreaterThan(2);
    expect(rowsIn(files, 'embeddings', quantizer)).toEqual(rowsOf(values, 'embeddings', quantizer));
    expect(rowsIn(files, 'prominence', one)).toEqual(rowsOf(values, 'prominence', one));
    expect(rowsIn(files, 'patch_entropies', one)).toEqual(rowsOf(values, 'entropy', one));
    for (const file of files) {
      const { entries } = parseSafetensors(file);
      expect(entries.has('embeddings')).toBe(false);
      for (const { name, values: learned, shape } of quantizer.trained) {
        const held = tensor(file, `embeddings.${name}`, 'F32');
        expect(held.shape).toEqual(shape);
        expect([...floats(held.bytes)]).toEqual([...learned]);
      }
    }
  });

  it('writes the same bytes however the flow is divided, in every layout', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const layout = fc.constantFrom('shard', 'document');
    await fc.assert(
      fc.asyncProperty(
        sketches({ maxLength: 300 }),
        at,
        anyChain,
        layout,
        fc.boolean(),
        async (documents, cuts, chain, ...rest) => {
          const [files, keep] = rest;
          const quantizer = { ...quantizerOf(chain), file: { path: 'quantizer/quantizer.safetensors', sha256: '00' } };
          const sink = () => safetensors('shards', { shardBytes: 12_288, layout: files });
          const flow = (values: Patches[]) =>
            quantized(values, { embeddings: quantizer, norms: quantizerOf('int8', 1) }, keep);
          const whole = await writeAll([sink()], flow(patchesOf(documents)));
          const pieces = await writeAll([sink()], flow(divided(patchesOf(documents), cuts)));
          expect(await filesOf(pieces.root)).toEqual(await filesOf(whole.root));
          expect(pieces.artefacts).toEqual(whole.artefacts);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('names the quantizer file where a file holds one document', async () => {
    const file = { path: 'quantizer/quantizer.safetensors', sha256: 'ab'.repeat(32) };
    const values = quantized(patchesOf(three), { embeddings: { ...quantizerOf('pca:2'), file } });
    const { root } = await writeAll([safetensors('shards', { layout: 'document' })], values);
    for (const bytes of (await filesOf(root)).values()) {
      const { entries, metadata } = parseSafetensors(bytes);
      expect([...entries.keys()].filter((name) => name.startsWith('embeddings'))).toEqual(['embeddings.values']);
      const { embeddings } = JSON.parse(metadata['quantization'] ?? '');
      expect(embeddings).toMatchObject({ quantizer: file.path, sha256: file.sha256, columns: 4 });
    }
  });

  it('refuses the first value where there is no file to name', async () => {
    const values = quantized(patchesOf(three), { embeddings: quantizerOf('pca:2+int8') });
    const writing = writeAll([safetensors('shards', { layout: 'document' })], values);
    await expect(writing).rejects.toMatchObject({
      code: 'QUANTIZER_FILE',
      message: expect.stringContaining('safetensors cannot write embeddings quantized by pca+int8'),
    });
    const { artefacts } = await writeAll(
      [safetensors('shards', { layout: 'document' })],
      quantized(patchesOf(three), { embeddings: int8 }),
    );
    expect(artefacts).toHaveLength(3);
  });

  it('lets nobody say by hand that something is quantized', async () => {
    const sink = safetensors('shards', { metadata: { quantization: '{}' } });
    const { root } = await writeAll([sink], patchesOf(three));
    const [file = Buffer.alloc(0)] = (await filesOf(root)).values();
    expect(parseSafetensors(file).metadata).not.toHaveProperty('quantization');
  });

  const faults: [string, (values: Patches[]) => unknown, string][] = [
    [
      'rows that are missing',
      ([value]) => value?.quantized?.map((field) => ({ ...field, encoded: [] })),
      'with 0 bytes of codes of its embeddings, for 1 rows of 4',
    ],
    [
      'another quantizer than before',
      ([value]) => value?.quantized?.map((field) => ({ ...field, quantizer: { ...field.quantizer } })),
      'with other quantized fields, or other quantizers, than the value before it',
    ],
    ['nothing quantized any more', () => undefined, 'with other quantized fields'],
  ];
  it.each(faults)('refuses %s', async (_, change, message) => {
    const values = quantized(patchesOf(three), { embeddings: int8 });
    const broken = values.map((value, i) =>
      i === 2 ? { ...value, quantized: change([value]) as Patches['quantized'] } : value,
    );
    await expect(writeAll([safetensors()], broken)).rejects.toMatchObject({
      code: 'BAD_PATCHES',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a quantizer of another width', async () => {
    const values = quantized(patchesOf(three), { embeddings: quantizerOf('int8', 2) });
    await expect(writeAll([safetensors()], values)).rejects.toMatchObject({ code: 'BAD_PATCHES' });
  });
});

describe('shards of quantized patches', () => {
  const many = () =>
    patchesOf([{ segments: [Array(900).fill(7)] }, { segments: [[9]] }, { segments: [Array(300).fill(3)] }]);
  const all = (keep: boolean, values: Patches[] = many()) => {
    const one = quantizerOf('int8', 1);
    const fields = { prominence: one, entropy: one, entropies: one, norms: one };
    return quantized(values, { embeddings: quantizerOf('pca:2'), ...fields }, keep);
  };

  it.each([true, false])('stay within their size, learned tensors and all, with keep: %s', async (keep) => {
    const { artefacts } = await writeAll([safetensors('shards', { shardBytes: 16_384 })], all(keep));
    expect(artefacts.length).toBeGreaterThan(2);
    for (const { bytes } of artefacts) expect(bytes).toBeLessThan(16_384 + 2048);
  });

  it.each([true, false])('are cut at the same places by every sink, with keep: %s', async (keep) => {
    const options = { shardBytes: 16_384 };
    const sinks = [safetensors, signals, npz, hypergraph].map((sink) => sink('shards', options));
    const { artefacts } = await writeAll(sinks, all(keep));
    const kinds = Map.groupBy(artefacts, ({ path: file }) => file.slice(file.indexOf('.')));
    expect([...kinds.keys()].sort()).toEqual(['.hypergraph.db', '.npz', '.safetensors', '.signals.safetensors']);
    const [first, ...others] = [...kinds.values()].map((files) => files.map(({ info }) => info['bytes']));
    expect(first?.length).toBeGreaterThan(2);
    for (const other of others) expect(other).toEqual(first);
  });

  it('hold the same patches as those of a run without quantization, where nothing is learned and nothing takes more', async () => {
    const sink = () => safetensors('shards', { shardBytes: 16_384 });
    const plain = await writeAll([sink()], many());
    const one = quantizerOf('int8', 1);
    const fewer = await writeAll([sink()], quantized(many(), { embeddings: int8, entropy: one, norms: one }));
    const sizes = ({ artefacts }: typeof plain) => artefacts.map(({ info }) => info['patches']);
    expect(sizes(fewer)).toEqual(sizes(plain));
    expect(sizes(plain).length).toBeGreaterThan(2);
  });

  it('are refused where what was learned would take more than half of one', async () => {
    const values = quantized(patchesOf(three), { embeddings: quantizerOf('pq:2') });
    await expect(writeAll([safetensors('shards', { shardBytes: 8191 })], values)).rejects.toMatchObject({
      code: 'SHARD_TOO_SMALL',
      message: 'quantizers have learned 4096 bytes, and a shard shall hold 8191',
    });
    const { artefacts } = await writeAll([safetensors('shards', { shardBytes: 8192 })], values);
    expect(artefacts).toHaveLength(1);
  });
});

describe('signals sink, of quantized signals', () => {
  const one = quantizerOf('int8', 1);

  it('writes the parts of what is quantized, a row for each byte', async () => {
    const values = quantized(patchesOf([{ segments: [Array(600).fill(5)] }, { segments: [[2]] }]), { entropies: one });
    const { root, artefacts } = await writeAll([signals('shards', { shardBytes: 16_384 })], values);
    const files = [...(await filesOf(root)).values()];
    expect(files.length).toBeGreaterThan(1);
    expect(artefacts[0]?.info).toMatchObject({
      format: 'sluice_signals_v1_quantized',
      quantized: { entropies: 'int8' },
    });
    for (const file of files) {
      expect([...parseSafetensors(file).entries.keys()]).toEqual([
        'document_offsets',
        'norms',
        'entropies.scales',
        'entropies.codes',
      ]);
    }
    expect(rowsIn(files, 'entropies', one)).toEqual(rowsOf(values, 'entropies', one));
  });

  it('says nothing of what is quantized elsewhere', async () => {
    const values = quantized(patchesOf(three), { embeddings: int8 });
    const { root, artefacts } = await writeAll([signals()], values);
    const plain = await writeAll([signals()], patchesOf(three));
    expect(await filesOf(root)).toEqual(await filesOf(plain.root));
    expect(artefacts).toEqual(plain.artefacts);
  });

  it('keeps both with keep', async () => {
    const values = quantized(patchesOf(three), { norms: one }, true);
    const { root, artefacts } = await writeAll([signals()], values);
    const [file = Buffer.alloc(0)] = (await filesOf(root)).values();
    expect(artefacts[0]?.info).toMatchObject({ format: 'sluice_signals_v1', quantized: { norms: 'int8' } });
    expect([...floats(tensor(file, 'norms', 'F32').bytes)]).toEqual(values.flatMap((value) => [...value.norms]));
    expect(rowsIn([file], 'norms', one)).toEqual(rowsOf(values, 'norms', one));
  });
});
