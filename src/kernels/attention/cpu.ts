import { SEQUENCE_WORDS } from './blocks.ts';

/** What attention is computed of, laid out as the kernel reads it. */
export interface AttentionInput {
  readonly qkv: Float32Array;
  readonly carried: Float32Array;
  readonly sequences: Uint32Array;
  readonly firstRows: Uint32Array;
  readonly headDim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly window: number;
  readonly ringRows: number;
  readonly scale: number;
  readonly softCap: number;
}

/** Attention of all sequences in float64, the softmax over the visible keys written out: f64[tokens, heads * headDim]. */
export function attentionOf(input: AttentionInput): Float64Array {
  const { qkv, sequences, firstRows, headDim, heads, kvHeads, window, scale, softCap } = input;
  const width = (heads + 2 * kvHeads) * headDim;
  const output = new Float64Array((qkv.length / width) * heads * headDim);
  for (let sequence = 0; sequence < sequences.length / SEQUENCE_WORDS; sequence++) {
    const [firstToken = 0, tokens = 0, past = 0] = sequences.subarray(sequence * SEQUENCE_WORDS);
    for (let token = firstToken; token < firstToken + tokens; token++) {
      const row = past + token - firstToken;
      const lowest = Math.max(0, row - window + 1, firstRows[token] ?? 0);
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads));
        const query = qkv.subarray(token * width + head * headDim, token * width + (head + 1) * headDim);
        const scores = Array.from({ length: row - lowest + 1 }, (_, i) => {
          const score = scale * dot(query, rowOf(input, sequence, lowest + i, 0, kvHead));
          return softCap === 0 ? score : softCap * Math.tanh(score / softCap);
        });
        const largest = scores.reduce((a, b) => Math.max(a, b));
        const weights = scores.map((score) => Math.exp(score - largest));
        const mass = weights.reduce((a, b) => a + b);
        for (const [i, weight] of weights.entries()) {
          const values = rowOf(input, sequence, lowest + i, 1, kvHead);
          const at = (token * heads + head) * headDim;
          for (let d = 0; d < headDim; d++) output[at + d] = (output[at + d] ?? 0) + (weight / mass) * (values[d] ?? 0);
        }
      }
    }
  }
  return output;
}

/** The key (`half` 0) or value (`half` 1) of one row of a sequence, counted from its first carried row. */
function rowOf(
  { qkv, carried, sequences, headDim, heads, kvHeads, ringRows }: AttentionInput,
  sequence: number,
  row: number,
  half: 0 | 1,
  kvHead: number,
): Float32Array {
  const [firstToken = 0, , past = 0, slot = 0, ringStart = 0] = sequences.subarray(sequence * SEQUENCE_WORDS);
  if (row < past) {
    const ringRow = (slot * 2 + half) * ringRows + ((ringStart + row) % ringRows);
    const at = (ringRow * kvHeads + kvHead) * headDim;
    return carried.subarray(at, at + headDim);
  }
  const part = (firstToken + row - past) * (heads + 2 * kvHeads) + heads + half * kvHeads + kvHead;
  return qkv.subarray(part * headDim, (part + 1) * headDim);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}
