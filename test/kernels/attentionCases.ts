import {
  blockTable,
  NO_SLOT,
  SEQUENCE_WORDS,
  sequenceTable,
  visiblePairs,
} from '../../src/kernels/attention/blocks.ts';
import { attentionOf } from '../../src/kernels/attention/cpu.ts';
import { normals } from './conformance.ts';

/** One sequence of a case; its slot is its place in the list, from behind. */
export interface GivenSequence {
  readonly tokens: number;
  readonly past?: number;
  readonly ringStart?: number;
  /** Carries nothing on. */
  readonly last?: boolean;
  /** Rows at which documents begin. Default: nothing is separated. */
  readonly documents?: readonly number[];
}

export interface AttentionShape {
  readonly headDim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly window: number;
  readonly softCap?: number;
  /** Deviation of queries, keys and values. Default: 1.5, scores spread over several units. */
  readonly spread?: number;
  readonly sequences: readonly GivenSequence[];
}

/** Sizes and buffers of a batch of such sequences; what a sequence contains depends on its place in the list. */
export function batchOf({ headDim, heads, kvHeads, window, softCap = 0, spread = 1.5, sequences }: AttentionShape) {
  const ringRows = window - 1;
  const slots = sequences.length;
  const tokens = sequences.reduce((sum, given) => sum + given.tokens, 0);
  const firstRows = new Uint32Array(tokens);
  let firstToken = 0;
  const placed = sequences.map(({ tokens, past = 0, ringStart = 0, last = false, documents = [] }, i) => {
    for (let token = 0; token < tokens; token++) {
      firstRows[firstToken + token] = documents.filter((row) => row <= past + token).at(-1) ?? 0;
    }
    const sequence = { firstToken, tokens, past, ringStart, slot: last ? NO_SLOT : slots - 1 - i };
    firstToken += tokens;
    return sequence;
  });
  const blocks = blockTable(placed);
  const sizes = {
    ...{ blocks: blocks.length / 2, heads, kvHeads, window, ringRows, softCap },
    ...{ scale: 1 / Math.sqrt(headDim), tokens, pairs: visiblePairs(placed, window, firstRows) },
  };
  const qkv = normals(tokens * (heads + 2 * kvHeads) * headDim, window, spread);
  // a vector of four must fit into what is bound
  const carried = normals(Math.max(4, slots * 2 * ringRows * kvHeads * headDim), heads, spread);
  return { sizes, headDim, placed, buffers: { qkv, carried, sequences: sequenceTable(placed), blocks, firstRows } };
}

export type Batch = ReturnType<typeof batchOf>;

export function attentionCase(name: string, shape: AttentionShape, absolute = 8e-6) {
  const { sizes, headDim, buffers } = batchOf(shape);
  return {
    name,
    sizes,
    buffers: { ...buffers, output: new Float32Array(sizes.tokens * sizes.heads * headDim) },
    expected: { output: { values: attentionOf({ ...sizes, ...buffers, headDim }), absolute } },
  };
}

/** One sequence of a batch on its own, in slot 0. */
export function alone({ sizes, headDim, placed, buffers }: Batch, index: number): Batch {
  const { heads, kvHeads, window, ringRows } = sizes;
  const own = placed[index]!;
  const width = (heads + 2 * kvHeads) * headDim;
  const [from, to] = [own.firstToken, own.firstToken + own.tokens];
  const ring = 2 * ringRows * kvHeads * headDim;
  const moved = [{ ...own, firstToken: 0, slot: own.slot === NO_SLOT ? NO_SLOT : 0 }];
  const firstRows = buffers.firstRows.slice(from, to);
  const blocks = blockTable(moved);
  const pairs = visiblePairs(moved, window, firstRows);
  return {
    sizes: { ...sizes, blocks: blocks.length / 2, tokens: own.tokens, pairs },
    headDim,
    placed: moved,
    buffers: {
      qkv: buffers.qkv.slice(from * width, to * width),
      carried:
        own.slot === NO_SLOT ? new Float32Array(4) : buffers.carried.slice(own.slot * ring, (own.slot + 1) * ring),
      sequences: sequenceTable(moved).slice(0, SEQUENCE_WORDS),
      blocks,
      firstRows,
    },
  };
}
