import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/errors.ts';
import { parseSafetensorsHeader } from '../../../src/formats/safetensors/read.ts';
import { modelFootprint } from '../../../src/model/cpu/footprint.ts';
import { floatModel } from '../../../src/model/cpu/providers/floatModel.ts';
import { FloatRows } from '../../../src/model/floatRows.ts';
import { writeGgufModel } from '../../../src/model/ggufWriter.ts';
import { openModel } from '../../../src/model/index.ts';
import { type ModelFile, readModelFile } from '../../../src/model/modelFile.ts';
import { QUANTIZED_TYPES, type QuantizedType } from '../../../src/model/quantized/matrix.ts';
import { writeModelFolder } from '../../../src/model/quantized/writeModelFolder.ts';
import { testSession } from '../cpu/session.ts';
import { prose } from '../golden.ts';
import { modelFolder, safetensors, smallArgs } from '../modelFolder.ts';
import { encodeAll } from '../reference.ts';
import { quantizedFolder } from './quantizedFolder.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'sluice-quantized-read-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const folders = new Map<QuantizedType, Awaited<ReturnType<typeof quantizedFolder>>>();
beforeAll(async () => {
  for (const type of QUANTIZED_TYPES) folders.set(type, await quantizedFolder(path.join(scratch, type), type));
});

type Tensors = Parameters<typeof safetensors>[0];
const MATRIX = 'layers.1.attention.wq.weight';

/** A copy of the folder of a type, with changed tensors or another configuration. */
function spoiled(
  type: QuantizedType,
  change: (tensors: Tensors) => unknown,
  config: (config: Record<string, unknown>) => unknown = () => {},
): string {
  const from = folders.get(type)!.dir;
  const to = mkdtempSync(path.join(scratch, 'spoiled-'));
  const json = JSON.parse(readFileSync(path.join(from, 'config.json'), 'utf8')) as Record<string, unknown>;
  config(json);
  writeFileSync(path.join(to, 'config.json'), JSON.stringify(json));
  const file = readFileSync(path.join(from, 'model.safetensors'));
  const tensors: Tensors = {};
  for (const { name, dtype, shape, offset, length } of parseSafetensorsHeader(file, file.length).tensors.values()) {
    tensors[name] = { dtype, shape, data: new Uint8Array(file.subarray(offset, offset + length)) };
  }
  change(tensors);
  writeFileSync(path.join(to, 'model.safetensors'), safetensors(tensors));
  return to;
}

