import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type CpuModel, openModel } from 'sluice/model';
import { writeGgufModel } from '../src/model/ggufWriter.ts';
import { readModelFile } from '../src/model/modelFile.ts';
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
const CLOCKS = ['cpu', 'wall'] as const;

/**
 * Weights that are not float32 in their file: text a second with a cache that holds all decoded layers, against a cache of
 * one layer for each thread (the pass and the one that decodes ahead), which decodes every layer again for every pass, and
 * against the same weights as float32, mapped. One worker. `cpu` counts the seconds of all threads, so that decoding ahead
 * costs what it takes; `wall` is what a run waits for. The best of 9 rounds, in turns. The shares are of layers that passes
 * asked for in all rounds: found decoded, and decoded ahead of them.
 */
export default async function weightCache(bench: Bench): Promise<void> {
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
    const { hits, asked, prefetched } = countsOf(model);
    const past = before[i] ?? { hits: 0, asked: 0, prefetched: 0 };
    const passes = asked - past.asked;
    bench.report({ case: `${name}, ${what}: found decoded`, value: (100 * (hits - past.hits)) / passes, unit: '%' });
    const ahead = (100 * (prefetched - past.prefetched)) / passes;
    bench.report({ case: `${name}, ${what}: decoded ahead`, value: ahead, unit: '%' });
  }
}

function countsOf({ layerCounts }: CpuModel): { hits: number; asked: number; prefetched: number } {
  const { hits = 0, misses = 0, prefetched = 0 } = layerCounts ?? {};
  return { hits, asked: hits + misses, prefetched };
}
