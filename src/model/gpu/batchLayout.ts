import { anglesOf, blockTable, sequenceTable, visiblePairs } from '../../kernels/index.ts';
import type { RopeTable } from '../rope.ts';

/** A pass within a batch. */
export interface BatchPass {
  readonly tokens: Int32Array;
  /** Rotary position of the first token. */
  readonly position: number;
  /** Rows carried from before. */
  readonly past: number;
  /** Rows that the document has carried on in all so far. */
  readonly written: number;
  /** Where its rows are carried; absent where there are none and none are carried on. */
  readonly slot: number | undefined;
  readonly firstRows?: Int32Array | undefined;
}

/** Facts of the model. */
export interface LayoutShape {
  readonly headDim: number;
  /** Rows that a document carries on at most: the window but one. */
  readonly ringRows: number;
}

/** What the kernels of one batch are told: see `attention`, `rope` and `carryKeys` for each. */
export interface BatchLayout {
  /** Tokens of all passes. */
  readonly count: number;
  readonly passes: number;
  /** New tokens of the longest pass. */
  readonly longest: number;
  /** Pairs of a query and a key that it sees: the work of attention. */
  readonly pairs: number;
  /** u32[count]. */
  readonly tokens: Uint32Array<ArrayBuffer>;
  /** f32[count, headDim]: of each token's position, see `anglesOf`. */
  readonly angles: Float32Array<ArrayBuffer>;
  /** u32[count]: which row of the angles is each token's. */
  readonly angleRows: Uint32Array<ArrayBuffer>;
  /** u32[passes, 6]: first token, tokens, past, slot, start of the ring, 0. */
  readonly sequences: Uint32Array;
  /** u32[blocks, 2]: sequence, first query within it. */
  readonly blocks: Uint32Array;
  /** u32[count]. */
  readonly firstRows: Uint32Array<ArrayBuffer>;
}

/** Lays the passes of a batch out one after the other. */
export function layoutOf(passes: readonly BatchPass[], rope: RopeTable, shape: LayoutShape): BatchLayout {
  const { headDim, ringRows } = shape;
  const count = passes.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tokens = new Uint32Array(count);
  const firstRows = new Uint32Array(count);
  const angles = new Float32Array(count * headDim);
  let first = 0;
  const sequences = passes.map((pass) => {
    const { past, written, slot } = pass;
    const firstToken = first;
    tokens.set(pass.tokens, first);
    if (pass.firstRows !== undefined) firstRows.set(pass.firstRows, first);
    const { cos, sin } = rope.rows(pass.position, pass.tokens.length);
    angles.set(anglesOf(cos, sin), first * headDim);
    first += pass.tokens.length;
    const ringStart = ringRows === 0 ? 0 : (written - past) % ringRows;
    return { firstToken, tokens: pass.tokens.length, past, slot, ringStart };
  });
  return {
    count,
    passes: passes.length,
    longest: sequences.reduce((most, sequence) => Math.max(most, sequence.tokens), 0),
    pairs: visiblePairs(sequences, ringRows + 1, firstRows),
    tokens,
    angles,
    angleRows: Uint32Array.from(tokens, (_, i) => i),
    sequences: sequenceTable(sequences),
    blocks: blockTable(sequences),
    firstRows,
  };
}
