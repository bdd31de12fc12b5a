import { ModelError } from '../errors.ts';
import { type CarryMemory, CarryTurns } from './carryMemory.ts';
import type { ForwardResult, ForwardTask, KeyValues } from './cpu/forward.ts';
import type { EncodedPiece } from './model.ts';
import { PatchEnds, type PatchRule } from './patchEnds.ts';
import { BOS_ID, BYTE_OFFSET } from './tokenizer.ts';

export const DEFAULT_PIECE_TOKENS = 1024;

/**
 * Rotary positions restart before they reach this. The table's float32 angles grow coarser with the position (1e-2
 * radian at a million) and would wear out long documents; up to here results are those of one long forward pass.
 */
export const LAP_POSITIONS = 131_072;

export interface StreamOptions {
  readonly dim: number;
  readonly preNorm: boolean;
  readonly pieceTokens: number;
  /** Let the device average states by this rule. */
  readonly pool?: PatchRule | undefined;
  /** For keys and values between pieces. Absent: made anew for every piece. */
  readonly memory?: CarryMemory | undefined;
  /** Default: {@link LAP_POSITIONS}. */
  readonly lapPositions?: number | undefined;
}

/** A last piece may be longer than others by this part of them: keys are not carried over for a few tokens. */
const LONGER = 1.25;

/** Most tokens of a piece. */
export const longestPiece = (pieceTokens: number): number => Math.floor(LONGER * pieceTokens);

/** Where the piece that begins at token `start` ends. */
export function pieceEnd(start: number, total: number, pieceTokens: number): number {
  return total - start <= longestPiece(pieceTokens) ? total : start + pieceTokens;
}

/** Runs one pass. */
export type Forward = (task: ForwardTask) => Promise<ForwardResult>;

/**
 * BOS and the bytes of one document, piece by piece: keys and values are carried from each piece to the next, so no
 * token is computed twice. Turns the model's token view (entropy about the token after) into the byte view.
 */
export async function* streamBytes(
  bytes: Uint8Array,
  forward: Forward,
  options: StreamOptions,
): AsyncGenerator<EncodedPiece, void, void> {
  if (bytes.length === 0) return;
  const turns = new CarryTurns(options.memory);
  try {
    yield* pieces(bytes, forward, options, turns);
  } finally {
    turns.end();
  }
}

async function* pieces(
  bytes: Uint8Array,
  forward: Forward,
  options: StreamOptions,
  turns: CarryTurns,
): AsyncGenerator<EncodedPiece, void, void> {
  const { dim, preNorm, pieceTokens, lapPositions = LAP_POSITIONS } = options;
  const total = bytes.length + 1;
  let past: KeyValues | undefined;
  let position = 0;
  // about the first byte of the piece, from the last token of the piece before
  let pending = 0;
  let start = 0;
  const ends = options.pool && new PatchEnds(options.pool);
  while (start < total) {
    const tokens = tokensOf(bytes, start, pieceEnd(start, total, pieceTokens));
    const count = tokens.length;
    let rebase: number | undefined;
    if (past !== undefined && position + count > lapPositions) {
      rebase = position - past.rows;
      position = past.rows;
    }
    const carry = start + count < total;
    const into = carry ? turns.next() : undefined;
    const pool = options.pool &&
      ends && { rule: options.pool, state: ends.state, pending, first: start === 0, last: !carry };
    const result = await forward({ tokens, position, past, rebase, carry, into, preNorm, logits: false, pool });
    past = result.next;
    position += count;
    const { entropies, norms } = result;
    const last = entropies[count - 1] ?? Number.NaN;
    checkFinite('entropy', entropies, start);
    checkFinite('norm', norms, start);
    // after the last pass nobody reads what was carried; a consumer may never come back after the last piece
    if (!carry) turns.end();
    if (start === 0) {
      // BOS has an entropy, about the first byte, but is no byte itself
      const about = entropies.subarray(0, count - 1);
      ends?.push(bytes.subarray(0, count - 1), about, !carry);
      const { pooled } = result;
      yield { offset: 0, entropies: about, norms: norms.subarray(1), preNorm: result.preNorm?.subarray(dim), pooled };
    } else {
      entropies.copyWithin(1, 0);
      entropies[0] = pending;
      ends?.push(bytes.subarray(start - 1, start - 1 + count), entropies, !carry);
      yield { offset: start - 1, entropies, norms, preNorm: result.preNorm, pooled: result.pooled };
    }
    pending = last;
    start += count;
  }
}

function tokensOf(bytes: Uint8Array, start: number, end: number): Int32Array<ArrayBuffer> {
  const tokens = new Int32Array(end - start);
  for (let i = start; i < end; i++) tokens[i - start] = i === 0 ? BOS_ID : (bytes[i - 1] ?? 0) + BYTE_OFFSET;
  return tokens;
}

/** @param start the token that entropy and norm 0 belong to */
function checkFinite(what: 'entropy' | 'norm', values: Float32Array, start: number): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new ModelError(`The model's ${what} at token ${start + at} (BOS is 0) is ${values[at]}.`, {
    code: 'MODEL_NOT_FINITE',
    hint: 'The weights hold values that overflow, or are damaged.',
  });
}
