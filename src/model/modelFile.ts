import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ModelError } from '../errors.ts';
import { readThresholds } from './calibration.ts';
import { type ModelConfig, parseConfig, readConfigJson } from './config.ts';
import { readGgufModel } from './ggufModel.ts';
import { quantizedTypeOf } from './quantized/quantization.ts';
import type { ModalityThresholds } from './thresholds.ts';
import type { Weights } from './weight.ts';
import { readWeights } from './weights.ts';

const CONFIG = 'config.json';

/** Whether a path names a GGUF file and not a folder. */
export const isGguf = (path: string): boolean => path.toLowerCase().endsWith('.gguf');

/** A model as it lies on disk: checked, not loaded. */
export interface ModelFile {
  /** Model folder or GGUF file. */
  readonly path: string;
  readonly config: ModelConfig;
  readonly weights: Weights;
  /** See `EntropyModel`. */
  readonly autoThreshold: number | undefined;
  readonly modalityThresholds: ModalityThresholds;
}

/**
 * Reads what a model says about itself and checks every tensor's name, shape and type; the values stay on disk. A folder's
 * weights are `model.safetensors`, or `model.gguf` where there is none.
 * Throws ModelError naming file and tensor.
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  if (isGguf(path)) return readGgufModel(path);
  const json = readConfigJson(path);
  const config = parseConfig(json, join(path, CONFIG));
  const gguf = weightsPath(path);
  if (isGguf(gguf)) return readGgufFolder(path, gguf, config);
  const type = quantizedTypeOf(json, join(path, CONFIG));
  const [weights, thresholds] = await Promise.all([readWeights(path, config, type), readThresholds(path)]);
  return { path, config, weights, ...thresholds };
}

/** The file of a model folder that holds the weights: `model.safetensors`, unless there is only `model.gguf`. */
export function weightsPath(dir: string): string {
  const [safetensors, gguf] = [join(dir, 'model.safetensors'), join(dir, 'model.gguf')];
  return !existsSync(safetensors) && existsSync(gguf) ? gguf : safetensors;
}

/** Thresholds of the folder go before those of the file. Throws ModelError. */
async function readGgufFolder(path: string, gguf: string, config: ModelConfig): Promise<ModelFile> {
  const [file, thresholds] = await Promise.all([readGgufModel(gguf), readThresholds(path)]);
  if (!isDeepStrictEqual(file.config, config)) {
    throw new ModelError(`config.json and model.gguf in ${path} do not belong together.`, {
      code: 'MODEL_CONFIG',
      path: join(path, CONFIG),
      hint: 'The metadata of the GGUF file says other things about the model.',
    });
  }
  return thresholds.autoThreshold === undefined ? { ...file, path } : { ...file, ...thresholds, path };
}
