import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safetensorsChunks, type TensorData } from '../../src/formats/safetensors/write.ts';
import { openLayout } from '../../src/layouts/index.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { quantizerOf } from './quantizedFlow.ts';

const PATCHES = 3;
const rows = Float32Array.from({ length: 4 * PATCHES }, (_, i) => i / 7 - 0.5);

const tensor = (name: string, dtype: TensorData['dtype'], shape: readonly number[], bytes: Uint8Array): TensorData => ({
  name,
  dtype,
  shape,
  chunks: [bytes],
});

interface Parts {
  readonly tensors: TensorData[];
  readonly metadata: Record<string, string>;
}

/** A shard as it should be, of which every test changes something. */
function whole(to: string): Parts {
  const quantizer = quantizerOf(to);
  const encoded = quantizer.encode(rows);
  const bytes = (values: Float32Array | Int32Array): Uint8Array => new Uint8Array(values.slice().buffer);
  return {
    tensors: [
      tensor('bytes', 'U8', [6], Uint8Array.of(1, 2, 3, 4, 5, 6)),
      tensor('patch_lengths', 'I32', [PATCHES], bytes(Int32Array.of(1, 2, 3))),
      tensor('prominence', 'F32', [PATCHES], bytes(Float32Array.of(1, 2, 3))),
      tensor('patch_entropies', 'F32', [PATCHES], bytes(Float32Array.of(1, 2, 3))),
      ...quantizer.parts.map(({ name, dtype, shape }, i) =>
        tensor(`embeddings.${name}`, dtype, [PATCHES, ...shape], encoded[i] ?? new Uint8Array()),
      ),
      ...quantizer.trained.map(({ name, shape, values }) => tensor(`embeddings.${name}`, 'F32', shape, bytes(values))),
    ],
    metadata: {
      format: 'blt_patches_v3_quantized',
      split: '00000',
      shard: '0',
      quantization: JSON.stringify({ embeddings: { chain: quantizer.chain, columns: 4 } }),
    },
  };
}

const fileOf = ({ tensors, metadata }: Parts): Buffer => Buffer.concat([...safetensorsChunks(tensors, metadata)]);

async function read(parts: Parts): Promise<number[]> {
  return readFrom(fileOf(parts));
}

async function readFrom(bytes: Buffer): Promise<number[]> {
  const file = path.join(await temporaryFolder(), 'a.safetensors');
  await writeFile(file, bytes);
  const layout = await openLayout(file);
  try {
    const embeddings: number[] = [];
    for await (const { table } of layout.documents()) {
      await table.check();
      for await (const some of table.rows({ asStored: true })) embeddings.push(...(some.embeddings ?? []));
    }
    return embeddings;
  } finally {
    await layout.close();
  }
}

const without = (parts: Parts, name: string): Parts => ({
  ...parts,
  tensors: parts.tensors.filter((one) => one.name !== name),
});

const withTensor = (parts: Parts, other: TensorData): Parts => ({
  ...parts,
  tensors: [...without(parts, other.name).tensors, other],
});

const saying = (to: string, quantization: unknown): Parts => {
  const text = typeof quantization === 'string' ? quantization : JSON.stringify(quantization);
  const parts = whole(to);
  return { ...parts, metadata: { ...parts.metadata, quantization: text } };
};