async function failure(run: Promise<unknown>): Promise<ModelError> {
  const error = await run.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

const rowsOf = ({ weights }: ModelFile): Map<string, number[]> => {
  const rows = new FloatRows(weights);
  const values = [...weights.tensors.keys()].map((name): [string, number[]] => [
    name,
    [...rows.of(name)].flatMap((run) => [...run]),
  ]);
  rows.close();
  return new Map(values);
};

describe.each(QUANTIZED_TYPES)('a folder with weights of %s', (type) => {
  it('is read as its dequantized weights, bit for bit', async () => {
    const { dir, plain } = folders.get(type)!;
    expect(rowsOf(await readModelFile(dir))).toEqual(rowsOf(await readModelFile(plain)));
  });

  it('is decoded for devices that take float32', async () => {
    const { dir, plain } = folders.get(type)!;
    const { model, release } = floatModel(await readModelFile(dir));
    expect(rowsOf(model)).toEqual(rowsOf(await readModelFile(plain)));
    release();
  });

  it('becomes the GGUF file that its dequantized weights become', async () => {
    const { dir, plain } = folders.get(type)!;
    const [one, two] = [path.join(scratch, `${type}.gguf`), path.join(scratch, `${type}-plain.gguf`)];
    await writeGgufModel(dir, one, 'BF16');
    await writeGgufModel(plain, two, 'BF16');
    expect(readFileSync(one)).toEqual(readFileSync(two));
  });

  it('is computed with 7-bit integers as its dequantized weights are', async () => {
    const { dir, plain } = folders.get(type)!;
    const tokens = Int32Array.from({ length: 50 }, (_, i) => 4 + ((i * 7919) % 256));
    const results: Float32Array[] = [];
    for (const one of [dir, plain]) {
      const session = await testSession(one, { form: 'int8' });
      const task = { tokens, position: 0, carry: false, preNorm: false, logits: false };
      results.push((await session.run(task)).entropies);
      await session.close();
    }
    expect(results[0]).toEqual(results[1]);
  });

  it('has an id of its own, and takes what decoded layers take', async () => {
    const { dir, plain } = folders.get(type)!;
    const [model, other] = [await openModel(dir, { threads: 1 }), await openModel(plain, { threads: 1 })];
    expect(model.id).not.toBe(other.id);
    const options = { threads: 1, pieceTokens: 64 };
    const [own, mapped] = [modelFootprint(dir, options), modelFootprint(plain, options)];
    expect(own.dim).toBe(78);
    expect(own.bytes).toBeGreaterThan(mapped.bytes);
    expect(modelFootprint(dir, { ...options, weightCacheBytes: 0 }).bytes).toBeLessThanOrEqual(own.bytes);
    await Promise.all([model.close(), other.close()]);
  });
});

describe('a folder with weights in fewer bits', () => {
  it('may keep some linear weights as floats', async () => {
    const values = new Float32Array(18 * 78).fill(0.25);
    const dir = spoiled('ternary', (tensors) => {
      tensors[MATRIX] = { dtype: 'F32', shape: [18, 78], data: new Uint8Array(values.buffer) };
      delete tensors[`${MATRIX}.scales`];
    });
    expect(rowsOf(await readModelFile(dir)).get(MATRIX)).toEqual([...values]);
  });

  it.each([
    ['is cut', 'int4', () => {}, 'MODEL_FILE', 'model.safetensors'],
    ['has no scales', 'int8', (t) => delete t[`${MATRIX}.scales`], 'MODEL_TENSOR_MISSING', `${MATRIX}.scales`],
    ['has no minima', 'int4', (t) => delete t[`${MATRIX}.minima`], 'MODEL_TENSOR_MISSING', `${MATRIX}.minima`],
    [
      'has scales for other blocks',
      'int4',
      (t) => Object.assign(t[`${MATRIX}.scales`]!, { shape: [3, 18] }),
      'MODEL_TENSOR_SHAPE',
      `${MATRIX}.scales in`,
    ],
    [
      'has scales of another type',
      'int8-channel',
      (t) => Object.assign(t[`${MATRIX}.scales`]!, { dtype: 'I32' }),
      'MODEL_TENSOR_DTYPE',
      'is I32; expected F32',
    ],
    [
      'has codes of another width',
      'ternary',
      (t) => Object.assign(t[MATRIX]!, { shape: [16, 18] }),
      'MODEL_TENSOR_SHAPE',
      '[16, 18]; expected [18, 16]',
    ],
    [
      'has signed codes where they are not',
      'int4',
      (t) => Object.assign(t[MATRIX]!, { dtype: 'I8' }),
      'MODEL_TENSOR_DTYPE',
      'is I8; expected U8',
    ],
    [
      'keeps a norm in codes',
      'int8',
      (t) => Object.assign(t, { 'norm.weight': { dtype: 'I8', shape: [78], data: new Uint8Array(78) } }),
      'MODEL_TENSOR_DTYPE',
      'norm.weight',
    ],
    [
      'has scales that belong to nothing',
      'int8',
      (t) => Object.assign(t, { 'output.weight.scales': t[`${MATRIX}.scales`] }),
      'MODEL_TENSOR_UNKNOWN',
      'output.weight.scales',
    ],
    [
      'has a scale that is no number',
      'int8-channel',
      (t) => t[`${MATRIX}.scales`]!.data.set([0, 0, 0xc0, 0x7f], 4 * 17),
      'MODEL_WEIGHT_VALUE',
      'Scale or minimum 17 of layers.1.attention.wq.weight',
    ],
    [
      'has an infinite minimum',
      'int4-64',
      (t) => t[`${MATRIX}.minima`]!.data.set([0, 0xfc], 2 * 5),
      'MODEL_WEIGHT_VALUE',
      'Scale or minimum 5 of layers.1.attention.wq.weight',
    ],
  ] as [string, QuantizedType, (tensors: Tensors) => unknown, string, string][])(
    'is refused if it %s',
    async (what, type, change, code, message) => {
      const dir = spoiled(type, change);
      const file = path.join(dir, 'model.safetensors');
      if (what === 'is cut') truncateSync(file, statSync(file).size - 1);
      const error = await failure(readModelFile(dir));
      expect(error).toMatchObject({ code, path: expect.stringContaining('model.safetensors') });
      expect(error.message).toContain(message);
    },
  );

  it.each([
    [{ type: 'int3', method: 'nearest' }, '"int3", which is not known'],
    [{ bits: 4, group_size: 64 }, 'null, which is not known'],
    ['int8', 'null, which is not known'],
  ])('is refused if config.json says %j', async (quantization, message) => {
    const dir = spoiled(
      'int8',
      () => {},
      (config) => Object.assign(config, { quantization }),
    );
    const error = await failure(readModelFile(dir));
    expect(error).toMatchObject({ code: 'MODEL_CONFIG', path: path.join(dir, 'config.json') });
    expect(error.message).toContain(message);
  });

  it('is refused if config.json says nothing, or says another type', async () => {
    const says = (type: string | undefined) =>
      spoiled(
        'int8',
        () => {},
        (config) => Object.assign(config, { quantization: type && { type, method: 'nearest' } }),
      );
    expect((await failure(readModelFile(says(undefined)))).code).toBe('MODEL_TENSOR_DTYPE');
    expect((await failure(readModelFile(says('int8-channel')))).code).toBe('MODEL_TENSOR_SHAPE');
    expect((await failure(readModelFile(says('int4')))).code).toBe('MODEL_TENSOR_SHAPE');
  });

  it.each([
    ['int8', 0x80],
    ['ternary', 243],
  ] as const)('fails a pass over a byte that is no code of %s, by file and place', async (type, byte) => {
    const dir = spoiled(type, (tensors) => tensors[MATRIX]!.data.set([byte], 20));
    const model = await openModel(dir, { threads: 1 });
    const error = await failure(encodeAll(model, prose(10)));
    const place = (await readModelFile(dir)).weights.tensors.get(MATRIX)!.offset + 20;
    expect(error).toMatchObject({
      code: 'MODEL_WEIGHT_VALUE',
      path: path.join(dir, 'model.safetensors'),
      position: { byte: place },
    });
    expect(error.message).toContain(`no code of ${type}`);
    await model.close();
  });
});

describe('a folder with a GGUF file', () => {
  const wide = { ...smallArgs, dim: 256, n_layers: 1, multiple_of: 256 };

  async function ggufFolder(thresholds: { folder?: number; file?: number } = {}): Promise<string> {
    const source = modelFolder(wide);
    const write = (name: string, value: number | undefined) =>
      value === undefined || writeFileSync(path.join(source, name), JSON.stringify({ auto_threshold: value }));
    write('calibration.json', thresholds.file);
    const target = mkdtempSync(path.join(scratch, 'gguf-'));
    await writeModelFolder(target, { ...(await readModelFile(source)), autoThreshold: undefined }, {}, (folder) =>
      writeGgufModel(source, path.join(folder, 'model.gguf'), 'Q4_K'),
    );
    rmSync(path.join(target, 'calibration.json'), { force: true });
    if (thresholds.folder !== undefined) {
      writeFileSync(path.join(target, 'calibration.json'), JSON.stringify({ auto_threshold: thresholds.folder }));
    }
    return target;
  }

  it('is computed as the file is, and is known by the folder', async () => {
    const dir = await ggufFolder();
    const [folder, file] = [
      await openModel(dir, { threads: 1 }),
      await openModel(path.join(dir, 'model.gguf'), { threads: 1 }),
    ];
    expect(folder.dir).toBe(dir);
    expect((await encodeAll(folder, prose(80))).entropies).toEqual((await encodeAll(file, prose(80))).entropies);
    const options = { threads: 1, pieceTokens: 64 };
    expect(modelFootprint(dir, options)).toEqual(modelFootprint(path.join(dir, 'model.gguf'), options));
    await Promise.all([folder.close(), file.close()]);
  });

  it.each([
    [{ file: 1.5 }, 1.5],
    [{ file: 1.5, folder: 2.5 }, 2.5],
    [{ folder: 2.5 }, 2.5],
    [{}, undefined],
  ])('has the threshold of the folder before that of the file: %j', async (given, expected) => {
    expect((await readModelFile(await ggufFolder(given))).autoThreshold).toBe(expected);
  });

  it('is refused where config.json is that of another model', async () => {
    const dir = await ggufFolder();
    const config = { args: { ...wide, norm_eps: 1e-6 } };
    writeFileSync(path.join(dir, 'config.json'), JSON.stringify(config));
    const error = await failure(readModelFile(dir));
    expect(error).toMatchObject({ code: 'MODEL_CONFIG', path: path.join(dir, 'config.json') });
    expect(error.message).toContain('do not belong together');
  });
});
