import { join } from 'node:path';
import type { JsonValue } from '../../json.ts';
import type { BlockType } from '../../kernels/blocks/layout.ts';
import { writeGgufModel } from '../ggufWriter.ts';
import { isGguf, type ModelFile } from '../modelFile.ts';
import { dequantizedMatrix, type QuantizedMatrix, type QuantizedType } from '../quantized/matrix.ts';
import { roundToNearest } from '../quantized/roundToNearest.ts';
import { writeModelFolder } from '../quantized/writeModelFolder.ts';
import { type FloatType, type WrittenTensor, writeQuantizedModel } from '../quantized/writeQuantizedModel.ts';
import { CalibratedLayers } from './calibratedLayers.ts';
import { DEFAULT_PERCENTILE } from './floatMatrix.ts';
import { LayerWeights } from './layerWeights.ts';
import { type QuantizeMethod, usesText } from './method.ts';
import { roundMatrix } from './roundMatrix.ts';
import { type TensorErrors, tensorErrors } from './tensorErrors.ts';

/** What every way of writing a smaller model is told. */
export interface WriteOptions {
  readonly replace: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told about every tensor once it is written. */
  readonly onTensor?: ((index: number, tensors: number) => void) | undefined;
}

/** A tensor as it was written, and what is known of its errors without reading it again. */
export interface TensorFacts {
  readonly name: string;
  readonly type: string;
  readonly asked: string;
  readonly bytes: number;
  readonly errors?: TensorErrors | undefined;
  readonly outputError?: number | undefined;
}

/** How linear weights become codes. */
export interface CodePlan {
  readonly type: QuantizedType;
  readonly method: QuantizeMethod;
  readonly percentile?: number | undefined;
  /** Text to calibrate on, of at most 8,192 bytes a window; what it is goes into `config.json`. */
  readonly text?: { readonly windows: readonly Uint8Array[]; readonly record: JsonValue } | undefined;
  /** Type of embeddings and output weights. Default: `F16`. */
  readonly floats?: FloatType | undefined;
}

/** Writes a folder with the weights as codes and scales; see `writeQuantizedModel`. */
export async function writeCodes(
  model: ModelFile,
  target: string,
  plan: CodePlan,
  options: WriteOptions,
): Promise<TensorFacts[]> {
  const { type, method, percentile = DEFAULT_PERCENTILE, text, floats } = plan;
  const { replace, signal, onTensor } = options;
  const weights = new LayerWeights(model);
  const facts = new Map<string, Pick<TensorFacts, 'errors' | 'outputError'>>();
  const calibrated =
    usesText(method) && text !== undefined
      ? await CalibratedLayers.open({ model, weights, type, method, windows: text.windows, signal })
      : undefined;
  const rounded = (name: string): QuantizedMatrix => {
    const matrix = weights.matrix(name);
    const codes =
      method === 'percentile' || method === 'mse'
        ? roundMatrix(matrix, type, { method, percentile })
        : roundToNearest(type, matrix.values, matrix.outputs, matrix.inputs);
    facts.set(name, { errors: tensorErrors(matrix.values, dequantizedMatrix(codes)) });
    return codes;
  };
  const matrices = new Map<string, () => QuantizedMatrix | Promise<QuantizedMatrix>>();
  const values = new Map<string, () => Promise<Float32Array>>();
  for (const [full, { shape }] of model.weights.tensors) {
    const [, number, name = ''] = /^layers\.(\d+)\.(.+)$/.exec(full) ?? [];
    if (number === undefined) continue;
    if (calibrated === undefined) {
      if (shape.length === 2) matrices.set(full, () => rounded(full));
      continue;
    }
    if (shape.length === 2) {
      matrices.set(full, async () => {
        const { tensors, matrices, outputErrors } = await calibrated.layer(Number(number));
        const matrix = needed(matrices.get(name), full);
        const errors = tensorErrors(needed(tensors.get(name), full), dequantizedMatrix(matrix));
        facts.set(full, { errors, outputError: outputErrors.get(name) });
        return matrix;
      });
    } else {
      values.set(full, async () => {
        const own = needed((await calibrated.layer(Number(number))).tensors.get(name), full);
        facts.set(full, { errors: tensorErrors(own, own) });
        return own;
      });
    }
  }
  const quantization = {
    type,
    method,
    ...(method === 'percentile' ? { percentile } : {}),
    ...(usesText(method) && text !== undefined ? { calibration: text.record } : {}),
  };
  try {
    const { tensors } = await writeQuantizedModel(target, {
      model,
      quantization,
      matrices,
      values,
      floats,
      replace,
      signal,
      onTensor: (_: WrittenTensor, index, count) => onTensor?.(index, count),
    });
    return tensors.map((tensor) => ({ ...tensor, asked: tensor.type, ...facts.get(tensor.name) }));
  } finally {
    weights.close();
    await calibrated?.close();
  }
}

/** Writes a `.gguf` file, or a folder that holds one beside its `config.json`. */
export async function writeBlocks(
  model: ModelFile,
  target: string,
  type: BlockType,
  embeddings: BlockType | undefined,
  { replace, signal, onTensor }: WriteOptions,
): Promise<TensorFacts[]> {
  const write = (path: string) =>
    writeGgufModel(model.path, path, type, {
      embeddings,
      signal,
      onTensor: (_, index, count) => onTensor?.(index, count),
    });
  const { tensors } = isGguf(target)
    ? await write(target)
    : await writeModelFolder(target, model, { replace }, (folder) => write(join(folder, 'model.gguf')));
  return tensors.map(({ name, type, asked, bytes }) => ({ name, type, asked, bytes }));
}

function needed<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new RangeError(`Nothing was made of ${name}.`);
  return value;
}
