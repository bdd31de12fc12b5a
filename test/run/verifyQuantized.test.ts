import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSidecar } from '../../src/formats/checkSidecar.ts';
import { safetensorsChunks, type TensorData } from '../../src/formats/safetensors/write.ts';
import { writeQuantizers } from '../../src/quantization/quantizerFile.ts';
import type { Patches } from '../../src/records.ts';
import type { CommitRecord } from '../../src/run/commitRecord.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { hypergraph } from '../../src/sinks/hypergraph.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { type Quantizers, quantized, quantizerOf } from '../layouts/quantizedFlow.ts';
import { parseSafetensors } from '../sinks/consumer.ts';
import { patchesOf, sketches, temporaryFolder, writeAll } from '../sinks/flow.ts';
import { makeOutput, seal, twoSplits } from './output.ts';

const one = (to: Parameters<typeof quantizerOf>[0]) => quantizerOf(to, 1);
const shard = 'shards/00000-000000.safetensors';
const signals = 'shards/00000-000000.signals.safetensors';
const quantizerPath = 'quantizer/quantizer.safetensors';

/** What a test quantizes: something packed, something learned, something of every kind of part. */
const fields: Quantizers = {
  embeddings: quantizerOf('pq:2'),
  prominence: one({ scheme: 'int8', mode: 'asymmetric' }),
  entropy: one('int8'),
  entropies: one({ scheme: 'variable', bits: 8 }),
  norms: one('int8'),
};
const outputOf = (quantizers: Quantizers, keep = false, splits = twoSplits) =>
  makeOutput(splits, 4, (values) => quantized(values, quantizers, keep));

let original: string;
beforeAll(async () => {
  original = await outputOf(fields);
});
afterAll(() => rm(original, { recursive: true, force: true }));

async function findings(root: string): Promise<string[]> {
  const report = await verifyOutput(root);
  expect(report.ok).toBe(report.findings.length === 0);
  return report.findings.map(({ path: file, code, message }) => `${file} ${code} ${message}`);
}

interface Content {
  metadata: Record<string, string>;
  readonly tensors: Map<string, { dtype: TensorData['dtype']; shape: number[]; bytes: Buffer }>;
}

/** Writes a file anew with something changed. */
async function rewrite(file: string, change: (content: Content) => void): Promise<void> {
  const { metadata, entries, data } = parseSafetensors(await readFile(file));
  const tensors: Content['tensors'] = new Map();
  for (const [name, { dtype, shape, data_offsets: at }] of entries) {
    tensors.set(name, { dtype: dtype as TensorData['dtype'], shape, bytes: Buffer.from(data.subarray(...at)) });
  }
  const content = { metadata, tensors };
  change(content);
  const written = [...tensors].map(([name, { bytes, ...spec }]): TensorData => ({ name, ...spec, chunks: [bytes] }));
  await writeFile(file, Buffer.concat([...safetensorsChunks(written, content.metadata)]));
}

const bytesOf = ({ tensors }: Content, name: string): Buffer => {
  const { bytes } = tensors.get(name) ?? {};
  if (bytes === undefined) throw new Error(`there is no tensor ${name}`);
  return bytes;
};
/** Changes what a file says of a field. */
const said = ({ metadata }: Content, field: string, change: object): void => {
  const all = JSON.parse(metadata['quantization'] ?? '{}');
  metadata['quantization'] = JSON.stringify({ ...all, [field]: { ...all[field], ...change } });
};

