import { SluiceError } from '../errors.ts';
import { type CarryMemory, CarryTurns } from './carryMemory.ts';
import type { ModelConfig } from './config.ts';
import type { KeyValues } from './cpu/forward.ts';
import type { TokenOptions, TokenSignals } from './model.ts';
import { DEFAULT_PIECE_TOKENS, type Forward } from './stream.ts';

/** Rows of `calculate_entropies`: a fixed number there, whatever the model's own maximum. */
export const REFERENCE_ROW_TOKENS = 8192;

/**
 * Token view of one row of ids as `calculate_entropies` defines it: every 8192 tokens the model starts anew, without
 * BOS and without memory; inside, a document ends with its EOS and the next one does not see it.
 */
export async function referenceTokens(
  ids: ArrayLike<number>,
  forward: Forward,
  config: ModelConfig,
  options: TokenOptions & { readonly memory?: CarryMemory | undefined } = {},
): Promise<TokenSignals> {
  const { preNorm = false, logits = false } = options;
  const tokens = checkedIds(ids, config.vocabSize);
  const turns = new CarryTurns(options.memory);
  const result = {
    entropies: new Float32Array(tokens.length),
    norms: new Float32Array(tokens.length),
    preNorm: preNorm ? new Float32Array(tokens.length * config.dim) : undefined,
    logits: logits ? new Float32Array(tokens.length * config.vocabSize) : undefined,
  };
  for (let row = 0; row < tokens.length; row += REFERENCE_ROW_TOKENS) {
    const rowEnd = Math.min(row + REFERENCE_ROW_TOKENS, tokens.length);
    const documentStarts = startsOf(tokens.subarray(row, rowEnd), config.eosId);
    let past: KeyValues | undefined;
    for (let start = row; start < rowEnd; start += DEFAULT_PIECE_TOKENS) {
      const end = Math.min(start + DEFAULT_PIECE_TOKENS, rowEnd);
      const position = start - row;
      const firstRow = position - (past?.rows ?? 0);
      const piece = await forward({
        tokens: tokens.slice(start, end),
        position,
        past,
        firstRows: documentStarts?.slice(position, end - row).map((document) => Math.max(0, document - firstRow)),
        carry: end < rowEnd,
        into: end < rowEnd ? turns.next() : undefined,
        preNorm,
        logits,
      });
      past = piece.next;
      result.entropies.set(piece.entropies, start);
      result.norms.set(piece.norms, start);
      if (piece.preNorm) result.preNorm?.set(piece.preNorm, start * config.dim);
      if (piece.logits) result.logits?.set(piece.logits, start * config.vocabSize);
    }
  }
  turns.end();
  return result;
}

/** Where each token's document begins within its row; undefined where the row is one document. */
function startsOf(row: Int32Array, eosId: number): Int32Array<ArrayBuffer> | undefined {
  if (!row.subarray(0, -1).includes(eosId)) return undefined;
  const starts = new Int32Array(row.length);
  let start = 0;
  row.forEach((id, i) => {
    starts[i] = start;
    if (id === eosId) start = i + 1;
  });
  return starts;
}

function checkedIds(ids: ArrayLike<number>, vocabSize: number): Int32Array<ArrayBuffer> {
  return Int32Array.from(ids, (id, i) => {
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    throw new SluiceError(`${id} at position ${i} is not a token id; ids are 0 to ${vocabSize - 1}.`, {
      code: 'TOKEN_RANGE',
    });
  });
}
