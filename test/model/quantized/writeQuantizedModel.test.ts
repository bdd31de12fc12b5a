import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ModelError, OutputError } from '../../../src/errors.ts';
import { parseSafetensorsHeader } from '../../../src/formats/safetensors/read.ts';
import { writeGgufModel } from '../../../src/model/ggufWriter.ts';
import { defaultModelDir } from '../../../src/model/index.ts';
import { type ModelFile, readModelFile } from '../../../src/model/modelFile.ts';
import type { QuantizedType } from '../../../src/model/quantized/matrix.ts';
import { type QuantizedModel, writeQuantizedModel } from '../../../src/model/quantized/writeQuantizedModel.ts';
import { temporaryFolder } from '../../sinks/flow.ts';
import { modelFolder } from '../modelFolder.ts';
import { oddArgs, roundedMatrices, valuesOf } from './quantizedFolder.ts';

const FILES = ['config.json', 'model.safetensors'];

async function rounded(type: QuantizedType, given?: ModelFile): Promise<QuantizedModel> {
  const model = given ?? (await readModelFile(modelFolder(oddArgs)));
  return { model, quantization: { type, method: 'nearest' }, matrices: roundedMatrices(model, type) };
}

const newTarget = async (): Promise<string> => path.join(await temporaryFolder(), 'model');

const headerOf = (dir: string) => {
  const file = readFileSync(path.join(dir, 'model.safetensors'));
  return parseSafetensorsHeader(file, file.length).tensors;
};

