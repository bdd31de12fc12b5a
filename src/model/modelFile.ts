import { readThresholds } from './calibration.ts';
import { type ModelConfig, readConfig } from './config.ts';
import { readGgufModel } from './ggufModel.ts';
import type { ModalityThresholds } from './thresholds.ts';
import { readWeights, type Weights } from './weights.ts';

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
 * Reads what a model says about itself and checks every tensor's name, shape and type; the values stay on disk.
 * Throws ModelError naming file and tensor.
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  if (isGguf(path)) return readGgufModel(path);
  const config = readConfig(path);
  const [weights, thresholds] = await Promise.all([readWeights(path, config), readThresholds(path)]);
  return { path, config, weights, ...thresholds };
}
