import { siluGate } from '../../src/kernels/index.ts';
import { addScalar, divide, exp, multiply, negate } from '../elementary/elementwise.ts';
import { MODEL_SHAPES } from '../gpu/shapes.ts';
import { type KernelBench, normals, scratch, step } from '../kernelHarness.ts';

/** Rows that the contents of memory repeat after. */
const REPEATED = 64;

/** A half of each row of the fused kernel's input: the chain has both as matrices of their own, and copies nothing. */
function half(columns: number, offset: number): () => Float32Array {
  return () => {
    const both = normals();
    return Float32Array.from({ length: REPEATED * columns }, (_, i) => {
      const row = Math.floor(i / columns);
      return both[row * 2 * columns + offset + (i % columns)] ?? 0;
    });
  };
}

const siluGateBench: KernelBench = {
  name: 'siluGate',
  cases: MODEL_SHAPES.map(({ name, rows, columns }) => {
    const count = rows * columns;
    return {
      name,
      memory: {
        gateUp: { words: 2 * count, values: () => normals().subarray(0, REPEATED * 2 * columns) },
        gated: scratch(count),
        gate: { words: count, values: half(columns, 0) },
        up: { words: count, values: half(columns, columns) },
        negated: scratch(count),
        powers: scratch(count),
        sums: scratch(count),
        silu: scratch(count),
        result: scratch(count),
      },
      fused: [step(siluGate, { rows, columns }, { gateUp: 'gateUp', gated: 'gated' })],
      unfused: [
        step(negate, { count, scalar: 0 }, { x: 'gate', y: 'negated' }),
        step(exp, { count, scalar: 0 }, { x: 'negated', y: 'powers' }),
        step(addScalar, { count, scalar: 1 }, { x: 'powers', y: 'sums' }),
        step(divide, { count }, { a: 'gate', b: 'sums', y: 'silu' }),
        step(multiply, { count }, { a: 'silu', b: 'up', y: 'result' }),
      ],
      outputs: { gated: { unfused: 'result', relative: 4e-6, absolute: 1e-12 } },
    };
  }),
};

export default siluGateBench;
