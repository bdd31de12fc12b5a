import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { ffnHidden } from '../../src/model/config.ts';
import { openModel, parseConfig } from '../../src/model/index.ts';
import { goldenModel } from './golden.ts';
import { modelFolder, safetensors, smallArgs } from './modelFolder.ts';

async function failure(dir: string): Promise<ModelError> {
  const error = await openModel(dir).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

describe('a model folder', () => {
  it('opens, and its digest depends on every file', async () => {
    const dir = modelFolder();
    const { id, autoThreshold } = await openModel(dir);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(autoThreshold).toBeUndefined();
    expect((await openModel(modelFolder())).id).toBe(id);
    writeFileSync(join(dir, 'calibration.json'), '{"auto_threshold": 1.1}');
    const calibrated = await openModel(dir);
    expect(calibrated.id).not.toBe(id);
    expect(calibrated.autoThreshold).toBe(Math.fround(1.1));
    expect((await openModel(modelFolder({ ...smallArgs, norm_eps: 1e-6 }))).id).not.toBe(id);
  });

  it.each([
    [
      'a missing tensor',
      'MODEL_TENSOR_MISSING',
      'layers.1.feed_forward.w2.weight; expected shape [32, 96]',
      (t) => delete t['layers.1.feed_forward.w2.weight'],
    ],
    [
      'a misshapen tensor',
      'MODEL_TENSOR_SHAPE',
      'norm.weight in',
      (t) => Object.assign(t, { 'norm.weight': { ...t['norm.weight'], shape: [2, 16] } }),
    ],
    [
      'an unknown tensor',
      'MODEL_TENSOR_UNKNOWN',
      'layers.2.extra',
      (t) => Object.assign(t, { 'layers.2.extra': t['norm.weight'] }),
    ],
    [
      'an unusable type',
      'MODEL_TENSOR_DTYPE',
      'is I32; expected F32, BF16 or F16',
      (t) => Object.assign(t, { 'norm.weight': { ...t['norm.weight'], dtype: 'I32' } }),
    ],
  ] as [string, string, string, Parameters<typeof modelFolder>[1]][])(
    'is refused for %s, by name',
    async (_, code, message, change) => {
      const error = await failure(modelFolder(smallArgs, change));
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
      expect(error.path).toContain('model.safetensors');
    },
  );

  it('tells expected from found', async () => {
    const dir = modelFolder(smallArgs, (t) =>
      Object.assign(t, { 'norm.weight': { ...t['norm.weight'], shape: [2, 16] } }),
    );
    expect((await failure(dir)).message).toMatch(/shape \[2, 16\]; expected \[32\]/);
  });

  it('is refused when a file is missing or cut short anywhere', async () => {
    expect((await failure(join(modelFolder(), 'nowhere'))).code).toBe('MODEL_MISSING');
    const noWeights = modelFolder();
    rmSync(join(noWeights, 'model.safetensors'));
    expect((await failure(noWeights)).code).toBe('MODEL_MISSING');
    const size = readFileSync(join(modelFolder(), 'model.safetensors')).length;
    for (const length of [0, 7, 8, 100, size - 1]) {
      const dir = modelFolder();
      truncateSync(join(dir, 'model.safetensors'), length);
      const error = await failure(dir);
      expect(error.code, `${length}`).toBe('MODEL_FILE');
      expect(error.path).toContain('model.safetensors');
    }
  });

  it('is refused for a damaged header', async () => {
    const data = new Uint8Array(8);
    const tensors = {
      a: { dtype: 'F32', shape: [1], data: data.subarray(4) },
      b: { dtype: 'F32', shape: [1], data: data.subarray(4) },
    };
    const cases: [string, Uint8Array][] = [
      [
        'overlaps',
        safetensors(tensors, (h) => Object.assign(h, { b: { dtype: 'F32', shape: [1], data_offsets: [2, 6] } })),
      ],
      [
        'unused',
        safetensors(tensors, (h) => Object.assign(h, { b: { dtype: 'F32', shape: [], data_offsets: [6, 10] } })),
      ],
      ['belong to no tensor', safetensors(tensors, (h) => delete h.b)],
      [
        'needs 8 bytes',
        safetensors(tensors, (h) => Object.assign(h, { b: { dtype: 'F32', shape: [2], data_offsets: [4, 8] } })),
      ],
      [
        'unknown dtype',
        safetensors(tensors, (h) => Object.assign(h, { b: { dtype: 'F99', shape: [1], data_offsets: [4, 8] } })),
      ],
      [
        'unknown dtype "constructor"',
        safetensors(tensors, (h) =>
          Object.assign(h, { b: { dtype: 'constructor', shape: [1], data_offsets: [4, 8] } }),
        ),
      ],
      [
        'no valid shape',
        safetensors(tensors, (h) => Object.assign(h, { b: { dtype: 'F32', shape: [-1], data_offsets: [4, 8] } })),
      ],
      ['not a string', safetensors(tensors, (h) => Object.assign(h, { __metadata__: { a: 1 } }))],
      ['not valid UTF-8 JSON', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{x')])],
      ['limit', Buffer.concat([Buffer.from([0, 0, 0, 0, 255, 0, 0, 0]), data])],
    ];
    for (const [message, file] of cases) {
      const dir = modelFolder();
      writeFileSync(join(dir, 'model.safetensors'), file);
      expect((await failure(dir)).message).toContain(message);
    }
  });

  it('is refused for a calibration that says nothing', async () => {
    for (const text of ['{', '{}', '{"auto_threshold": "1"}']) {
      const dir = modelFolder();
      writeFileSync(join(dir, 'calibration.json'), text);
      expect((await failure(dir)).code).toBe('MODEL_CALIBRATION');
    }
  });

  it('is refused for other kinds of model', async () => {
    const unsupported = [
      { attn_bias_type: 'causal' },
      { attn_bias_type: undefined },
      { weight_tying: true },
      { n_kv_heads: 3 },
      { n_heads: 5 },
      { vocab_size: 256 },
      { rope_use_fp32_in_outer_product: true },
    ];
    for (const change of unsupported) {
      const dir = modelFolder();
      writeFileSync(join(dir, 'config.json'), JSON.stringify({ args: { ...smallArgs, ...change } }));
      expect((await failure(dir)).code, JSON.stringify(change)).toBe('MODEL_UNSUPPORTED');
    }
    for (const text of [
      '[',
      '{}',
      '{"args": {"attn_bias_type": "local_block_causal", "n_heads": 2}}',
      '{"args": []}',
    ]) {
      const dir = modelFolder();
      writeFileSync(join(dir, 'config.json'), text);
      expect((await failure(dir)).code, text).toBe('MODEL_CONFIG');
    }
  });
});

describe('config.json', () => {
  it('takes the defaults of the reference for what is missing or null', () => {
    const config = parseConfig({
      args: { attn_bias_type: 'local_block_causal', n_heads: 8, n_kv_heads: null, sliding_window: 512 },
    });
    expect(config).toEqual({
      dim: 512,
      layers: 8,
      heads: 8,
      kvHeads: 8,
      headDim: 64,
      ffnHidden: 1536,
      vocabSize: 260,
      normEps: 1e-5,
      ropeTheta: 10000,
      window: 512,
      eosId: 2,
    });
  });

  it('derives the width of the feed-forward layer', () => {
    expect(ffnHidden(768, 1, 256)).toBe(2048);
    expect(ffnHidden(768, undefined, 256)).toBe(2048);
    expect(ffnHidden(48, 1, 64)).toBe(128);
    expect(ffnHidden(128, undefined, 32)).toBe(352);
    expect(ffnHidden(1024, 1.3, 256)).toBe(3584);
  });

  it('is read from a folder nobody may write to', async () => {
    const dir = modelFolder();
    for (const name of ['config.json', 'model.safetensors'])
      copyFileSync(join(goldenModel('w24-bf16'), name), join(dir, name));
    chmodSync(dir, 0o555);
    const model = await openModel(dir, { threads: 1 });
    expect((await model.referenceTokens([1, 70, 2])).entropies.length).toBe(3);
    await model.close();
    expect(readdirSync(dir).sort()).toEqual(['config.json', 'model.safetensors']);
  });
});
