import { carriedKeysOf } from '../../src/kernels/carryKeys/cpu.ts';
import { carryKeys } from '../../src/kernels/index.ts';
import { type AttentionShape, batchOf } from './attentionCases.ts';
import { conforms } from './conformance.ts';

function carryCase(name: string, shape: AttentionShape) {
  const { buffers, headDim, sizes: batch } = batchOf(shape);
  const { heads, kvHeads, ringRows } = batch;
  const most = Math.max(...shape.sequences.map(({ tokens }) => tokens));
  const sizes = {
    sequences: shape.sequences.length,
    rows: Math.min(most, ringRows),
    heads,
    kvHeads,
    headDim,
    ringRows,
  };
  const { qkv, carried, sequences } = buffers;
  return {
    name,
    sizes,
    buffers: { qkv, sequences, carried },
    expected: { carried: { values: carriedKeysOf({ ...sizes, ...buffers }) } },
  };
}

const sequences = [
  { tokens: 3 },
  { tokens: 1, past: 4, ringStart: 2 },
  { tokens: 12, past: 5, ringStart: 3 },
  { tokens: 9, past: 7, ringStart: 6 },
  { tokens: 8, last: true },
  { tokens: 7 },
];

conforms(carryKeys, [
  carryCase('rings without rows', { headDim: 16, heads: 1, kvHeads: 1, window: 1, sequences: [{ tokens: 3 }] }),
  carryCase('rings of one row', { headDim: 16, heads: 2, kvHeads: 1, window: 2, sequences: [{ tokens: 3 }] }),
  carryCase('sequences shorter and longer than a ring', { headDim: 16, heads: 3, kvHeads: 3, window: 8, sequences }),
  carryCase('heads of an odd number of pairs', { headDim: 6, heads: 4, kvHeads: 2, window: 8, sequences }),
]);
