import type { EntropyModel } from '../model.ts';
import { BYTE_OFFSET, encodeBytes } from '../tokenizer.ts';

/** What a model says about a text, window by window: every window is a document of its own, after BOS. */
interface TextSignals {
  /** f32[bytes] of each window, nats: about each byte, given those before it. */
  readonly entropies: readonly Float32Array[];
  /** What the bytes that came took, all in all: the sum of -log2 of the probability that each was given. */
  readonly bits: number;
}

/** How far one model is from another on a text. */
export interface TextComparison {
  readonly bytes: number;
  readonly windows: number;
  /** Of the absolute differences of entropies, nats. */
  readonly meanNats: number;
  readonly maxNats: number;
  readonly boundaries: {
    /** Nats: where patches start, in both models alike. */
    readonly threshold: number;
    /** Starts besides that of the first byte of each window, which is always one. */
    readonly before: number;
    readonly after: number;
    /** Of the starts: the harmonic mean of how many of each model's are the other's; 1 where neither has any. */
    readonly f1: number;
  };
  readonly bitsPerByte: { readonly before: number; readonly after: number };
}

/**
 * Runs both models over the windows of a text. A patch starts at every byte but the first whose entropy is above the
 * threshold (the global rule). Windows are computed side by side, two for every thread of the model; each has its scores in
 * memory, f32[tokens, vocabulary].
 *
 * @throws ModelError; the reason of `signal`
 */
export async function compareModels(
  before: EntropyModel,
  after: EntropyModel,
  windows: readonly Uint8Array[],
  threshold: number,
  signal?: AbortSignal,
): Promise<TextComparison> {
  const one = await textSignals(before, windows, signal);
  const other = await textSignals(after, windows, signal);
  let sum = 0;
  let maxNats = 0;
  let both = 0;
  const starts = { before: 0, after: 0 };
  for (const [window, entropies] of one.entropies.entries()) {
    const changed = other.entropies[window] ?? new Float32Array(0);
    for (let i = 0; i < entropies.length; i++) {
      const [was = 0, is = 0] = [entropies[i], changed[i]];
      const off = Math.abs(was - is);
      sum += off;
      maxNats = Math.max(maxNats, off);
      if (i === 0) continue;
      if (was > threshold) starts.before++;
      if (is > threshold) starts.after++;
      if (was > threshold && is > threshold) both++;
    }
  }
  const bytes = windows.reduce((total, window) => total + window.length, 0);
  const all = starts.before + starts.after;
  return {
    bytes,
    windows: windows.length,
    meanNats: sum / bytes,
    maxNats,
    boundaries: { threshold, ...starts, f1: all === 0 ? 1 : (2 * both) / all },
    bitsPerByte: { before: one.bits / bytes, after: other.bits / bytes },
  };
}

async function textSignals(
  model: EntropyModel,
  windows: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<TextSignals> {
  const entropies: Float32Array[] = [];
  let bits = 0;
  const together = 2 * model.threads;
  for (let first = 0; first < windows.length; first += together) {
    const some = windows.slice(first, first + together);
    const all = await Promise.all(some.map((window) => windowSignals(model, window, signal)));
    for (const window of all) {
      entropies.push(window.entropies);
      bits += window.bits;
    }
  }
  return { entropies, bits };
}

async function windowSignals(
  model: EntropyModel,
  window: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<{ readonly entropies: Float32Array; readonly bits: number }> {
  const { vocabSize } = model.config;
  // what follows the last byte is asked of nobody
  const ids = encodeBytes(window.subarray(0, -1), { addEos: false });
  const { entropies, logits } = await model.referenceTokens(ids, { logits: true, signal });
  let bits = 0;
  for (const [i, byte] of window.entries()) {
    const scores = logits?.subarray(i * vocabSize, (i + 1) * vocabSize) ?? new Float32Array(0);
    bits += surprise(scores, byte + BYTE_OFFSET);
  }
  return { entropies, bits };
}

/** -log2 of the probability that scores give a token. */
function surprise(scores: Float32Array, token: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const score of scores) most = Math.max(most, score);
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - most);
  return (Math.log(sum) - ((scores[token] ?? 0) - most)) / Math.LN2;
}