describe('verify of quantized outputs', () => {
  it.each([true, false])('finds nothing wrong with one, with keep: %s', async (keep) => {
    const root = await outputOf(fields, keep);
    expect(await findings(root)).toEqual([]);
    const { artefacts } = JSON.parse(await readFile(path.join(root, 'manifest.json'), 'utf8'));
    const info = artefacts.find((artefact: { path: string }) => artefact.path === shard).info;
    expect(info).toMatchObject({
      format: keep ? 'blt_patches_v3' : 'blt_patches_v3_quantized',
      quantized: { embeddings: 'pq', prominence: 'int8', entropy: 'int8' },
    });
  });

  it('finds nothing wrong with any', async () => {
    const splits = fc.array(sketches({ maxLength: 300, maxPatches: 60 }), { minLength: 1, maxLength: 2 });
    const chain = fc.constantFrom('int8', 'pca:2', 'pca:2+int4', 'pq:2', 'ternary', 'binary', 'int4');
    await fc.assert(
      fc.asyncProperty(splits, chain, fc.boolean(), async (documents, to, keep) => {
        const root = await outputOf({ embeddings: quantizerOf(to), norms: one('int8') }, keep, documents);
        expect(await findings(root)).toEqual([]);
      }),
      { numRuns: 5 },
    );
  });

  it.each([true, false])(
    'takes a sidecar whose links come from the float32 embeddings, with keep: %s',
    async (keep) => {
      const values = patchesOf([{ segments: [Array(60).fill(7)] }, { segments: [Array(60).fill(7)] }], 4);
      const semantic = { threshold: 0.3, space: 'plain' } as const;
      const sinks = [safetensors(), hypergraph('shards', { semantic })];
      const plain = await writeAll(sinks, values);
      const written = await writeAll(sinks, quantized(values, { embeddings: quantizerOf('ternary') }, keep));
      const sidecar = 'shards/00000-000000.hypergraph.db';
      const [file, other] = [written, plain].map(({ root }) => path.join(root, sidecar));
      expect(await readFile(file ?? '')).toEqual(await readFile(other ?? ''));
      const found: string[] = [];
      const expected = { patches: 120, bytes: 840 };
      await checkSidecar(file ?? '', expected, path.join(written.root, shard), (what) => found.push(what));
      expect(found).toEqual([]);
      const db = new Database(file, { readonly: true });
      const links = db.prepare<[], number>("SELECT count(*) FROM sphere_edges WHERE label = 'semantic'").pluck().get();
      db.close();
      expect(links).toBeGreaterThan(0);
    },
  );

  describe('names what is wrong:', () => {
    const faults: [string, string, (content: Content) => void, string][] = [
      [
        'a scale that is negative',
        shard,
        (content) => bytesOf(content, 'patch_entropies.scales').writeUInt16LE(0xbc00, 2),
        'has -1 among patch_entropies.scales in row 1',
      ],
      [
        'a scale that is not finite',
        signals,
        (content) => bytesOf(content, 'norms.scales').writeUInt16LE(0x7c00, 4),
        'has Infinity among norms.scales in row 2',
      ],
      [
        'a code of int8 that nobody writes',
        shard,
        (content) => bytesOf(content, 'patch_entropies.codes').writeInt8(-128, 3),
        'has patch_entropies that cannot be decoded: quantized rows: row 3 holds something that encoding never gives',
      ],
      [
        'a part of another type',
        shard,
        ({ tensors }) => tensors.set('prominence.codes', { dtype: 'U8', shape: [5, 1], bytes: Buffer.alloc(5) }),
        'prominence.codes should be I8 [5, 1], and is U8 [5, 1]',
      ],
      [
        'a part with a row too few',
        shard,
        ({ tensors }) => tensors.set('embeddings.codes', { dtype: 'U8', shape: [4, 2], bytes: Buffer.alloc(8) }),
        'embeddings.codes should be U8 [5, 2], and is U8 [4, 2]',
      ],
      [
        'a part that is missing',
        shard,
        ({ tensors }) => tensors.delete('prominence.zeros'),
        'prominence.zeros should be I8 [5], and is missing',
      ],
      [
        'learned tensors that are missing',
        shard,
        ({ tensors }) => tensors.delete('embeddings.pq.codebooks'),
        'cannot be decoded: pq has not learned codebooks',
      ],
      [
        'learned tensors of another shape',
        shard,
        ({ tensors }) => {
          const codebooks = tensors.get('embeddings.pq.codebooks');
          if (codebooks !== undefined) codebooks.shape.splice(0, 3, 4, 256, 1);
        },
        'cannot be decoded: pq.codebooks is [4, 256, 1], and should be [2, 256, 2]',
      ],
      [
        'learned numbers that are not finite',
        shard,
        (content) => {
          bytesOf(content, 'embeddings.pq.codebooks').writeFloatLE(Number.NaN, 4 * 1023);
        },
        'cannot be decoded: pq.codebooks holds NaN, number 1023',
      ],
      [
        'a tensor that belongs to nothing',
        shard,
        ({ tensors }) => tensors.set('embeddings.zeros', { dtype: 'I8', shape: [5], bytes: Buffer.alloc(5) }),
        "has a tensor 'embeddings.zeros' that belongs to no quantized field",
      ],
      [
        'quantized patches that say they are blt_patches_v3',
        shard,
        ({ metadata }) => {
          metadata['format'] = 'blt_patches_v3';
        },
        "says format is 'blt_patches_v3', and it is 'blt_patches_v3_quantized'",
      ],
      [
        'a field that is neither there nor quantized',
        shard,
        (content) => {
          const { entropy: _, ...others } = JSON.parse(content.metadata['quantization'] ?? '');
          content.metadata['quantization'] = JSON.stringify(others);
        },
        'should have patch_entropies as F32 [5], and has no such tensor',
      ],
      [
        'another chain than was committed',
        shard,
        ({ metadata, tensors }) => {
          metadata['quantization'] = '{}';
          for (const name of ['embeddings', 'prominence', 'patch_entropies']) {
            const shape = name === 'embeddings' ? [5, 4] : [5];
            tensors.set(name, { dtype: 'F32', shape, bytes: Buffer.alloc(name === 'embeddings' ? 80 : 20) });
          }
        },
        'has quantized {}, and was committed with {"embeddings":"pq","entropy":"int8","prominence":"int8"}',
      ],
      [
        'a quantization that is no JSON',
        shard,
        ({ metadata }) => {
          metadata['quantization'] = '{"embeddings":';
        },
        'cannot be decoded: what the file says of its quantization cannot be used: it is no JSON',
      ],
      [
        'a scheme that is not known',
        shard,
        (content) => said(content, 'embeddings', { chain: [{ scheme: 'int9', options: {} }] }),
        "the chain of embeddings cannot be used: there is no quantization scheme 'int9'",
      ],
      [
        'another number of columns',
        shard,
        (content) => said(content, 'embeddings', { columns: 8 }),
        'says that quantized embeddings has 8 columns, and it is 4',
      ],
      [
        'a field of another file',
        shard,
        (content) => said(content, 'norms', { chain: [{ scheme: 'int8', options: {} }], columns: 1 }),
        'says that norms is quantized, which it does not hold',
      ],
      [
        'a name that is no field',
        shard,
        (content) => said(content, 'lengths', { columns: 1 }),
        "it tells of 'lengths', which is no field",
      ],
      [
        'a quantizer file outside of the output',
        shard,
        (content) => said(content, 'embeddings', { quantizer: '../quantizer.safetensors', sha256: '00' }),
        'embeddings does not name the file of its quantizer',
      ],
      [
        'a quantizer file that is not there',
        shard,
        (content) => said(content, 'embeddings', { quantizer: quantizerPath, sha256: '00' }),
        'it cannot be read (ENOENT)',
      ],
    ];
    it.each(faults)('%s', async (_, file, change, message) => {
      const root = await temporaryFolder();
      await cp(original, root, { recursive: true });
      await rewrite(path.join(root, file), change);
      await seal(root);
      expect(await findings(root)).toContainEqual(
        expect.stringMatching(new RegExp(`^${file} CONTENT .*${escaped(message)}`)),
      );
    });

    it.each<[string, (commit: CommitRecord) => CommitRecord, string]>([
      [
        'an artefact that hides what is quantized',
        withInfo(({ quantized: _, ...info }) => info),
        'has quantized {"embeddings":"pq","entropy":"int8","prominence":"int8"}, and was committed with {}',
      ],
      [
        'an artefact of the other format',
        withInfo((info) => ({ ...info, format: 'blt_patches_v3' })),
        'was committed as blt_patches_v3, and it is blt_patches_v3_quantized',
      ],
    ])('%s', async (_, change, message) => {
      const root = await temporaryFolder();
      await cp(original, root, { recursive: true });
      await seal(root, change);
      expect(await findings(root)).toContainEqual(`${shard} CONTENT ${message}`);
    });
  });

  describe('of a file that names a quantizer file', () => {
    const trained = quantizerOf('pca:2+int8');

    /** An output whose shards refer to what was learned. */
    async function referring(): Promise<string> {
      const root = await temporaryFolder();
      await mkdir(path.join(root, 'quantizer'));
      await writeQuantizers(path.join(root, quantizerPath), new Map([['embeddings', trained]]));
      const bytes = await readFile(path.join(root, quantizerPath));
      const file = { path: quantizerPath, sha256: createHash('sha256').update(bytes).digest('hex') };
      const made = await makeOutput(
        twoSplits,
        4,
        (values: Patches[]) => quantized(values, { embeddings: { ...trained, file } }),
        'document',
      );
      await cp(made, root, { recursive: true });
      return root;
    }

    it('finds nothing wrong', async () => {
      expect(await findings(await referring())).toEqual([]);
    });

    it('finds another file in its place', async () => {
      const root = await referring();
      const other = new Map([['embeddings', quantizerOf('pca:2+int4')]] as const);
      await writeQuantizers(path.join(root, quantizerPath), other);
      const [first] = await findings(root);
      expect(first).toContain(`embeddings needs another ${quantizerPath}: its SHA-256 differs`);
    });

    it('finds numbers in it that are not finite', async () => {
      const root = await referring();
      const file = path.join(root, quantizerPath);
      await rewrite(file, (content) => bytesOf(content, 'embeddings.pca.mean').writeFloatLE(Number.NaN));
      const [first] = await findings(root);
      expect(first).toContain('quantizer.safetensors: pca.mean holds NaN, number 0');
    });

    it('finds numbers that are not finite in one that no file names', async () => {
      const root = await temporaryFolder();
      await cp(original, root, { recursive: true });
      const own = 'quantizer/00000.safetensors';
      const file = path.join(root, own);
      await mkdir(path.dirname(file));
      await writeQuantizers(file, new Map([['embeddings', trained]]));
      const artefact = { path: own, bytes: 0, sha256: '0'.repeat(64), info: { format: 'sluice_quantizer_v1' } };
      await seal(root, ({ artefacts, ...commit }) => ({
        ...commit,
        artefacts: commit.split === '00000' ? [artefact, ...artefacts] : artefacts,
      }));
      await seal(root);
      expect(await findings(root)).toEqual([]);
      await rewrite(file, (content) => bytesOf(content, 'embeddings.pca.mean').writeFloatLE(Number.NaN));
      await seal(root);
      expect(await findings(root)).toEqual([
        expect.stringMatching(/00000\.safetensors QUANTIZER_TENSOR .*pca\.mean holds NaN/),
      ]);
    });

    it('finds that it is not there', async () => {
      const root = await referring();
      await rm(path.join(root, 'quantizer'), { recursive: true });
      const [first] = await findings(root);
      expect(first).toContain('it cannot be read (ENOENT)');
    });
  });
});

/** Changes what is said of the first shard. */
function withInfo(
  change: (info: CommitRecord['artefacts'][number]['info']) => CommitRecord['artefacts'][number]['info'],
) {
  return (commit: CommitRecord): CommitRecord => ({
    ...commit,
    artefacts: commit.artefacts.map((artefact) =>
      artefact.path === shard ? { ...artefact, info: change(artefact.info) } : artefact,
    ),
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
