import { DeviceError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import { LAP_POSITIONS } from '../stream.ts';

/** How a GPU's memory is divided. */
export interface GpuPlan {
  /** Tokens of one batch. */
  readonly batchTokens: number;
  /** The longest piece that there is room for. */
  readonly mostPieceTokens: number;
  /** Documents whose keys and values lie on the device at once. */
  readonly slots: number;
}

export interface GpuRoom {
  /** Bytes that are left when the weights are there. */
  readonly bytes: number;
  /** The largest buffer that can be bound. */
  readonly bindingBytes: number;
}

/** More gain nothing: by then the device has all it can do at once. */
const BATCH_TOKENS = 8192;
const MOST_SLOTS = 32;
/** A document's shortest piece beside BOS is a byte; one that is useful is longer. */
const LEAST_TOKENS = 64;
/** The pool makes buffers up to one and a half times as large as was asked for, and none smaller than this. */
const USED_PART = 2 / 3;
const SMALL_BUFFERS_BYTES = 32 * 256;

/**
 * Divides what the weights leave: at most half is for keys and values of documents in progress, the rest for the states of
 * one batch. Throws DeviceError `GPU_MEMORY` where that is not enough for one document.
 */
export function planMemory(config: ModelConfig, { bytes, bindingBytes }: GpuRoom): GpuPlan {
  const slotBytes = config.layers * slotLayerBytes(config);
  const perBinding = Math.floor(bindingBytes / Math.max(1, slotLayerBytes(config)));
  const slots = Math.min(MOST_SLOTS, perBinding, Math.floor(bytes / 2 / Math.max(1, slotBytes)));
  // of slots whose keys are turned back: which, and by how much
  const turnBytes = 4 * MOST_SLOTS * (1 + config.headDim);
  const left = USED_PART * (bytes - slots * slotBytes - SMALL_BUFFERS_BYTES) - turnBytes;
  const tokens = Math.min(Math.floor(left / tokenBytes(config)), Math.floor(bindingBytes / (4 * widest(config))));
  if (slots < 1 || tokens < LEAST_TOKENS) {
    throw new DeviceError(
      `The weights leave ${bytes} bytes of the GPU's memory budget: too little for the keys and values of one document (${slotBytes} bytes) and ${LEAST_TOKENS} tokens (${Math.ceil((LEAST_TOKENS * tokenBytes(config)) / USED_PART)} bytes).`,
      { code: 'GPU_MEMORY', hint: 'Give a larger --gpu-memory, or weights of fewer bits.' },
    );
  }
  const mostPieceTokens = Math.min(tokens, LAP_POSITIONS);
  return { slots, mostPieceTokens, batchTokens: Math.min(BATCH_TOKENS, mostPieceTokens) };
}

/** Keys and values of one document in one layer. */
export function slotLayerBytes({ kvHeads, headDim, window }: ModelConfig): number {
  return 4 * 2 * (window - 1) * kvHeads * headDim;
}

/** Floats of one token in each of the buffers of a batch. */
export function tokenFloats(config: ModelConfig) {
  const { dim, heads, kvHeads, headDim, ffnHidden, vocabSize } = config;
  return {
    states: dim,
    normed: dim,
    qkv: (heads + 2 * kvHeads) * headDim,
    attended: heads * headDim,
    gateUp: 2 * ffnHidden,
    gated: ffnHidden,
    logits: vocabSize,
    angles: headDim,
    entropies: 1,
    norms: 1,
  };
}

const values = (config: ModelConfig): number[] => Object.values(tokenFloats(config));
/** States that are yet to be pooled when the next batches have begun. */
const WAITING_STATES = 2;
/** Of passes of one token each: its own number, row of the angles and first row; a sequence and a block of attention. */
const TABLE_WORDS = 3 + 6 + 2;
/** A pass of one token has the mean of a patch that ends before it, and of what is left. */
const MEANS = 2;

/** Floats of the largest buffer, for each token: of a batch, of the means of its patches, and of what is read back. */
const widest = (config: ModelConfig): number =>
  Math.max(...values(config), MEANS * config.dim, config.dim + config.vocabSize + 2);

/** What the device holds for each token of a batch: while that is computed, or pooled. */
function tokenBytes(config: ModelConfig): number {
  const computed = values(config).reduce((a, b) => a + b) + TABLE_WORDS;
  const pooled = config.dim + MEANS * (config.dim + 2);
  return 4 * (WAITING_STATES * config.dim + Math.max(computed, pooled));
}
