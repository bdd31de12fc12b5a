import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { GGMLFileQuantizationType, gguf } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { writeGgufFile } from '../../src/formats/gguf/file.ts';
import type { GgufValue } from '../../src/formats/gguf/types.ts';
import { decodeBlocks } from '../../src/kernels/blocks/decodeBlocks.ts';
import { encodeBlocks } from '../../src/kernels/blocks/encodeBlocks.ts';
import { type BlockType, blockBytes, blockTypes } from '../../src/kernels/blocks/layout.ts';
import { type ModelConfig, parseConfig, readConfig } from '../../src/model/config.ts';
import { ggufMetadata } from '../../src/model/ggufMetadata.ts';
import { readGgufModel } from '../../src/model/ggufModel.ts';
import { ggufName } from '../../src/model/ggufNames.ts';
import { writeGgufModel } from '../../src/model/ggufWriter.ts';
import { defaultModelDir } from '../../src/model/index.ts';
import { readModelFile } from '../../src/model/modelFile.ts';
import { type BlockWeight, isQuantized, type Weight } from '../../src/model/weight.ts';
import { expectedShapes } from '../../src/model/weights.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { goldenModel } from './golden.ts';
import { modelFolder, smallArgs } from './modelFolder.ts';

/** Rows of 256 and of 768. */
const wideArgs = { ...smallArgs, dim: 256, n_layers: 1, multiple_of: 256, sliding_window: 64 };

const newFile = async (): Promise<string> => path.join(await temporaryFolder(), 'm.gguf');

function valuesOf(file: string, { dtype, shape, offset, length }: BlockWeight): Float32Array {
  const values = new Float32Array(shape.reduce((a, b) => a * b));
  decodeBlocks(dtype, readFileSync(file).subarray(offset, offset + length), values);
  return values;
}

function block(weight: Weight): BlockWeight {
  if (isQuantized(weight)) throw new Error('it is kept in codes');
  return weight;
}

function recoded(type: BlockType, values: Float32Array): Float32Array {
  const bytes = new Uint8Array(blockBytes(type, values.length));
  encodeBlocks(type, values, bytes);
  const again = new Float32Array(values.length);
  decodeBlocks(type, bytes, again);
  return again;
}

async function failure(run: Promise<unknown>): Promise<ModelError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