describe('a model folder with weights in fewer bits', () => {
  it.each([
    ['int8', ['I8', [18, 78]], ['F32', [1]], undefined],
    ['int8-channel', ['I8', [18, 78]], ['F32', [18]], undefined],
    ['int4', ['U8', [18, 39]], ['F16', [18, 3]], ['F16', [18, 3]]],
    ['int4-64', ['U8', [18, 39]], ['F16', [18, 2]], ['F16', [18, 2]]],
    ['ternary', ['U8', [18, 16]], ['F32', [18]], undefined],
  ] as const)('holds a weight [18, 78] of %s as its format says', async (type, codes, scales, minima) => {
    const target = await newTarget();
    const made = await rounded(type);
    const { bytes, tensors } = await writeQuantizedModel(target, made);
    const held = headerOf(target);
    const entry = (name: string) => {
      const found = held.get(name);
      return found && [found.dtype, found.shape];
    };
    const name = 'layers.1.attention.wq.weight';
    expect([entry(name), entry(`${name}.scales`), entry(`${name}.minima`)]).toEqual([codes, scales, minima]);
    expect(entry('layers.1.ffn_norm.weight')).toEqual(['F32', [78]]);
    expect(entry('output.weight')).toEqual(['F16', [260, 78]]);
    expect(bytes).toBe(readFileSync(path.join(target, 'model.safetensors')).length);
    expect(tensors.map((tensor) => tensor.name)).toEqual([...made.model.weights.tensors.keys()]);
    const parts = [name, `${name}.scales`, `${name}.minima`].map((part) => held.get(part)?.length ?? 0);
    expect(tensors.find((tensor) => tensor.name === name)).toEqual({
      name,
      type,
      values: 18 * 78,
      bytes: parts.reduce((a, b) => a + b),
    });
  });

  it('keeps what config.json says, the thresholds, and the values of norms', async () => {
    const [target, source] = [await newTarget(), defaultModelDir()];
    const made = await rounded('ternary', await readModelFile(source));
    await writeQuantizedModel(target, { ...made, quantization: { type: 'ternary', method: 'min-max', seed: 3 } });
    const config = (dir: string) => JSON.parse(readFileSync(path.join(dir, 'config.json'), 'utf8'));
    expect(config(target)).toEqual({
      ...config(source),
      quantization: { type: 'ternary', method: 'min-max', seed: 3 },
    });
    const calibration = (dir: string) => readFileSync(path.join(dir, 'calibration.json'));
    expect(calibration(target)).toEqual(calibration(source));
    expect(valuesOf(target, 'norm.weight')).toEqual(valuesOf(source, 'norm.weight'));
    const { config: read, autoThreshold, modalityThresholds } = await readModelFile(target);
    expect({ config: read, autoThreshold, modalityThresholds }).toEqual({
      config: made.model.config,
      autoThreshold: made.model.autoThreshold,
      modalityThresholds: made.model.modalityThresholds,
    });
  });

  it('has the same bytes every time', async () => {
    const [one, two] = [await newTarget(), await newTarget()];
    await writeQuantizedModel(one, await rounded('int4'));
    await writeQuantizedModel(two, await rounded('int4'));
    expect(readdirSync(one).sort()).toEqual(FILES);
    for (const file of FILES) expect(readFileSync(path.join(one, file))).toEqual(readFileSync(path.join(two, file)));
  });

  it('is made of a GGUF file as well, and of a folder that is quantized already', async () => {
    const folder = await temporaryFolder();
    const [gguf, target, again] = ['m.gguf', 'target', 'again'].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeGgufModel(defaultModelDir(), gguf, 'F32');
    const model = await readModelFile(gguf);
    const { matrices } = await rounded('int8', await readModelFile(defaultModelDir()));
    await writeQuantizedModel(target, { model, quantization: { type: 'int8', method: 'nearest' }, matrices });
    const read = await readModelFile(target);
    expect(read.config).toEqual(model.config);
    expect([read.autoThreshold, read.modalityThresholds]).toEqual([model.autoThreshold, model.modalityThresholds]);

    // nothing is given: all of it becomes float32, decoded
    const quantization = { type: 'int4', method: 'none' } as const;
    await writeQuantizedModel(again, { model: read, quantization, matrices: new Map(), floats: 'F32' });
    expect([...headerOf(again).values()].every(({ dtype }) => dtype === 'F32')).toBe(true);
  });

  it('takes other values than the model has for tensors that are no matrices', async () => {
    const target = await newTarget();
    const halves = new Float32Array(78).fill(0.5);
    const name = 'layers.0.attention_norm.weight';
    await writeQuantizedModel(target, { ...(await rounded('int8')), values: new Map([[name, () => halves]]) });
    expect(valuesOf(target, name)).toEqual(halves);
  });

  it('asks for tensors in the order of the layers, one at a time', async () => {
    const made = await rounded('int8');
    const asked: string[] = [];
    const matrices = new Map(
      [...made.matrices].map(([name, make]) => [
        name,
        async () => {
          asked.push(name);
          return make();
        },
      ]),
    );
    const seen: string[] = [];
    await writeQuantizedModel(await newTarget(), {
      ...made,
      matrices,
      onTensor: ({ name }, index, tensors) => {
        if (matrices.has(name)) expect(asked.at(-1)).toBe(name);
        seen.push(`${index}/${tensors}`);
      },
    });
    expect(asked).toEqual([...made.matrices.keys()]);
    expect(seen).toEqual(seen.map((_, i) => `${i + 1}/${seen.length}`));
  });
});

