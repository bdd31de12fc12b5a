/** Queries of one block: every form of attention works through a block of one sequence at a time. */
export const BLOCK_QUERIES = 64;

/** Words of a sequence in `sequences`. */
export const SEQUENCE_WORDS = 6;

/** `slot` of a sequence that carries nothing on. */
export const NO_SLOT = 0xffffffff;

/** One sequence of a batch, as `attention` and `carryKeys` read it. */
export interface AttentionSequence {
  /** Row of `qkv` of its first new token. */
  readonly firstToken: number;
  /** New tokens. */
  readonly tokens: number;
  /** Rows carried from before, at most `ringRows`. */
  readonly past: number;
  /** Where its carried rows lie. Default: nowhere; it has none and carries none on. */
  readonly slot?: number | undefined;
  /** Ring row of carried row 0, less than `ringRows`. Default: 0. */
  readonly ringStart?: number | undefined;
}

/** The table u32[count, 6] of sequences: firstToken, tokens, past, slot, ringStart, 0. */
export function sequenceTable(sequences: readonly AttentionSequence[]): Uint32Array {
  return Uint32Array.from(
    sequences.flatMap(({ firstToken, tokens, past, slot = NO_SLOT, ringStart = 0 }) => [
      firstToken,
      tokens,
      past,
      slot,
      ringStart,
      0,
    ]),
  );
}

/**
 * The table u32[blocks, 2] of blocks: sequence, and the block's first query among the sequence's new tokens. Blocks are cut
 * from each sequence alone, so that a query is computed alike in every company.
 */
export function blockTable(sequences: readonly Pick<AttentionSequence, 'tokens'>[]): Uint32Array {
  const count = sequences.reduce((sum, { tokens }) => sum + Math.ceil(tokens / BLOCK_QUERIES), 0);
  const table = new Uint32Array(2 * count);
  let at = 0;
  for (const [sequence, { tokens }] of sequences.entries()) {
    for (let first = 0; first < tokens; first += BLOCK_QUERIES) {
      table[at++] = sequence;
      table[at++] = first;
    }
  }
  return table;
}

/** Pairs of a query and a key it sees, summed over sequences: the work of attention, for one head. */
export function visiblePairs(
  sequences: readonly Pick<AttentionSequence, 'firstToken' | 'tokens' | 'past'>[],
  window: number,
  firstRows: Uint32Array,
): number {
  let pairs = 0;
  for (const { firstToken, tokens, past } of sequences) {
    for (let token = 0; token < tokens; token++) {
      const row = past + token;
      pairs += row + 1 - Math.max(0, row - window + 1, firstRows[firstToken + token] ?? 0);
    }
  }
  return pairs;
}
