import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type CpuModel, openModel } from 'sluice/model';
import { littleEndianBytes } from '../src/formats/littleEndian.ts';
import { BlockDecoder } from '../src/kernels/blocks/decoder.ts';
import { toF16 } from '../src/kernels/blocks/half.ts';
import { writeGgufModel } from '../src/model/ggufWriter.ts';
import { readModelFile } from '../src/model/modelFile.ts';
import { packedCodes } from '../src/model/quantized/codes.ts';
import { isBlocked } from '../src/model/quantized/layout.ts';
import { dequantizedMatrix, QUANTIZED_TYPES, type QuantizedType } from '../src/model/quantized/matrix.ts';
import { roundToNearest } from '../src/model/quantized/roundToNearest.ts';
import { RowDecoder } from '../src/model/quantized/rowDecoder.ts';
import { writeQuantizedModel } from '../src/model/quantized/writeQuantizedModel.ts';
import { modelFolder } from '../test/model/modelFolder.ts';
import { roundedMatrices } from '../test/model/quantized/quantizedFolder.ts';
import { type Bench, time } from './harness.ts';
import { computeAll, documentOf, RELEASED } from './model/work.ts';

/** The released width; fewer layers, each of which costs the same. */
const ARGS = { ...RELEASED, n_layers: 6 };
const ROUNDS = 9;
const WARM_UP = 2;
/** A document shorter than a block of queries, and one as long as the window: one pass each. */
const TOKENS = [32, 512];
const FORMS = ['Q4_K', 'Q8_0', 'int4', 'ternary'] as const;
/** Matrices decoded in a round. */
const REPEATS = 10;
const CLOCKS = ['cpu', 'wall'] as const;

/**
 * Weights that are not float32 in their file: text a second with a cache that holds all decoded layers, against a cache of
 * one layer for each thread (the pass and the one that decodes ahead), which decodes every layer again for every pass, and
 * against the same weights as float32, mapped. One worker. `cpu` counts the seconds of all threads, so that decoding ahead
 * costs what it takes; `wall` is what a run waits for. The best of 9 rounds, in turns. The shares are of layers that passes
 * asked for in all rounds: found from an earlier pass, and decoded ahead of this one.
 *
 * Before that, what decoding itself takes: GB of float32 written a CPU second of one thread for a matrix of 2048 by 768,
 * against the plain loop that says what codes stand for; the ceiling is the engine's copy of as many float32 values.
 */
export default async function weightCache(bench: Bench): Promise<void> {
  for (const type of QUANTIZED_TYPES) await decoding(bench, type);
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-weight-cache-'));
  const source = modelFolder(ARGS);
  const plain = await openModel(source, { threads: 1 });
  try {
    for (const form of FORMS) {
      const file = await written(form, source, folder);
      const whole = await openModel(file, { threads: 1 });
      const narrow = await openModel(file, { threads: 1, weightCacheBytes: 0 });
      for (const tokens of TOKENS) await compare(bench, `${form}, ${tokens} tokens`, tokens, { whole, narrow, plain });
      await Promise.all([whole.close(), narrow.close()]);
      await rm(file, { recursive: true });
    }
  } finally {
    await plain.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function decoding(bench: Bench, type: QuantizedType): Promise<void> {
  const [outputs, inputs] = [2048, 768];
  const weights = Float32Array.from({ length: outputs * inputs }, (_, i) => Math.sin(1.7 * i));
  const matrix = roundToNearest(type, weights, outputs, inputs);
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
  const [decoder, copier] = [new RowDecoder(memory), new BlockDecoder(memory)];
  let address = 4 * outputs * inputs;
  const put = (bytes: Uint8Array): number => {
    const at = address;
    new Uint8Array(memory.buffer).set(bytes, at);
    address += Math.ceil(bytes.length / 16) * 16;
    return at;
  };
  const bytesOf = (scales: Float32Array): Uint8Array =>
    isBlocked(type) ? littleEndianBytes(Uint16Array.from(scales, toF16)) : littleEndianBytes(scales);
  const rows = {
    type,
    inputs,
    rows: outputs,
    codes: put(packedCodes(matrix)),
    scales: put(bytesOf(matrix.scales)),
    minima: matrix.minima && put(bytesOf(matrix.minima)),
  };
  const least = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const runs = [
    () => decoder.decode(rows, 0),
    () => void dequantizedMatrix(matrix),
    () => copier.decode('F32', 4 * outputs * inputs, 0, outputs * inputs),
  ];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [i, run] of runs.entries()) {
      const seconds = await time(() => {
        for (let again = 0; again < REPEATS; again++) run();
      }, 'cpu');
      if (round >= 0) least[i] = Math.min(least[i] ?? seconds, seconds);
    }
  }
  const [own, plain, copy] = least.map((seconds) => (REPEATS * 4 * outputs * inputs) / seconds / 1e9);
  bench.report({
    case: `${type}, decoding`,
    value: own ?? 0,
    unit: 'GB/s out',
    peer: 'plain loop',
    peerValue: plain,
    ceiling: copy,
  });
}

async function written(form: (typeof FORMS)[number], source: string, folder: string): Promise<string> {
  if (form === 'Q4_K' || form === 'Q8_0') {
    const file = path.join(folder, `${form}.gguf`);
    await writeGgufModel(source, file, form);
    return file;
  }
  const target = path.join(folder, form);
  const model = await readModelFile(source);
  const matrices = roundedMatrices(model, form);
  await writeQuantizedModel(target, { model, quantization: { type: form, method: 'nearest' }, matrices });
  return target;
}

interface Models {
  readonly whole: CpuModel;
  readonly narrow: CpuModel;
  readonly plain: CpuModel;
}

async function compare(bench: Bench, name: string, tokens: number, models: Models): Promise<void> {
  const text = documentOf(tokens);
  const { whole, narrow, plain } = models;
  for (let i = 0; i < WARM_UP; i++) for (const model of [whole, narrow, plain]) await computeAll(model, [text]);
  const before = [whole, narrow].map(countsOf);
  for (const clock of CLOCKS) {
    const least = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, model] of [whole, narrow, plain].entries()) {
        const seconds = await time(() => computeAll(model, [text]), clock);
        least[i] = Math.min(least[i] ?? seconds, seconds);
      }
    }
    const [all, one, mapped] = least.map((seconds) => text.length / seconds) as [number, number, number];
    const unit = clock === 'cpu' ? 'bytes/CPU s' : 'bytes/s';
    bench.report({ case: `${name}: all layers kept`, value: all, unit, peer: 'one layer at a time', peerValue: one });
    bench.report({ case: `${name}: all layers kept`, value: all, unit, peer: 'float32, mapped', peerValue: mapped });
  }
  for (const [i, what] of ['all layers kept', 'one layer at a time'].entries()) {
    const model = i === 0 ? whole : narrow;
    const now = countsOf(model);
    const past = before[i] ?? { kept: 0, ahead: 0, asked: 0 };
    const share = (part: 'kept' | 'ahead') => (100 * (now[part] - past[part])) / (now.asked - past.asked);
    bench.report({ case: `${name}, ${what}: found from before`, value: share('kept'), unit: '%' });
    bench.report({ case: `${name}, ${what}: decoded ahead`, value: share('ahead'), unit: '%' });
  }
}

function countsOf({ layerCounts }: CpuModel): { kept: number; ahead: number; asked: number } {
  const { hits = 0, misses = 0, prefetched = 0 } = layerCounts ?? {};
  return { kept: hits - prefetched, ahead: prefetched, asked: hits + misses };
}
