import { anglesOf, rope } from '../../src/kernels/index.ts';
import { RopeTable } from '../../src/model/rope.ts';
import { addIntoColumns, multiplyHeads, swapPairs, takeColumns } from '../elementary/rotary.ts';
import { type KernelBench, normal, scratch, step } from '../kernelHarness.ts';

const HEADS = 12;
const HEAD_DIM = 64;
const COLUMNS = 2 * HEADS * HEAD_DIM;
const WIDTH = 3 * HEADS * HEAD_DIM;
const THETA = 10_000;

const SHAPES = [
  { batch: 4, sequence: 128 },
  { batch: 32, sequence: 2048 },
];

/** The chain turns a copy of queries and keys, by lines of cos and sin that are as long as a head. */
const ropeBench: KernelBench = {
  name: 'rope',
  cases: SHAPES.map(({ batch, sequence }) => {
    const tokens = batch * sequence;
    const { cos, sin } = new RopeTable(HEAD_DIM, THETA).rows(0, sequence);
    const count = tokens * COLUMNS;
    const columns = { rows: tokens, columns: COLUMNS, width: WIDTH };
    const heads = { rows: tokens, columns: COLUMNS, headDim: HEAD_DIM };
    return {
      name: `(${batch}, ${sequence}, ${HEADS * HEAD_DIM})`,
      memory: {
        qkv: normal(tokens * WIDTH),
        angles: { words: sequence * HEAD_DIM, values: () => anglesOf(cos, sin) },
        // contents are repeated to the end, which gives every sequence its positions
        rows: { words: tokens, values: () => Uint32Array.from({ length: sequence }, (_, i) => i) },
        taken: scratch(count),
        swapped: scratch(count),
        cos: { words: tokens * HEAD_DIM, values: () => anglesOf(cos, cos) },
        sin: { words: tokens * HEAD_DIM, values: () => anglesOf(sin, sin) },
        byCos: scratch(count),
        bySin: scratch(count),
        source: normal(tokens * WIDTH),
        result: normal(tokens * WIDTH),
      },
      fused: [
        step(
          rope,
          { tokens, heads: HEADS, kvHeads: HEADS, headDim: HEAD_DIM },
          { qkv: 'qkv', angles: 'angles', rows: 'rows' },
        ),
      ],
      unfused: [
        step(takeColumns, columns, { x: 'source', y: 'taken' }),
        step(swapPairs, { count }, { x: 'taken', y: 'swapped' }),
        step(multiplyHeads, heads, { x: 'taken', line: 'cos', y: 'byCos' }),
        step(multiplyHeads, heads, { x: 'swapped', line: 'sin', y: 'bySin' }),
        step(addIntoColumns, columns, { a: 'byCos', b: 'bySin', y: 'result' }),
      ],
      outputs: { qkv: { unfused: 'result', absolute: 2e-6 } },
    };
  }),
};

export default ropeBench;
