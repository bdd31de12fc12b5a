import { coherence } from '../../src/kernels/index.ts';
import { addScalar, divide, square } from '../elementary/elementwise.ts';
import { type KernelBench, normal, scratch, step, uniforms } from '../kernelHarness.ts';

const entropies = (): Float32Array => {
  const uniform = uniforms();
  return Float32Array.from({ length: 1 << 16 }, () => 5.5 * uniform());
};

const coherenceBench: KernelBench = {
  name: 'coherence',
  cases: [512, 65_536, 1 << 24].map((count) => ({
    name: `${count.toLocaleString('en')} patches`,
    memory: {
      prominence: normal(count),
      entropies: { words: count, values: entropies },
      coherences: scratch(count),
      squares: scratch(count),
      shifted: scratch(count),
      result: scratch(count),
    },
    fused: [step(coherence, { count }, { prominence: 'prominence', entropies: 'entropies', coherences: 'coherences' })],
    unfused: [
      step(square, { count, scalar: 0 }, { x: 'prominence', y: 'squares' }),
      step(addScalar, { count, scalar: 1e-6 }, { x: 'entropies', y: 'shifted' }),
      step(divide, { count }, { a: 'squares', b: 'shifted', y: 'result' }),
    ],
    outputs: { coherences: { unfused: 'result', relative: 1e-6 } },
  })),
};

export default coherenceBench;