describe('a model folder written as GGUF', () => {
  it.each(blockTypes)('comes back with its configuration and the values of its type: %s', async (type) => {
    // with Q8_0, a feed-forward weight is more than one piece of the writer
    const folder = modelFolder(type === 'Q8_0' ? { ...wideArgs, multiple_of: 2048 } : wideArgs);
    const file = await newFile();
    await writeGgufModel(folder, file, type);
    const before = await readModelFile(folder);
    const after = await readGgufModel(file);
    expect(after).toMatchObject({ path: file, config: before.config, autoThreshold: undefined });
    expect(after.weights).toMatchObject({ path: file, floatBytes: before.weights.floatBytes });
    expect([...after.weights.tensors.keys()]).toEqual([...before.weights.tensors.keys()]);
    for (const [name, weight] of after.weights.tensors) {
      const original = block(before.weights.tensors.get(name)!);
      expect(weight.shape).toEqual(original.shape);
      const wanted = recoded(block(weight).dtype, valuesOf(before.weights.path, original));
      expect(Buffer.compare(Buffer.from(valuesOf(file, block(weight)).buffer), Buffer.from(wanted.buffer)), name).toBe(
        0,
      );
    }
  });

  it('keeps norms as F32, and embeddings and output as F16 where the rest is quantized, or as asked', async () => {
    const types = async (type: BlockType, embeddings?: BlockType): Promise<Record<string, BlockType>> => {
      const file = await newFile();
      await writeGgufModel(modelFolder(wideArgs), file, type, { embeddings });
      const { tensors } = (await readGgufModel(file)).weights;
      return Object.fromEntries([...tensors].map(([name, weight]) => [name, block(weight).dtype]));
    };
    const linear = ['attention.wq', 'attention.wk', 'attention.wv', 'attention.wo'].concat(
      ['w1', 'w2', 'w3'].map((part) => `feed_forward.${part}`),
    );
    const expected = (type: BlockType, embeddings: BlockType): Record<string, BlockType> => ({
      'tok_embeddings.weight': embeddings,
      'output.weight': embeddings,
      'norm.weight': 'F32',
      'layers.0.attention_norm.weight': 'F32',
      'layers.0.ffn_norm.weight': 'F32',
      ...Object.fromEntries(linear.map((part) => [`layers.0.${part}.weight`, type])),
    });
    expect(await types('Q4_K')).toEqual(expected('Q4_K', 'F16'));
    expect(await types('BF16')).toEqual(expected('BF16', 'BF16'));
    expect(await types('F16', 'F32')).toEqual(expected('F16', 'F32'));
    expect(await types('Q6_K', 'Q8_0')).toEqual(expected('Q6_K', 'Q8_0'));
  });

  it('falls back to Q8_0 and to F16 where rows are no whole blocks, and says so', async () => {
    // rows of 48 and of 128
    const { tensors } = await writeGgufModel(goldenModel('w24-bf16'), await newFile(), 'Q4_K');
    const found = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    expect(found.get('layers.0.attention.wq.weight')).toMatchObject({ asked: 'Q4_K', type: 'F16' });
    expect(found.get('layers.1.feed_forward.w1.weight')).toMatchObject({ asked: 'Q4_K', type: 'F16' });
    expect(found.get('layers.1.feed_forward.w2.weight')).toMatchObject({ asked: 'Q4_K', type: 'Q8_0' });
    expect(found.get('norm.weight')).toMatchObject({ asked: 'F32', type: 'F32' });
    expect(found.get('output.weight')).toMatchObject({ asked: 'F16', type: 'F16' });
  });

  it('reports what was lost, tensor by tensor', async () => {
    const folder = modelFolder(wideArgs);
    const file = await newFile();
    const seen: string[] = [];
    const { bytes, tensors } = await writeGgufModel(folder, file, 'Q8_0', {
      onTensor: ({ name }, index, total) => seen.push(`${index}/${total} ${name}`),
    });
    const before = await readModelFile(folder);
    const after = await readGgufModel(file);
    expect(bytes).toBe((await readFile(file)).length);
    expect(seen).toEqual(tensors.map(({ name }, i) => `${i + 1}/${tensors.length} ${name}`));
    expect(tensors.map(({ name }) => name)).toEqual([...before.weights.tensors.keys()]);
    for (const tensor of tensors) {
      const from = valuesOf(before.weights.path, block(before.weights.tensors.get(tensor.name)!));
      const to = valuesOf(file, block(after.weights.tensors.get(tensor.name)!));
      const errors = from.map((value, i) => Math.abs(value - to[i]!));
      expect(tensor.values).toBe(from.length);
      expect(tensor.bytes).toBe(after.weights.tensors.get(tensor.name)?.length);
      expect(tensor.maxError).toBeCloseTo(
        errors.reduce((a, b) => Math.max(a, b)),
        12,
      );
      expect(tensor.meanError).toBeCloseTo(errors.reduce((a, b) => a + b, 0) / from.length, 7);
      expect(tensor.meanMagnitude).toBeCloseTo(from.reduce((a, b) => a + Math.abs(b), 0) / from.length, 4);
      expect(tensor.maxError > 0).toBe(tensor.type !== 'F32');
    }
  });

  it('keeps the calibrated threshold to the bit', async () => {
    const file = await newFile();
    await writeGgufModel(defaultModelDir(), file, 'Q8_0');
    const folder = await readModelFile(defaultModelDir());
    expect(folder.autoThreshold).toBeDefined();
    expect((await readGgufModel(file)).autoThreshold).toBe(folder.autoThreshold);
  });

  it('is the same file each time, and replaces an older one', async () => {
    const file = await newFile();
    await writeFile(file, 'older');
    await writeGgufModel(goldenModel('w24-bf16'), file, 'F16');
    const first = await readFile(file);
    await writeGgufModel(goldenModel('w24-bf16'), file, 'F16');
    expect((await readFile(file)).equals(first)).toBe(true);
    expect(await readdir(path.dirname(file))).toEqual(['m.gguf']);
  });

  it.each([
    ['a weight that is not a number', Number.NaN, 'Q4_K'],
    ['a weight that is not a number', Number.NaN, 'BF16'],
    ['an infinite weight', Number.POSITIVE_INFINITY, 'F32'],
    ['a weight beyond F16', 1e6, 'F16'],
    ['a weight beyond the scales', 1e8, 'Q8_0'],
  ] as const)('is refused for %s (%d as %s), and nothing is left', async (_, value, type) => {
    const name = 'layers.0.attention.wo.weight';
    const folder = modelFolder(wideArgs, (tensors) => {
      new Float32Array(tensors[name]!.data.buffer)[70] = value;
    });
    const file = await newFile();
    const error = await failure(writeGgufModel(folder, file, type));
    expect(error.code).toBe('MODEL_WEIGHT_VALUE');
    expect(error.message).toContain(name);
    expect(error.message).toContain('Value 70');
    expect(error.path).toContain('model.safetensors');
    expect(await readdir(path.dirname(file))).toEqual([]);
  });

  it('has the keys and names of the architecture, says an independent reader', async () => {
    const file = await newFile();
    await writeGgufModel(defaultModelDir(), file, 'Q6_K');
    const { metadata, tensorInfos } = await gguf(file, { allowLocalFile: true });
    expect(metadata).toMatchObject({
      'general.architecture': 'llama',
      'general.file_type': GGMLFileQuantizationType.Q6_K,
      'llama.embedding_length': 128,
      'llama.block_count': 4,
      'llama.feed_forward_length': 352,
      'llama.attention.head_count': 2,
      'llama.attention.head_count_kv': 2,
      'llama.attention.key_length': 64,
      'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
      'llama.attention.sliding_window': 256,
      'llama.rope.freq_base': 10_000,
      'llama.rope.dimension_count': 64,
      'llama.vocab_size': 260,
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
      'sluice.model': 'byte-entropy',
    });
    expect(tensorInfos.slice(0, 11).map(({ name, shape }) => [name, ...shape.map(Number)])).toEqual([
      ['token_embd.weight', 128, 260],
      ['blk.0.attn_norm.weight', 128],
      ['blk.0.attn_q.weight', 128, 128],
      ['blk.0.attn_k.weight', 128, 128],
      ['blk.0.attn_v.weight', 128, 128],
      ['blk.0.attn_output.weight', 128, 128],
      ['blk.0.ffn_norm.weight', 128],
      ['blk.0.ffn_gate.weight', 128, 352],
      ['blk.0.ffn_up.weight', 128, 352],
      ['blk.0.ffn_down.weight', 352, 128],
      ['blk.1.attn_norm.weight', 128],
    ]);
    expect(tensorInfos.slice(-2).map(({ name }) => name)).toEqual(['output_norm.weight', 'output.weight']);
  });
});

