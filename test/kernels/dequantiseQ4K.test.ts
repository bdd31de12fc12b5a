import fc from 'fast-check';
import { decodeBlocks } from '../../src/kernels/blocks/decodeBlocks.ts';
import { dequantiseQ4K } from '../../src/kernels/index.ts';
import { anyBlock } from './blocks/fields.ts';
import { conforms } from './conformance.ts';

/** Blocks of any content whose two scales are finite. */
function finiteBlocks(count: number): Uint8Array {
  const hasFiniteScales = (bytes: Uint8Array): boolean => [1, 3].every((at) => (bytes[at]! & 0x7c) !== 0x7c);
  const finite = anyBlock.Q4_K.map(({ bytes }) => bytes).filter(hasFiniteScales);
  return Uint8Array.from(Buffer.concat(fc.sample(finite, { numRuns: count, seed: count })));
}

conforms(
  dequantiseQ4K,
  [1, 2, 37].map((blocks) => {
    const bytes = finiteBlocks(blocks);
    const values = new Float32Array(256 * blocks);
    decodeBlocks('Q4_K', bytes, values);
    return {
      name: `${blocks} blocks`,
      sizes: { count: values.length },
      buffers: { weights: bytes, values: new Float32Array(values.length) },
      expected: { values: { values } },
    };
  }),
);
