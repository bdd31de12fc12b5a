import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../../errors.ts';
import { littleEndianBytes } from '../../formats/littleEndian.ts';
import { parseSafetensorsHeader, type TensorEntry } from '../../formats/safetensors/read.ts';
import { safetensorsHeader, type TensorSpec } from '../../formats/safetensors/write.ts';
import { encodeBlocks } from '../../kernels/blocks/encodeBlocks.ts';
import { fromF16, toF16 } from '../../kernels/blocks/half.ts';
import { blockBytes } from '../../kernels/blocks/layout.ts';
import { FloatRows } from '../floatRows.ts';
import type { ModelFile } from '../modelFile.ts';
import { packedCodes } from './codes.ts';
import { isBlocked, minimaOf, quantizedTensors, scalesOf } from './layout.ts';
import { type QuantizedMatrix, type QuantizedType, scaleCount } from './matrix.ts';
import type { Quantization } from './quantization.ts';
import { writeModelFolder } from './writeModelFolder.ts';

/** Type of what is kept in no fewer bits. */
export type FloatType = 'F16' | 'BF16' | 'F32';

/** Makes a tensor when its turn comes; it is asked for once. */
export type TensorMaker<T> = () => T | Promise<T>;

export interface QuantizedModel {
  /** What it is made of: its configuration and thresholds are kept, and every tensor that is not given here. */
  readonly model: ModelFile;
  readonly quantization: Quantization;
  /** Linear weights of layers, under their names in the released layout, of the type that `quantization` gives. */
  readonly matrices: ReadonlyMap<string, TensorMaker<QuantizedMatrix>>;
  /** Other values than the model's for tensors that are no matrices here, row-major: norms that took scales on. */
  readonly values?: ReadonlyMap<string, TensorMaker<Float32Array>> | undefined;
  /** Type of embeddings, output weights, and linear weights that are not given; norms are F32. Default: `F16`. */
  readonly floats?: FloatType | undefined;
  /** Takes the place of a model folder that is there. Default: false. */
  readonly replace?: boolean | undefined;
  /** Told about every tensor once it is written. */
  readonly onTensor?: ((tensor: WrittenTensor, index: number, tensors: number) => void) | undefined;
  /** Ends the work; nothing is left then. */
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenTensor {
  /** In the released layout. */
  readonly name: string;
  readonly type: QuantizedType | FloatType;
  readonly values: number;
  /** With scales and minima. */
  readonly bytes: number;
}

export interface QuantizedModelWritten {
  /** Of `model.safetensors`. */
  readonly bytes: number;
  /** In the order of the layers. */
  readonly tensors: readonly WrittenTensor[];
}

/**
 * Writes a model folder whose linear weights are kept in fewer bits: `config.json` with the member `quantization`,
 * `model.safetensors` (see {@link quantizedTensors}), and the model's thresholds. Tensors are made one after the other in
 * the order of the layers (embeddings, layers, norm, output weights), and one is in memory at a time. The folder is renamed
 * to `target` when it is whole; the same tensors give the same bytes.
 *
 *     const model = await readModelFile('models/tiny');
 *     const matrices = new Map([['layers.0.attention.wq.weight', () => roundToNearest('int8', weights, 128, 128)]]);
 *     await writeQuantizedModel('tiny-int8', { model, quantization: { type: 'int8', method: 'nearest' }, matrices });
 *
 * @throws RangeError for tensors that the model does not have, or that are not of the type and shape they must have
 * @throws ModelError `MODEL_WEIGHT_VALUE` for values, scales or minima that are not finite, or too large for their type
 * @throws OutputError `EXISTS`; what makers throw
 */
export function writeQuantizedModel(target: string, made: QuantizedModel): Promise<QuantizedModelWritten> {
  const { model, quantization, replace } = made;
  requireNames(made);
  return writeModelFolder(target, model, { quantization, replace }, (folder) =>
    writeTensors(join(folder, 'model.safetensors'), made),
  );
}

async function writeTensors(path: string, made: QuantizedModel): Promise<QuantizedModelWritten> {
  const { model, matrices, values, signal } = made;
  const { tensors } = model.weights;
  const specs = [...tensors].map(([name, { shape }]) => specsOf(made, name, shape));
  const head = safetensorsHeader(specs.flat(), { format: 'pt' });
  const bytes = specs.flat().reduce((sum, spec) => sum + bytesOf(spec), head.length);
  const { tensors: places } = parseSafetensorsHeader(head, bytes, path);
  const written: WrittenTensor[] = [];
  const source = new FloatRows(model.weights);
  const file = await open(path, 'wx');
  try {
    await writeAt(file, head, 0);
    for (const [i, [name, { shape }]] of [...tensors].entries()) {
      signal?.throwIfAborted();
      const matrix = matrices.get(name);
      const own = values?.get(name);
      const place = placeIn(places, name);
      if (matrix !== undefined) await writeMatrix(file, places, made, name, await matrix());
      else if (own !== undefined) await writeFloats(file, place, [requireCount(name, await own(), shape)], made);
      else await writeFloats(file, place, source.of(name), made);
      const tensor = {
        name,
        type: matrix === undefined ? floatType(made, shape) : made.quantization.type,
        values: shape.reduce((a, b) => a * b, 1),
        bytes: (specs[i] ?? []).reduce((sum, spec) => sum + bytesOf(spec), 0),
      };
      written.push(tensor);
      made.onTensor?.(tensor, written.length, tensors.size);
    }
    await file.sync();
  } finally {
    source.close();
    await file.close();
  }
  return { bytes, tensors: written };
}

function specsOf(made: QuantizedModel, name: string, shape: readonly number[]): readonly TensorSpec[] {
  const [outputs = 0, inputs = 0] = shape;
  if (made.matrices.has(name)) return quantizedTensors(made.quantization.type, name, outputs, inputs);
  return [{ name, dtype: floatType(made, shape), shape }];
}

const floatType = ({ floats = 'F16' }: QuantizedModel, shape: readonly number[]): FloatType =>
  shape.length === 1 ? 'F32' : floats;

const sizes = { F32: 4, F16: 2, BF16: 2, I8: 1, U8: 1 } as Readonly<Record<string, number>>;

const bytesOf = ({ dtype, shape }: TensorSpec): number => shape.reduce((a, b) => a * b, sizes[dtype] ?? 0);

async function writeMatrix(
  file: FileHandle,
  places: ReadonlyMap<string, TensorEntry>,
  { model, quantization: { type } }: QuantizedModel,
  name: string,
  matrix: QuantizedMatrix,
): Promise<void> {
  requireMatrix(name, matrix, type, model.weights.tensors.get(name)?.shape ?? []);
  await writeAt(file, packedCodes(matrix), placeIn(places, name).offset);
  const { scales, minima } = matrix;
  const bytes = (values: Float32Array): Uint8Array =>
    isBlocked(type) ? littleEndianBytes(Uint16Array.from(values, toF16)) : littleEndianBytes(values);
  await writeAt(file, bytes(scales), placeIn(places, scalesOf(name)).offset);
  if (minima !== undefined) await writeAt(file, bytes(minima), placeIn(places, minimaOf(name)).offset);
}

/** Rows after rows, in the type of the place. */
async function writeFloats(
  file: FileHandle,
  { name, dtype, offset }: TensorEntry,
  runs: Iterable<Float32Array>,
  { model }: QuantizedModel,
): Promise<void> {
  const type = dtype as FloatType;
  let at = offset;
  for (const values of runs) {
    const bytes = new Uint8Array(blockBytes(type, values.length));
    encodeBlocks(type, values, bytes);
    // written so that NaN fails as well
    const bad = values.find((value) => !(Math.abs(value) < TOO_LARGE[type]));
    if (bad !== undefined) throw lost(`Tensor ${name}`, bad, type, model);
    await writeAt(file, bytes, at);
    at += bytes.length;
  }
}

/** From here on values would be rounded to infinity. */
const TOO_LARGE: Readonly<Record<FloatType, number>> = {
  F16: 65520,
  BF16: 2 ** 127 * (2 - 2 ** -8),
  F32: Number.POSITIVE_INFINITY,
};

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

function placeIn(places: ReadonlyMap<string, TensorEntry>, name: string): TensorEntry {
  const place = places.get(name);
  if (place === undefined) throw new RangeError(`There is no place for ${name}.`);
  return place;
}

function requireNames({ model, matrices, values }: QuantizedModel): void {
  for (const name of [...matrices.keys(), ...(values?.keys() ?? [])]) {
    const shape = model.weights.tensors.get(name)?.shape;
    if (shape === undefined) throw new RangeError(`The model has no tensor ${name}.`);
    const isLinear = name.startsWith('layers.') && shape.length === 2;
    if (matrices.has(name) && (!isLinear || values?.has(name))) {
      throw new RangeError(`${name} is no linear weight of a layer, or is given twice.`);
    }
  }
}

function requireCount(name: string, values: Float32Array, shape: readonly number[]): Float32Array {
  if (values.length === shape.reduce((a, b) => a * b, 1)) return values;
  throw new RangeError(`Tensor ${name} of shape [${shape.join(', ')}] is given ${values.length} values.`);
}

function requireMatrix(name: string, matrix: QuantizedMatrix, type: QuantizedType, shape: readonly number[]): void {
  const { outputs, inputs, codes, scales, minima } = matrix;
  const groups = scaleCount(type, outputs, inputs);
  const [least, most] = isBlocked(type) ? [0, 15] : type === 'ternary' ? [-1, 1] : [-127, 127];
  const fits =
    matrix.type === type &&
    outputs === shape[0] &&
    inputs === shape[1] &&
    codes.length === outputs * inputs &&
    scales.length === groups &&
    (isBlocked(type) ? minima?.length === groups : minima === undefined);
  if (!fits) throw new RangeError(`${name} is no matrix [${shape.join(', ')}] of ${type}.`);
  const bad = codes.find((code) => code < least || code > most);
  if (bad !== undefined) throw new RangeError(`${name} has the code ${bad}; ${type} has ${least} to ${most}.`);
  for (const value of [...scales, ...(minima ?? [])]) {
    if (!Number.isFinite(value)) throw lost(`A scale of ${name}`, value, type, undefined);
    if (isBlocked(type) && fromF16(toF16(value)) !== value) {
      throw new RangeError(`${name} has a scale or minimum, ${value}, that is no binary16 number.`);
    }
  }
}

function lost(what: string, value: number, type: string, model: ModelFile | undefined): ModelError {
  return new ModelError(`${what} is ${value}, which ${type} cannot hold.`, {
    code: 'MODEL_WEIGHT_VALUE',
    path: model?.weights.path,
    hint: Number.isFinite(value) ? 'Choose another type, such as BF16.' : 'The weights are damaged.',
  });
}