const chain = (to: string) => quantizerOf(to).chain;
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('a damaged file of quantized patches', () => {
  it('is read as long as nothing is wrong with it', async () => {
    for (const to of ['int8', 'pca:2+int8', 'pq:2']) {
      const quantizer = quantizerOf(to);
      expect(await read(whole(to))).toEqual([...quantizer.decode(quantizer.encode(rows))]);
    }
  });

  it.each<[string, Parts, string]>([
    ['without its codes', without(whole('int8'), 'embeddings.codes'), 'embeddings.codes should be'],
    ['without its scales', without(whole('int8'), 'embeddings.scales'), 'embeddings.scales should be'],
    [
      'with codes of another type',
      withTensor(whole('pq:2'), tensor('embeddings.codes', 'I8', [3, 2], new Uint8Array(6))),
      'U8 [3, 2]',
    ],
    [
      'with codes of another width',
      withTensor(whole('pq:2'), tensor('embeddings.codes', 'U8', [3, 1], new Uint8Array(3))),
      'U8 [3, 2]',
    ],
    [
      'with codes of other rows',
      withTensor(whole('pq:2'), tensor('embeddings.codes', 'U8', [2, 2], new Uint8Array(4))),
      '3 patch_lengths for 2',
    ],
    [
      'with codes without a shape',
      withTensor(whole('pq:2'), tensor('embeddings.codes', 'U8', [6], new Uint8Array(6))),
      'U8 [6, 2]',
    ],
    ['without its codebooks', without(whole('pq:2'), 'embeddings.pq.codebooks'), 'has not learned codebooks'],
    [
      'with a codebook of another shape',
      withTensor(whole('pq:2'), tensor('embeddings.pq.codebooks', 'F32', [2, 1, 2], new Uint8Array(16))),
      'should be [2, 256, 2]',
    ],
    [
      'with a codebook of bytes',
      withTensor(whole('pq:2'), tensor('embeddings.pq.codebooks', 'U8', [4], new Uint8Array(4))),
      'should be F32',
    ],
    [
      'with components that are not finite',
      withTensor(whole('pca:2'), tensor('embeddings.pca.mean', 'F32', [4], new Uint8Array(16).fill(255))),
      'NaN',
    ],
    [
      'with a width that its metadata deny',
      { ...whole('int8'), metadata: { ...whole('int8').metadata, embed_dim: '5' } },
      'embed_dim',
    ],
  ])('%s', async (_, parts, message) => {
    await expect(read(parts)).rejects.toMatchObject({
      code: expect.stringMatching(/^(BAD_QUANTIZATION|QUANTIZER_TENSOR|COUNT_MISMATCH|BAD_VALUE|HEADER_LIES)$/),
      path: expect.stringMatching(/a\.safetensors$/),
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, unknown]>([
    ['no JSON', '{'],
    ['a list', []],
    ['null', 'null'],
    ['nesting without end', nested(30_000)],
    ['more than anybody writes', `"${'x'.repeat(1 << 17)}"`],
    ['a field that there is not', { vectors: { chain: chain('int8'), columns: 4 } }],
    ['a field of prototypes', '{"__proto__":{"chain":[{"scheme":"int8","options":{}}],"columns":4}}'],
    ['a field named constructor', { constructor: { chain: chain('int8'), columns: 4 } }],
    ['a scheme of prototypes', { embeddings: { chain: [{ scheme: '__proto__', options: {} }], columns: 4 } }],
    ['a scheme named toString', { embeddings: { chain: [{ scheme: 'toString', options: {} }], columns: 4 } }],
    ['a scheme that is a number', { embeddings: { chain: [{ scheme: 8, options: {} }], columns: 4 } }],
    ['no chain', { embeddings: { columns: 4 } }],
    ['an empty chain', { embeddings: { chain: [], columns: 4 } }],
    ['a chain of nulls', { embeddings: { chain: [null], columns: 4 } }],
    ['a chain of texts', { embeddings: { chain: ['int8'], columns: 4 } }],
    ['the same scheme many times', { embeddings: { chain: Array(1000).fill(chain('pca:2')[0]), columns: 4 } }],
    ['a coder before a transform', { embeddings: { chain: [...chain('int8'), ...chain('pca:2')], columns: 4 } }],
    [
      'options of prototypes',
      '{"embeddings":{"chain":[{"scheme":"int8","options":{"__proto__":{"a":1}}}],"columns":4}}',
    ],
    ['options that are not known', { embeddings: { chain: [{ scheme: 'int8', options: { bits: 3 } }], columns: 4 } }],
    [
      'options that hide another scheme',
      { embeddings: { chain: [{ scheme: 'int8', options: { scheme: 'pq' } }], columns: 4 } },
    ],
    [
      'nested options',
      `{"embeddings":{"chain":[{"scheme":"pca","options":{"components":${nested(20_000)}}}],"columns":4}}`,
    ],
    [
      'too many components',
      { embeddings: { chain: [{ scheme: 'pca', options: { components: 2 ** 40, whiten: false } }], columns: 4 } },
    ],
    ['no columns', { embeddings: { chain: chain('int8') } }],
    ['none', { embeddings: { chain: chain('int8'), columns: 0 } }],
    ['half a column', { embeddings: { chain: chain('int8'), columns: 0.5 } }],
    ['columns without end', { embeddings: { chain: chain('int8'), columns: 2 ** 52 } }],
    [
      'more columns than memory',
      '{"embeddings":{"chain":[{"scheme":"int8","options":{"scales":"f32"}}],"columns":1e300}}',
    ],
    ['nested columns', `{"embeddings":{"chain":[],"columns":${nested(20_000)}}}`],
    ['two columns of a signal', { prominence: { chain: chain('int8'), columns: 2 } }],
    [
      'a quantizer elsewhere',
      { embeddings: { chain: chain('int8'), columns: 4, quantizer: '../../x.safetensors', sha256: '0'.repeat(64) } },
    ],
    [
      'a quantizer of the machine',
      { embeddings: { chain: chain('int8'), columns: 4, quantizer: '/etc/passwd', sha256: '0'.repeat(64) } },
    ],
    [
      'a quantizer without its hash',
      { embeddings: { chain: chain('int8'), columns: 4, quantizer: 'quantizer/quantizer.safetensors' } },
    ],
  ])('that says %s', async (_, quantization) => {
    await expect(read(saying('int8', quantization))).rejects.toMatchObject({
      code: 'BAD_QUANTIZATION',
      path: expect.stringMatching(/a\.safetensors$/),
    });
  });

  it('never ends in anything but an error that names it, or in numbers', async () => {
    const text = whole('pca:2+int8').metadata['quantization'] ?? '';
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom('9', '"', '{', '-', ',', 'e9', ''), async (at, by) => {
        const parts = saying('pca:2+int8', text.slice(0, at) + by + text.slice(at + 1));
        const outcome = await read(parts).catch((error: { code?: string; path?: string }) => error);
        if (Array.isArray(outcome)) expect(outcome).toHaveLength(4 * PATCHES);
        else expect([outcome.code, path.basename(outcome.path ?? '')]).toEqual([expect.any(String), 'a.safetensors']);
      }),
      { numRuns: 60 },
    );
  });

  it('of any bytes ends likewise', async () => {
    const whole4 = ['int8', 'int4', 'ternary', 'pq:2'].map((to) => fileOf(whole(to)));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...whole4),
        fc.array(fc.tuple(fc.nat(4000), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
        async (bytes, changes) => {
          const changed = Buffer.from(bytes);
          for (const [at, by] of changes) changed[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ by;
          const outcome = await readFrom(changed).catch((error: { code?: string }) => error);
          if (!Array.isArray(outcome)) expect(outcome.code).toEqual(expect.any(String));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is not read without its embeddings where its metadata have been lost', async () => {
    const { tensors } = whole('int8');
    await expect(read({ tensors, metadata: {} })).rejects.toMatchObject({
      code: 'BAD_QUANTIZATION',
      message: expect.stringContaining('embeddings.'),
    });
  });
});
