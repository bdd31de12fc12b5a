import { decodeBlocks } from '../src/kernels/blocks/decodeBlocks.ts';
import { BlockDecoder } from '../src/kernels/blocks/decoder.ts';
import { encodeBlocks } from '../src/kernels/blocks/encodeBlocks.ts';
import { blockBytes } from '../src/kernels/blocks/layout.ts';
import { resolveChain } from '../src/quantization/chain.ts';
import { type LinearCoder, linearCoderOf } from '../src/quantization/codes/linear.ts';
import type { SchemeSpec } from '../src/quantization/index.ts';
import { schemeOf } from '../src/quantization/schemes.ts';
import type { Bench, Measure } from './harness.ts';

/** Numbers of a row, as the embeddings of the small model have. */
const COLUMNS = 128;
const SIZES = [1 << 10, 1 << 16, 1 << 20, 1 << 24, 100_000_000];
/** Numbers that a round takes at least. */
const WORK = 1 << 20;
const PAGE = 65_536;

const schemes: Readonly<Record<string, SchemeSpec>> = {
  int8: 'int8',
  'int8 asymmetric': { scheme: 'int8', mode: 'asymmetric' },
  int4: 'int4',
  'int4 asymmetric': { scheme: 'int4', mode: 'asymmetric' },
  'variable 8': 'variable',
  'variable 5': { scheme: 'variable', bits: 5 },
  'variable 12': { scheme: 'variable', bits: 12 },
  ternary: 'ternary',
  binary: 'binary',
  'int4 mse': { scheme: 'int4', calibrate: 'mse' },
};

/**
 * GB of float32 a CPU second that the scalar schemes read in encoding and write in decoding, in one thread, against
 * `target.set(source)` of as many float32 numbers, in turns. All write to memory that is there: the first touch of new pages
 * costs more than either. Then blocks of Q4_K, SIMD against plain TypeScript, the best copy as the ceiling.
 */
export default async function quantize(bench: Bench): Promise<void> {
  for (const count of SIZES) {
    const rows = numbers(count);
    const target = new Float32Array(count).fill(1);
    for (const [name, to] of Object.entries(schemes)) {
      if (name === 'int4 mse' && count !== WORK) continue;
      await coding(bench, name, coderOf(to), rows, target);
    }
  }
  for (const values of [1 << 17, 1 << 20, 1 << 24]) await blocks(bench, values);
}

async function coding(
  bench: Bench,
  name: string,
  coder: LinearCoder,
  rows: Float32Array,
  target: Float32Array<ArrayBuffer>,
) {
  const times = Math.max(1, Math.floor(WORK / rows.length));
  const measure: Measure = { unit: 'GB/s', of: (seconds) => (4 * rows.length * times) / seconds / 1e9 };
  const peer = { name: 'memcpy', run: repeated(times, () => target.set(rows)) };
  const encoded = coder.encode(rows);
  const size = rows.length < WORK ? `${rows.length / 1024} Ki` : `${(rows.length / 1e6).toFixed(1)} M`;
  const encode = repeated(times, () => coder.encode(rows, encoded));
  await bench.compare({ case: `${name}, ${size}: encode`, measure, run: encode, peer });
  const decode = repeated(times, () => coder.decode(encoded, target));
  await bench.compare({ case: `${name}, ${size}: decode`, measure, run: decode, peer });
}

async function blocks(bench: Bench, values: number): Promise<void> {
  const pages = Math.ceil((8 * values) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const decoder = new BlockDecoder(memory);
  const source = new Uint8Array(memory.buffer, 0, blockBytes('Q4_K', values));
  const sample = new Uint8Array(blockBytes('Q4_K', 1 << 16));
  encodeBlocks('Q4_K', numbers(1 << 16), sample);
  for (let at = 0; at < source.length; at += sample.length) source.set(sample, at);
  const target = new Float32Array(values);
  await bench.compare({
    case: `Q4_K, ${(values / 1e6).toFixed(1)} M`,
    measure: { unit: 'GB/s', of: (seconds) => (4 * values) / seconds / 1e9 },
    run: () => decoder.decode('Q4_K', 0, 4 * values, values),
    peer: { name: 'plain loop', run: () => decodeBlocks('Q4_K', source, target) },
  });
}

function coderOf(to: SchemeSpec): LinearCoder {
  const [{ scheme, options }] = resolveChain(to);
  const found = schemeOf(scheme);
  const coder = found.kind === 'coder' ? linearCoderOf(found.open(options, COLUMNS, [])) : undefined;
  if (coder === undefined) throw new TypeError(`${scheme} has no linear codes.`);
  return coder;
}

/** Within -1 and 1, without a pattern that a branch could learn. */
function numbers(count: number): Float32Array {
  let seed = 1;
  return new Float32Array(count).map(() => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    return seed / 2 ** 31;
  });
}

function repeated(times: number, run: () => unknown): () => void {
  return () => {
    for (let i = 0; i < times; i++) run();
  };
}
