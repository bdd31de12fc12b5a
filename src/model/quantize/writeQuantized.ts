import { join } from 'node:path';
import type { JsonValue } from '../../json.ts';
import type { BlockType } from '../../kernels/blocks/layout.ts';
import { writeGgufModel } from '../ggufWriter.ts';
import { isGguf, type ModelFile } from '../modelFile.ts';
import { dequantizedMatrix, type QuantizedMatrix, type QuantizedType } from '../quantized/matrix.ts';
import { roundToNearest } from '../quantized/roundToNearest.ts';
import { writeModelFolder } from '../quantized/writeModelFolder.ts';
import { type FloatType, writeQuantizedModel } from '../quantized/writeQuantizedModel.ts';
import { layerShapes } from '../weights.ts';
import { needed } from './awqLayer.ts';
import { CalibratedLayers } from './calibratedLayers.ts';
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
  /** Of `percentile` alone. */
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
  { replace, signal, onTensor }: WriteOptions,
): Promise<TensorFacts[]> {
  const { type, method, percentile, text, floats } = plan;
  const seen = usesText(method) ? text : undefined;
  const quantization = {
    type,
    method,
    ...(percentile === undefined ? {} : { percentile }),
    ...(seen === undefined ? {} : { calibration: seen.record }),
  };
  const weights = new LayerWeights(model);
  let calibrated: CalibratedLayers | undefined;
  try {
    if (usesText(method) && seen !== undefined) {
      calibrated = await CalibratedLayers.open({ model, weights, type, method, windows: seen.windows, signal });
    }
    const made = calibrated === undefined ? roundedTensors(model, plan, weights) : calibratedTensors(model, calibrated);
    const { tensors } = await writeQuantizedModel(target, {
      model,
      quantization,
      matrices: made.matrices,
      values: made.values,
      floats,
      replace,
      signal,
      onTensor: (_, index, count) => onTensor?.(index, count),
    });
    return tensors.map((tensor) => ({ ...tensor, asked: tensor.type, ...made.facts.get(tensor.name) }));
  } finally {
    weights.close();
    await calibrated?.close();
  }
}

/** Tensors that are made when their turn to be written comes, and what is known of them then. */
interface MadeTensors {
  readonly matrices: Map<string, () => QuantizedMatrix | Promise<QuantizedMatrix>>;
  readonly values: Map<string, () => Promise<Float32Array>>;
  readonly facts: Map<string, Pick<TensorFacts, 'errors' | 'outputError'>>;
}

/** Linear weights of layers, each by itself. */
function roundedTensors(model: ModelFile, plan: CodePlan, weights: LayerWeights): MadeTensors {
  const { type, method, percentile } = plan;
  const made: MadeTensors = { matrices: new Map(), values: new Map(), facts: new Map() };
  for (const { full, isMatrix } of layerTensors(model)) {
    if (!isMatrix) continue;
    made.matrices.set(full, () => {
      const matrix = weights.matrix(full);
      const codes =
        method === 'percentile' || method === 'mse'
          ? roundMatrix(matrix, type, { method, percentile })
          : roundToNearest(type, matrix.values, matrix.outputs, matrix.inputs);
      made.facts.set(full, { errors: tensorErrors(matrix.values, dequantizedMatrix(codes)) });
      return codes;
    });
  }
  return made;
}

/** All tensors of layers, layer by layer: norms may have taken scales on. */
function calibratedTensors(model: ModelFile, calibrated: CalibratedLayers): MadeTensors {
  const made: MadeTensors = { matrices: new Map(), values: new Map(), facts: new Map() };
  for (const { full, layer, name, isMatrix } of layerTensors(model)) {
    if (isMatrix) {
      made.matrices.set(full, async () => {
        const { tensors, matrices, outputErrors } = await calibrated.layer(layer);
        const matrix = needed(matrices, name);
        const errors = tensorErrors(needed(tensors, name), dequantizedMatrix(matrix));
        made.facts.set(full, { errors, outputError: outputErrors.get(name) });
        return matrix;
      });
      continue;
    }
    made.values.set(full, async () => {
      const own = needed((await calibrated.layer(layer)).tensors, name);
      made.facts.set(full, { errors: tensorErrors(own, own) });
      return own;
    });
  }
  return made;
}

interface LayerTensor {
  readonly full: string;
  readonly layer: number;
  /** Within the layer. */
  readonly name: string;
  readonly isMatrix: boolean;
}

function* layerTensors({ config }: ModelFile): Iterable<LayerTensor> {
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [name, shape] of layerShapes(config)) {
      const full = `layers.${layer}.${name}`;
      yield { full, layer, name, isMatrix: shape.length === 2 };
    }
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
