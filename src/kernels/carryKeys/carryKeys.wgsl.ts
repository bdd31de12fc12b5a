import { NO_SLOT, SEQUENCE_WORDS } from '../attention/blocks.ts';

/** Of a token, keys and values lie side by side; in a ring, all keys come before all values. */
export const CARRY_KEYS = `
fn element(at: u32) {
  let width = sizes.kvHeads * sizes.headDim / WIDTH;
  let line = at / (2u * width);
  if (line >= sizes.sequences * sizes.rows) { return; }
  let sequence = line / sizes.rows * ${SEQUENCE_WORDS}u;
  let tokens = sequences[sequence + 1u];
  let slot = sequences[sequence + 3u];
  let count = min(tokens, sizes.ringRows);
  if (line % sizes.rows >= count || slot == ${NO_SLOT}u) { return; }

  let token = tokens - count + line % sizes.rows;
  let row = (sequences[sequence + 4u] + sequences[sequence + 2u] + token) % sizes.ringRows;
  let column = at % width;
  let half = at / width % 2u;
  let place = (sequences[sequence] + token) * (sizes.heads * sizes.headDim / WIDTH + 2u * width);
  carried[((2u * slot + half) * sizes.ringRows + row) * width + column] =
    qkv[place + sizes.heads * sizes.headDim / WIDTH + half * width + column];
}`;
