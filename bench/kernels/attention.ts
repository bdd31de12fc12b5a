import { attention, blockTable, sequenceTable, visiblePairs } from '../../src/kernels/index.ts';
import { maskWindow, queryKeyProducts, weightedValues } from '../elementary/attention.ts';
import { divideRow, exp, subtractRow } from '../elementary/elementwise.ts';
import { rowMaximum, rowSum } from '../elementary/reductions.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const HEADS = 12;
const HEAD_DIM = 64;
const WINDOW = 512;
const SCALE = 1 / Math.sqrt(HEAD_DIM);

const SHAPES = [
  { batch: 4, sequence: 128 },
  { batch: 8, sequence: 512 },
  { batch: 4, sequence: 2048 },
  { batch: 32, sequence: 2048 },
];

/** The chain holds all scores of all heads twice, and turns each of its operations over from one to the other. */
const attentionBench: KernelBench = {
  name: 'attention',
  cases: SHAPES.map(({ batch, sequence }) => {
    const tokens = batch * sequence;
    const sequences = Array.from({ length: batch }, (_, i) => ({
      firstToken: i * sequence,
      tokens: sequence,
      past: 0,
    }));
    const [table, blocks, firstRows] = [sequenceTable(sequences), blockTable(sequences), new Uint32Array(tokens)];
    const sizes = {
      blocks: blocks.length / 2,
      heads: HEADS,
      kvHeads: HEADS,
      window: WINDOW,
      ringRows: WINDOW - 1,
      scale: SCALE,
      softCap: 0,
      tokens,
      pairs: visiblePairs(sequences, WINDOW, firstRows),
    };
    const heads = { batch, sequence, heads: HEADS, headDim: HEAD_DIM };
    const matrix = { rows: batch * HEADS * sequence, columns: sequence };
    const count = matrix.rows * sequence;
    return {
      name: `(${batch}, ${sequence}, ${HEADS * HEAD_DIM}), window ${WINDOW}`,
      memory: {
        qkv: normal(3 * tokens * HEADS * HEAD_DIM),
        carried: normal(4),
        sequences: { words: table.length, values: () => table },
        blocks: { words: blocks.length, values: () => blocks },
        firstRows: { words: tokens, values: () => firstRows },
        output: scratch(tokens * HEADS * HEAD_DIM),
        one: scratch(count),
        other: scratch(count),
        largest: scratch(matrix.rows),
        mass: scratch(matrix.rows),
        result: scratch(tokens * HEADS * HEAD_DIM),
      },
      fused: [
        step(attention(HEAD_DIM), sizes, {
          qkv: 'qkv',
          carried: 'carried',
          sequences: 'sequences',
          blocks: 'blocks',
          firstRows: 'firstRows',
          output: 'output',
        }),
      ],
      unfused: [
        step(queryKeyProducts, { ...heads, scale: SCALE }, { qkv: 'qkv', scores: 'one' }),
        step(maskWindow, { count, sequence, window: WINDOW }, { x: 'one', y: 'other' }),
        step(rowMaximum, matrix, { x: 'other', y: 'largest' }),
        step(subtractRow, matrix, { x: 'other', row: 'largest', y: 'one' }),
        step(exp, { count, scalar: 0 }, { x: 'one', y: 'other' }),
        step(rowSum, matrix, { x: 'other', y: 'mass' }),
        step(divideRow, matrix, { x: 'other', row: 'mass', y: 'one' }),
        step(weightedValues, heads, { weights: 'one', qkv: 'qkv', output: 'result' }),
      ],
      outputs: { output: { unfused: 'result', absolute: 5e-6 } },
    };
  }),
};

export default attentionBench;