describe('the file type', () => {
  it.each([
    ['F32', GGMLFileQuantizationType.F32],
    ['F16', GGMLFileQuantizationType.F16],
    ['BF16', GGMLFileQuantizationType.BF16],
    ['Q8_0', GGMLFileQuantizationType.Q8_0],
    ['Q4_K', GGMLFileQuantizationType.Q4_K_S],
    ['Q6_K', GGMLFileQuantizationType.Q6_K],
  ] as const)('of %s is the number that llama.cpp gave it', (type, number) => {
    const metadata = ggufMetadata(
      readConfig(defaultModelDir()),
      { autoThreshold: undefined, modalityThresholds: {} },
      type,
    );
    expect(metadata.get('general.file_type')).toEqual({ type: 'uint32', value: number });
  });
});

describe('a GGUF file', () => {
  const config = parseConfig({ args: smallArgs });
  type Metadata = Map<string, GgufValue>;
  type Shapes = Map<string, readonly number[]>;

  /** A file of zeros; `change` may spoil keys and shapes, by their names in the file. */
  async function zeros(change: (metadata: Metadata, shapes: Shapes) => void = () => {}, of = config): Promise<string> {
    const metadata = ggufMetadata(of, { autoThreshold: 1.5, modalityThresholds: { image: 3.5 } }, 'F16');
    const shapes: Shapes = new Map([...expectedShapes(of)].map(([name, shape]) => [ggufName(name), shape]));
    change(metadata, shapes);
    const file = await newFile();
    const tensors = [...shapes].map(([name, shape]) => {
      const chunks = [new Uint8Array(2 * shape.reduce((a, b) => a * b))];
      return { name, type: 'F16' as const, shape, chunks };
    });
    await writeGgufFile(file, metadata, tensors);
    return file;
  }

  it('gives any configuration back exactly', async () => {
    const odd: ModelConfig = {
      ...config,
      kvHeads: 2,
      headDim: 6,
      ffnHidden: 10,
      normEps: 1e-6 + 1e-13,
      ropeTheta: 500_000,
      window: 100_000,
      eosId: 3,
      vocabSize: 300,
    };
    expect(await readGgufModel(await zeros(undefined, odd))).toMatchObject({
      config: odd,
      autoThreshold: 1.5,
      modalityThresholds: { image: 3.5 },
    });
  });

  it('needs no own keys where the vocabulary is that of bytes, nor those with a default', async () => {
    const file = await zeros((metadata) => {
      for (const key of [
        'sluice.model',
        'sluice.auto_threshold',
        'general.file_type',
        'llama.context_length',
        'llama.attention.head_count_kv',
        'llama.attention.key_length',
        'llama.attention.value_length',
        'llama.rope.dimension_count',
        'llama.rope.freq_base',
        'tokenizer.ggml.bos_token_id',
        'tokenizer.ggml.eos_token_id',
      ]) {
        expect(metadata.delete(key), key).toBe(true);
      }
      metadata.set('llama.block_count', { type: 'uint64', value: 2n });
      metadata.set('llama.attention.layer_norm_rms_epsilon', { type: 'float64', value: 1e-5 });
    });
    expect(await readGgufModel(file)).toMatchObject({ config, autoThreshold: undefined });
  });

  const string = (value: string): GgufValue => ({ type: 'string', value });
  const uint = (value: number): GgufValue => ({ type: 'uint32', value });
  it.each<[string, string, string, (metadata: Metadata, shapes: Shapes) => void]>([
    ['another architecture', 'MODEL_UNSUPPORTED', '"gpt2"', (m) => m.set('general.architecture', string('gpt2'))],
    ['no architecture', 'MODEL_CONFIG', 'no key general.architecture', (m) => m.delete('general.architecture')],
    [
      'an architecture that is no text',
      'MODEL_CONFIG',
      'the uint32 "7"',
      (m) => m.set('general.architecture', uint(7)),
    ],
    ['another kind', 'MODEL_UNSUPPORTED', '"chat"', (m) => m.set('sluice.model', string('chat'))],
    [
      'a vocabulary of other tokens',
      'MODEL_UNSUPPORTED',
      '32000 tokens',
      (m) => m.delete('sluice.model') && m.set('llama.vocab_size', uint(32_000)),
    ],
    ['too small a vocabulary', 'MODEL_UNSUPPORTED', '259 tokens', (m) => m.set('llama.vocab_size', uint(259))],
    ['another first token', 'MODEL_UNSUPPORTED', 'token 5', (m) => m.set('tokenizer.ggml.bos_token_id', uint(5))],
    ['no sliding window', 'MODEL_UNSUPPORTED', 'sliding_window', (m) => m.delete('llama.attention.sliding_window')],
    ['heads in odd groups', 'MODEL_UNSUPPORTED', '3 key', (m) => m.set('llama.attention.head_count_kv', uint(3))],
    [
      'a broken head size',
      'MODEL_UNSUPPORTED',
      'no even head size',
      (m) => m.delete('llama.attention.key_length') && m.set('llama.attention.head_count', uint(12)),
    ],
    [
      'partly rotated heads',
      'MODEL_UNSUPPORTED',
      'dimension_count',
      (m) => m.set('llama.rope.dimension_count', uint(4)),
    ],
    ['other values', 'MODEL_UNSUPPORTED', 'value_length', (m) => m.set('llama.attention.value_length', uint(4))],
    ['scaled positions', 'MODEL_UNSUPPORTED', 'yarn', (m) => m.set('llama.rope.scaling.type', string('yarn'))],
    ['experts', 'MODEL_UNSUPPORTED', 'experts', (m) => m.set('llama.expert_count', uint(8))],
    ['no width', 'MODEL_CONFIG', 'no key llama.embedding_length', (m) => m.delete('llama.embedding_length')],
    ['a width of zero', 'MODEL_CONFIG', 'the uint32 "0"', (m) => m.set('llama.embedding_length', uint(0))],
    [
      'a width for every layer',
      'MODEL_CONFIG',
      'an array of uint32',
      (m) =>
        m.set('llama.feed_forward_length', { type: 'array', value: { of: 'uint32', items: Uint32Array.of(96, 96) } }),
    ],
    [
      'an epsilon below zero',
      'MODEL_CONFIG',
      'expected a float above 0',
      (m) => m.set('llama.attention.layer_norm_rms_epsilon', { type: 'float32', value: -1 }),
    ],
    [
      'a threshold that is none',
      'MODEL_CONFIG',
      'sluice.auto_threshold',
      (m) => m.set('sluice.auto_threshold', { type: 'float32', value: Number.NaN }),
    ],
    [
      'a claim of endless layers',
      'MODEL_TENSOR_MISSING',
      '4294967295',
      (m) => m.set('llama.block_count', uint(2 ** 32 - 1)),
    ],
    ['too many layers', 'MODEL_TENSOR_MISSING', 'blk.2.attn_norm.weight', (m) => m.set('llama.block_count', uint(3))],
    ['too few layers', 'MODEL_TENSOR_UNKNOWN', 'blk.1.', (m) => m.set('llama.block_count', uint(1))],
    [
      'a missing tensor',
      'MODEL_TENSOR_MISSING',
      'blk.1.ffn_down.weight (layers.1.feed_forward.w2.weight); expected shape [32, 96]',
      (_, s) => s.delete('blk.1.ffn_down.weight'),
    ],
    [
      'a tensor the wrong way round',
      'MODEL_TENSOR_SHAPE',
      'has the shape [32, 96]; expected [96, 32]',
      (_, s) => s.set('blk.0.ffn_up.weight', [32, 96]),
    ],
    ['an unknown tensor', 'MODEL_TENSOR_UNKNOWN', 'rope_freqs.weight', (_, s) => s.set('rope_freqs.weight', [8])],
  ])('is refused for %s', async (_, code, message, change) => {
    const error = await failure(readGgufModel(await zeros((metadata, shapes) => void change(metadata, shapes))));
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(error.path).toMatch(/m\.gguf$/);
  });

  it('is refused where it is none, or not there', async () => {
    const file = await newFile();
    expect((await failure(readGgufModel(file))).code).toBe('MODEL_MISSING');
    await writeFile(file, 'GGUF');
    expect(await failure(readGgufModel(file))).toMatchObject({ code: 'MODEL_FILE', path: file });
  });
});
