import { decodeBlocks } from '../src/kernels/blocks/decodeBlocks.ts';
import { BlockDecoder } from '../src/kernels/blocks/decoder.ts';
import { encodeBlocks } from '../src/kernels/blocks/encodeBlocks.ts';
import { type BlockType, blockBytes, blockTypes } from '../src/kernels/blocks/layout.ts';
import { type Bench, time } from './harness.ts';

const PAGE = 65_536;
const ROUNDS = 9;
/** Weights that are encoded; a larger tensor repeats their blocks. */
const SAMPLE = 1 << 16;
/** Values of a tensor: its float32 stays in the second-level cache, or in the third, or in none. */
const SIZES = [1 << 17, 1 << 20, 1 << 24];
/** Values decoded in a round. */
const WORK = 1 << 24;

/**
 * Speed of the SIMD decoder, GB of float32 written for a CPU second of one thread, against the plain TypeScript decoder on
 * a part of the same blocks. The ceiling is the engine's own copy of as many float32 values within the same memory. A copy
 * reads four bytes for every four written: where the main memory is the limit, decoding may be faster. All take turns,
 * the best of 9 rounds counts.
 */
export default async function dequantize(bench: Bench): Promise<void> {
  const weights = normal(SAMPLE);
  for (const values of SIZES) {
    const pages = Math.ceil((8 * values) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const decoder = new BlockDecoder(memory);
    for (const type of blockTypes) {
      if (type === 'F32') continue;
      const sample = new Uint8Array(blockBytes(type, SAMPLE));
      encodeBlocks(type, weights, sample);
      const blocks = new Uint8Array(memory.buffer, 0, blockBytes(type, values));
      for (let at = 0; at < blocks.length; at += sample.length) blocks.set(sample, at);
      const decode = (as: BlockType) => () => {
        for (let done = 0; done < WORK; done += values) decoder.decode(as, 0, 4 * values, values);
      };
      const plain = new Float32Array(SAMPLE);
      const [own = 0, copy = 0, other = 0] = await leastSeconds([
        decode(type),
        decode('F32'),
        () => {
          for (let i = 0; i < 8; i++) decodeBlocks(type, sample, plain);
        },
      ]);
      const size = `${values / (1 << 18)} MiB`;
      bench.report({
        case: `${type} to ${size} of float32`,
        value: (4 * WORK) / own / 1e9,
        unit: 'GB/s out',
        peer: 'plain TypeScript',
        peerValue: (4 * 8 * SAMPLE) / other / 1e9,
        ceiling: (4 * WORK) / copy / 1e9,
      });
      bench.report({ case: `${type} to ${size}, read`, value: blockBytes(type, WORK) / own / 1e9, unit: 'GB/s in' });
    }
  }
}

/** CPU seconds of the best round of each, taken in turns. */
async function leastSeconds(runs: readonly (() => void)[]): Promise<number[]> {
  const least = runs.map(() => Number.POSITIVE_INFINITY);
  for (let round = -2; round < ROUNDS; round++) {
    for (const [i, run] of runs.entries()) {
      const seconds = await time(run, 'cpu');
      if (round >= 0) least[i] = Math.min(least[i] ?? seconds, seconds);
    }
  }
  return least;
}

/** Seeded values with the bell shape and the size of trained weights. */
function normal(length: number): Float32Array {
  let seed = 1;
  const uniform = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length },
    () => 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
