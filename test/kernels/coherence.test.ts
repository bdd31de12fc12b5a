import { coherenceOf } from '../../src/kernels/coherence/cpu.ts';
import { coherence } from '../../src/kernels/index.ts';
import { conforms, normals } from './conformance.ts';

conforms(
  coherence,
  [1, 7, 256, 1025].map((count) => {
    const prominence = normals(count, count, 20).map(Math.abs);
    const entropies = normals(count, 3).map(Math.abs);
    // a sure patch, and one of no length
    if (count > 1) entropies[1] = prominence[0] = 0;
    return {
      name: `${count} patches`,
      sizes: { count },
      buffers: { prominence, entropies, coherences: new Float32Array(count) },
      expected: { coherences: { values: coherenceOf(prominence, entropies), relative: 6e-7 } },
    };
  }),
);
