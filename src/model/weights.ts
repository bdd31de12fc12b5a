import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError, SluiceError } from '../errors.ts';
import { readSafetensorsHeader, type TensorEntry } from '../formats/safetensors/read.ts';
import type { BlockType } from '../kernels/blocks/layout.ts';
import type { ModelConfig } from './config.ts';
import { fileStamp, realPath } from './fileStamp.ts';

/** How the values of a tensor are stored. */
export type WeightDtype = BlockType;

/** One tensor of the model: where its values lie in the weights file. */
export interface Weight {
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

export interface Weights {
  /** The file that holds them, safetensors or GGUF; links are followed. */
  readonly path: string;
  /** Which file that was, and in which state: see `fileStamp`. */
  readonly stamp: string;
  readonly tensors: ReadonlyMap<string, Weight>;
  /** Bytes of all tensors as float32. */
  readonly floatBytes: number;
}

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
 * F32, BF16 or F16, and none besides. The values stay on disk.
 * Throws ModelError naming file, tensor, expected and found shape.
 */
export async function readWeights(dir: string, config: ModelConfig): Promise<Weights> {
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
  let floatBytes = 0;
  for (const [name, shape] of expectedShapes(config)) {
    const entry = found.get(name);
    if (entry === undefined) {
      throw new ModelError(`${path} has no tensor ${name}; expected shape [${shape.join(', ')}].`, {
        code: 'MODEL_TENSOR_MISSING',
        path,
        hint: `It holds ${found.size} tensors${nearest(found)}. config.json asks for ${config.layers} layers of width ${config.dim}.`,
      });
    }
    if (entry.shape.length !== shape.length || entry.shape.some((size, axis) => size !== shape[axis])) {
      throw new ModelError(
        `Tensor ${name} in ${path} has the shape [${entry.shape.join(', ')}]; expected [${shape.join(', ')}].`,
        { code: 'MODEL_TENSOR_SHAPE', path, hint: 'config.json and model.safetensors do not belong together.' },
      );
    }
    tensors.set(name, { dtype: weightDtype(entry, path), shape, offset: entry.offset, length: entry.length });
    floatBytes += shape.reduce((a, b) => a * b, 4);
  }
  const unknown = [...found.keys()].filter((name) => !tensors.has(name));
  if (unknown.length > 0) {
    throw new ModelError(
      `${path} holds tensors that the configuration does not explain: ${unknown.slice(0, 5).join(', ')}.`,
      {
        code: 'MODEL_TENSOR_UNKNOWN',
        path,
        hint: `${unknown.length} in all. Does config.json give too few layers (${config.layers})?`,
      },
    );
  }
  return { path, stamp, tensors, floatBytes };
}

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

function weightDtype(entry: TensorEntry, path: string): WeightDtype {
  const { dtype } = entry;
  if (dtype === 'F32' || dtype === 'BF16' || dtype === 'F16') return dtype;
  throw new ModelError(`Tensor ${entry.name} in ${path} is ${dtype}; expected F32, BF16 or F16.`, {
    code: 'MODEL_TENSOR_DTYPE',
    path,
  });
}

function nearest(found: ReadonlyMap<string, TensorEntry>): string {
  const names = [...found.keys()].slice(0, 3);
  return names.length === 0 ? '' : `, such as ${names.join(', ')}`;
}
