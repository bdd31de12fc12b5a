import { attention } from '../../src/kernels/index.ts';
import { attentionCase } from './attentionCases.ts';
import { conforms } from './conformance.ts';

const sequences = [
  { tokens: 70, past: 20, ringStart: 5, documents: [30] },
  { tokens: 1, past: 11 },
];

// sizes that fill vectors and slices, and sizes that leave the last ones partly empty
for (const headDim of [64, 90]) {
  conforms(attention(headDim), [
    attentionCase(`heads of ${headDim}`, { headDim, heads: 2, kvHeads: 1, window: 21, sequences }),
  ]);
}