describe('a folder under the wanted name', () => {
  it('is replaced when that is asked for, and only where it is a model', async () => {
    const target = await newTarget();
    await writeQuantizedModel(target, await rounded('int8'));
    const before = readFileSync(path.join(target, 'model.safetensors'));
    const other = await rounded('ternary');
    await expect(writeQuantizedModel(target, other)).rejects.toMatchObject({ code: 'EXISTS', path: target });
    expect(readFileSync(path.join(target, 'model.safetensors'))).toEqual(before);
    await writeQuantizedModel(target, { ...other, replace: true });
    expect(readFileSync(path.join(target, 'config.json'), 'utf8')).toContain('"ternary"');
    expect(readdirSync(path.dirname(target))).toEqual(['model']);

    const documents = await temporaryFolder();
    writeFileSync(path.join(documents, 'letter.txt'), 'Dear');
    const refused = writeQuantizedModel(documents, { ...other, replace: true });
    await expect(refused).rejects.toBeInstanceOf(OutputError);
    expect(readdirSync(documents)).toEqual(['letter.txt']);
  });

  it('may be there if it is empty', async () => {
    const target = await newTarget();
    mkdirSync(target);
    await writeQuantizedModel(target, await rounded('int8'));
    expect(readdirSync(target).sort()).toEqual(FILES);
  });

  it('is not there after an error or an end, nor anything else', async () => {
    const target = await newTarget();
    const made = await rounded('int4');
    const fails = new Map(made.matrices).set('layers.1.attention.wo.weight', () => {
      throw new Error('no more');
    });
    await expect(writeQuantizedModel(target, { ...made, matrices: fails })).rejects.toThrow('no more');
    const stop = new AbortController();
    const stopped = writeQuantizedModel(target, {
      ...made,
      signal: stop.signal,
      onTensor: (_, index) => index === 5 && stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(readdirSync(path.dirname(target))).toEqual([]);
  });

  it('is not there when the process is killed midway, and can be written after', async () => {
    const [source, target] = [modelFolder(oddArgs), await newTarget()];
    const program = fileURLToPath(new URL('killedWriter.ts', import.meta.url));
    const killed = promisify(execFile)(process.execPath, ['--conditions=sluice-source', program, source, target]);
    await expect(killed).rejects.toMatchObject({ signal: 'SIGKILL' });
    expect(existsSync(target)).toBe(false);
    // it had begun
    expect(readdirSync(path.dirname(target))).toHaveLength(1);
    await writeQuantizedModel(target, await rounded('int4', await readModelFile(source)));
    expect((await readModelFile(target)).weights.tensors.get('layers.1.attention.wo.weight')?.dtype).toBe('int4');
  });
});

describe('what cannot be written', () => {
  const name = 'layers.0.attention.wq.weight';

  it.each([
    ['a tensor that the model does not have', 'layers.9.attention.wq.weight', 'has no tensor layers.9'],
    ['a matrix that is no linear weight of a layer', 'output.weight', 'output.weight is no linear weight'],
  ])('is %s', async (_, wrong, message) => {
    const made = await rounded('int8');
    const matrices = new Map(made.matrices).set(wrong, made.matrices.get(name)!);
    expect(() => writeQuantizedModel('nowhere', { ...made, matrices })).toThrow(message);
  });

  it.each([
    ['another type', { type: 'int4' }, RangeError],
    ['another shape', { outputs: 78, inputs: 18 }, RangeError],
    ['too few codes', { codes: new Int8Array(3) }, RangeError],
    ['a code that is none', { codes: new Int8Array(18 * 78).fill(-128) }, RangeError],
    ['too many scales', { scales: new Float32Array(18) }, RangeError],
    ['minima that mean nothing', { minima: new Float32Array(1) }, RangeError],
    ['a scale that is no number', { scales: Float32Array.of(Number.NaN) }, ModelError],
    ['a scale that is infinite', { scales: Float32Array.of(Number.NEGATIVE_INFINITY) }, ModelError],
  ] as const)('is a matrix with %s', async (_, wrong, type) => {
    const target = await newTarget();
    const made = await rounded('int8');
    const right = await made.matrices.get(name)!();
    const matrices = new Map(made.matrices).set(name, () => ({ ...right, ...wrong }));
    const error = await writeQuantizedModel(target, { ...made, matrices }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toContain(name);
    expect(readdirSync(path.dirname(target))).toEqual([]);
  });

  it('is a scale of int4 that binary16 does not have', async () => {
    const made = await rounded('int4');
    const right = await made.matrices.get(name)!();
    const matrices = new Map(made.matrices).set(name, () => ({ ...right, scales: right.scales.map(() => 1 / 3) }));
    await expect(writeQuantizedModel(await newTarget(), { ...made, matrices })).rejects.toThrow('no binary16 number');
  });

  it.each([
    ['F16', 65519, 65520],
    ['BF16', 3.3961e38, 3.3962e38],
    ['F32', 3.4e38, Number.POSITIVE_INFINITY],
  ] as const)('is a value that %s cannot hold', async (floats, most, tooLarge) => {
    const made = { ...(await rounded('int8')), floats };
    const write = async (value: number) => {
      const output = new Float32Array(260 * 78).fill(value);
      return writeQuantizedModel(await newTarget(), { ...made, values: new Map([['output.weight', () => output]]) });
    };
    await write(most);
    await expect(write(tooLarge)).rejects.toMatchObject({ code: 'MODEL_WEIGHT_VALUE' });
    await expect(write(Number.NaN)).rejects.toMatchObject({ code: 'MODEL_WEIGHT_VALUE' });
  });
});
