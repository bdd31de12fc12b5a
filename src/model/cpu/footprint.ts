import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { HeaderEnds } from '../../formats/gguf/cursor.ts';
import { parseGgufHeader } from '../../formats/gguf/read.ts';
import { GPU_MEMORY_BYTES } from '../../gpu/gpu.ts';
import { type ModelConfig, readConfig } from '../config.ts';
import { ggufFacts } from '../ggufMetadata.ts';
import { isGguf, weightsPath } from '../modelFile.ts';
import { longestPiece } from '../stream.ts';
import { weightValues } from '../weights.ts';
import { BLOCK_QUERIES } from './bands.ts';
import { type LayerForm, layerLayout } from './layers/layerForm.ts';
import { layersBytes } from './layers/sharedLayers.ts';
import { passThreads } from './passThreads.ts';

/** Decoded layers: room for more than the released model takes. */
export const WEIGHT_CACHE_BYTES = 512 << 20;

/** More than the header of a byte model takes, as a rule; and the most that is read. */
const HEAD_BYTES = 1 << 20;
const MOST_HEAD_BYTES = 64 << 20;

export interface FootprintOptions {
  readonly threads: number;
  readonly pieceTokens: number;
  readonly weights?: LayerForm | undefined;
  readonly weightCacheBytes?: number | undefined;
}

/** A driver and its library, and results on their way. */
const DEVICE_BYTES = 512 << 20;

/** What a model on GPUs takes of this machine's memory: that of a software adapter is this machine's too. */
export function deviceFootprint(path: string, device: string, gpuMemoryBytes = GPU_MEMORY_BYTES): Footprint {
  const bytes = device
    .split(',')
    .reduce((sum, one) => sum + DEVICE_BYTES + (one === 'webgpu:software' ? gpuMemoryBytes : 0), 0);
  return { dim: sizes(path).config.dim, bytes };
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
  const values =
    longestPiece(pieceTokens) * (12 * dim + 3 * ffnHidden) + 3 * heads * BLOCK_QUERIES * (window + BLOCK_QUERIES);
  // the runtime's memory grows in doubling steps, and a session that gives a pass all threads has its own
  const arenas = 2 * (passThreads(config) > 1 ? 2 : 1);
  const carried = 2 * layers * kvHeads * headDim * (window - 1);
  // a queue sends two passes for every thread
  const documents = 2 * threads;
  return {
    dim,
    bytes: weightBytes(stored, config, options) + 4 * (threads * arenas * values + documents * 2 * carried),
  };
}

/** Configuration, and bytes of the file that holds the weights. */
function sizes(path: string): { readonly config: ModelConfig; readonly stored: number } {
  if (!isGguf(path)) {
    return { config: readConfig(path), stored: statSync(weightsPath(path)).size };
  }
  const stored = statSync(path).size;
  const config = (bytes: number) =>
    ggufFacts(parseGgufHeader(firstBytes(path, bytes), stored, path).metadata, path).config;
  try {
    return { config: config(Math.min(stored, HEAD_BYTES)), stored };
  } catch (error) {
    if (!(error instanceof HeaderEnds)) throw error;
    return { config: config(Math.min(stored, MOST_HEAD_BYTES)), stored };
  }
}

function firstBytes(path: string, count: number): Uint8Array {
  const head = Buffer.alloc(count);
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  return head;
}

function weightBytes(stored: number, config: ModelConfig, options: FootprintOptions): number {
  const { threads, weights: form = 'f32', weightCacheBytes = WEIGHT_CACHE_BYTES } = options;
  if (form === 'f32' && stored >= 4 * weightValues(config)) return stored;
  return layersBytes({
    layout: layerLayout(config, form),
    layers: config.layers,
    bytes: weightCacheBytes,
    holders: threads + 1,
  });
}
