import type { EntropyModel, ModelConfig } from 'sluice/model';

/** The released shape: 14 layers, 768 wide, window 512. Weights are random: the work is the same. */
export const RELEASED = {
  attn_bias_type: 'local_block_causal',
  dim: 768,
  n_layers: 14,
  n_heads: 12,
  sliding_window: 512,
  multiple_of: 256,
};

/** Floating-point operations that a document of so many tokens needs: matrix products, and the keys that queries see. */
export function flopOf(c: ModelConfig, tokens: number): number {
  const queryDim = c.heads * c.headDim;
  const layer = 2 * c.dim * queryDim + 2 * c.dim * c.kvHeads * c.headDim + 3 * c.dim * c.ffnHidden;
  const ramp = Math.min(tokens, c.window);
  const keys = (ramp * (ramp + 1)) / 2 + (tokens - ramp) * c.window;
  return 2 * tokens * (c.layers * layer + c.dim * c.vocabSize) + 4 * c.layers * queryDim * keys;
}

/** Bytes of a document that becomes so many tokens: BOS is one of them. */
export const documentOf = (tokens: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: tokens - 1 }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) % 256);

/** The tokens of a document, for the peer. */
export const idsOf = (bytes: Uint8Array): number[] => [1, ...Array.from(bytes, (byte) => byte + 4)];

/** Computes documents all at once, as a run does. */
export async function computeAll(model: EntropyModel, documents: readonly Uint8Array[]): Promise<void> {
  await Promise.all(
    documents.map(async (bytes) => {
      for await (const _ of model.encode(bytes));
    }),
  );
}

/** Lengths as documents have them: log-normal, median 700 bytes, by a fixed sequence. */
export function naturalLengths(count: number): number[] {
  let seed = 11;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed + 0.5) / 2 ** 32;
  };
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    return Math.min(8191, Math.max(16, Math.round(700 * Math.exp(normal))));
  });
}
