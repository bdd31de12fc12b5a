import { NO_SLOT, SEQUENCE_WORDS } from '../attention/blocks.ts';

/** What is carried on, laid out as the kernel reads it. */
export interface CarryKeysInput {
  readonly qkv: Float32Array;
  readonly carried: Float32Array;
  readonly sequences: Uint32Array;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ringRows: number;
}

/** The rings after all new tokens of each sequence were written to them one after the other: f32[slots, 2, ringRows, kvHeads * headDim]. */
export function carriedKeysOf(input: CarryKeysInput): Float32Array {
  const { qkv, sequences, heads, kvHeads, headDim, ringRows } = input;
  const carried = input.carried.slice();
  const width = kvHeads * headDim;
  for (let at = 0; at < sequences.length; at += SEQUENCE_WORDS) {
    const [firstToken = 0, tokens = 0, past = 0, slot = NO_SLOT, ringStart = 0] = sequences.subarray(at);
    if (slot === NO_SLOT || ringRows === 0) continue;
    for (let token = 0; token < tokens; token++) {
      const keys = ((firstToken + token) * (heads + 2 * kvHeads) + heads) * headDim;
      const row = (ringStart + past + token) % ringRows;
      for (const half of [0, 1]) {
        const part = qkv.subarray(keys + half * width, keys + (half + 1) * width);
        carried.set(part, ((2 * slot + half) * ringRows + row) * width);
      }
    }
  }
  return carried;
}
