import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError, SluiceError } from '../errors.ts';
import { readSafetensorsHeader, type TensorEntry } from '../formats/safetensors/read.ts';
import type { ModelConfig } from './config.ts';
import { fileStamp, realPath } from './fileStamp.ts';
import { HeldTensors } from './heldTensors.ts';
import type { QuantizedType } from './quantized/matrix.ts';
import { quantizedWeight, requireScales } from './quantized/readMatrices.ts';
import type { Weight, Weights } from './weight.ts';

/** Names and shapes of the tensors of one layer, without the prefix `layers.N.`; linear weights are `[out, in]`. */
export function layerShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { dim, ffnHidden } = config;
  const queryDim = config.heads * config.headDim;
  const keyDim = config.kvHeads * config.headDim;
  return new Map<string, readonly number[]>([
    ['attention_norm.weight', [dim]],
    ['attention.wq.weight', [queryDim, dim]],
    ['attention.wk.weight', [keyDim, dim]],
    ['attention.wv.weight', [keyDim, dim]],
    ['attention.wo.weight', [dim, queryDim]],
    ['ffn_norm.weight', [dim]],
    ['feed_forward.w1.weight', [ffnHidden, dim]],
    ['feed_forward.w3.weight', [ffnHidden, dim]],
    ['feed_forward.w2.weight', [dim, ffnHidden]],
  ]);
}

/** Names and shapes of every tensor of the released layout; see {@link layerShapes}. */
export function expectedShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { dim, vocabSize } = config;
  const shapes = new Map<string, readonly number[]>([['tok_embeddings.weight', [vocabSize, dim]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [name, shape] of layerShapes(config)) shapes.set(`layers.${layer}.${name}`, shape);
  }
  shapes.set('norm.weight', [dim]);
  shapes.set('output.weight', [vocabSize, dim]);
  return shapes;
}

/** Whether every tensor can be computed with where it lies. */
export const areFloat32 = ({ tensors }: Weights): boolean =>
  [...tensors.values()].every(({ dtype }) => dtype === 'F32');

/** Values of all tensors. */
export function weightValues(config: ModelConfig): number {
  const layer = [...layerShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0);
  return config.layers * layer + (2 * config.vocabSize + 1) * config.dim;
}

/**
 * Checks `model.safetensors` of a model folder against the configuration: every tensor present with its exact shape as
 * F32, BF16 or F16, linear weights of layers also as `type` with their scales, and none besides. The values stay on disk, but
 * for scales, which must be finite. Throws ModelError naming file, tensor, expected and found shape.
 *
 * @param type what `config.json` says that linear weights are kept as
 */
export async function readWeights(dir: string, config: ModelConfig, type?: QuantizedType): Promise<Weights> {
  const path = realPath(join(dir, 'model.safetensors'));
  const stamp = fileStamp(path);
  const found = await readHeader(dir, path);
  // before a list is made of as many layers as the configuration claims
  if (config.layers > found.size) {
    throw new ModelError(`config.json claims ${config.layers} layers, but ${path} holds ${found.size} tensors.`, {
      code: 'MODEL_TENSOR_MISSING',
      path,
    });
  }
  const tensors = new Map<string, Weight>();
  const held = new HeldTensors(found, path, config);
  let floatBytes = 0;
  for (const [name, shape] of expectedShapes(config)) {
    const isCodes = type !== undefined && isLayerMatrix(name, shape) && held.isBytes(name);
    tensors.set(name, isCodes ? quantizedWeight(held, type, name, shape) : held.floats(name, shape));
    floatBytes += shape.reduce((a, b) => a * b, 4);
  }
  held.refuseOthers();
  const weights = { path, stamp, tensors, floatBytes };
  await requireScales(weights);
  return weights;
}

/** Whether a tensor of this name and shape is a linear weight of a layer. */
export const isLayerMatrix = (name: string, shape: readonly number[]): boolean =>
  name.startsWith('layers.') && shape.length === 2;

async function readHeader(dir: string, path: string): Promise<ReadonlyMap<string, TensorEntry>> {
  try {
    return (await readSafetensorsHeader(path)).tensors;
  } catch (cause) {
    if (!(cause instanceof SluiceError)) throw cause;
    throw new ModelError(`${path}: ${cause.message}`, {
      code: cause.code === 'SAFETENSORS_UNREADABLE' ? 'MODEL_MISSING' : 'MODEL_FILE',
      path,
      cause,
      hint: existsSync(join(dir, 'consolidated.pth'))
        ? 'consolidated.pth is the older layout: use the folder of facebook/blt-entropy with model.safetensors.'
        : cause.hint,
    });
  }
}
