import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseGgufHeader } from '../../formats/gguf/read.ts';
import { type ModelConfig, readConfig } from '../config.ts';
import { ggufFacts } from '../ggufMetadata.ts';
import { GGUF } from '../modelFile.ts';
import { expectedShapes } from '../weights.ts';
import { BLOCK_QUERIES } from './bands.ts';
import { type LayerForm, layerLayout } from './layers/layerForm.ts';
import { layersBytes } from './layers/sharedLayers.ts';

/** Decoded layers: room for more than the released model takes. */
export const WEIGHT_CACHE_BYTES = 512 << 20;

/** More than the header of a byte model takes. */
const HEAD_BYTES = 1 << 20;

export interface FootprintOptions {
  readonly threads: number;
  readonly pieceTokens: number;
  readonly weights?: LayerForm | undefined;
  readonly weightCacheBytes?: number | undefined;
}

export interface Footprint {
  /** Of the states. */
  readonly dim: number;
  /** Bytes that computing takes at most. */
  readonly bytes: number;
}

/**
 * What a model takes when it is computed: weights (mapped, or decoded and shared), in every worker the activations of one
 * piece, and for each document between two pieces the keys and values of a window, twice.
 */
export function modelFootprint(path: string, options: FootprintOptions): Footprint {
  const { config, stored } = sizes(path);
  const { threads, pieceTokens } = options;
  const { dim, heads, kvHeads, headDim, ffnHidden, window, layers } = config;
  const values = pieceTokens * (12 * dim + 3 * ffnHidden) + 3 * heads * BLOCK_QUERIES * (window + BLOCK_QUERIES);
  const carried = 2 * layers * kvHeads * headDim * (window - 1);
  // a queue sends two passes for every thread
  const documents = 2 * threads;
  return { dim, bytes: weightBytes(stored, config, options) + 4 * (threads * values + documents * 2 * carried) };
}

/** Configuration, and bytes of the file that holds the weights. */
function sizes(path: string): { readonly config: ModelConfig; readonly stored: number } {
  if (!path.toLowerCase().endsWith(GGUF)) {
    return { config: readConfig(path), stored: statSync(join(path, 'model.safetensors')).size };
  }
  const stored = statSync(path).size;
  const head = Buffer.alloc(Math.min(stored, HEAD_BYTES));
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  return { config: ggufFacts(parseGgufHeader(head, stored, path).metadata, path).config, stored };
}

function weightBytes(stored: number, config: ModelConfig, options: FootprintOptions): number {
  const { threads, weights: form = 'f32', weightCacheBytes = WEIGHT_CACHE_BYTES } = options;
  const values = [...expectedShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0);
  if (form === 'f32' && stored >= 4 * values) return stored;
  return layersBytes({
    layout: layerLayout(config, form),
    layers: config.layers,
    bytes: weightCacheBytes,
    holders: threads + 1,
  });
}
