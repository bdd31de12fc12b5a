import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultModelDir, openModel } from 'sluice/model';
import { drawText } from '../src/model/quantize/calibrationText.ts';
import { compareModels } from '../src/model/quantize/compareModels.ts';
import { gptq } from '../src/model/quantize/gptq.ts';
import type { QuantizeMethod } from '../src/model/quantize/method.ts';
import { quantizeModel } from '../src/model/quantize/quantizeModel.ts';
import { roundMatrix } from '../src/model/quantize/roundMatrix.ts';
import { QUANTIZED_TYPES, type QuantizedType } from '../src/model/quantized/matrix.ts';
import { roundToNearest } from '../src/model/quantized/roundToNearest.ts';
import { bell, correlated, gramOf, randomMatrix } from '../test/model/quantize/matrices.ts';
import type { Bench, Measure } from './harness.ts';

const TEXT = [3, 4, 5, 6].map((number) => `samples/novel/chapter-0${number}.txt`);
const CODE = ['stages', 'splitRun', 'job', 'pool'].map((name) => `src/run/${name}.ts`);
const METHODS: Readonly<Record<QuantizedType, readonly QuantizeMethod[]>> = {
  int8: ['mse', 'awq'],
  'int8-channel': ['mse', 'awq'],
  int4: ['mse', 'awq', 'gptq'],
  'int4-64': ['mse', 'awq', 'gptq'],
  ternary: ['mse', 'awq'],
};
/** A linear weight of half the released width: its Hessian leaves the second-level cache, as that of larger ones does. */
const WIDTH = 384;

/**
 * What methods of `sluice quantize` save over min-max scales of the same type, on text of the samples that the embedded
 * model was not calibrated on; what is left of that on another kind of text; then what finding the codes of a weight takes,
 * against plain rounding.
 */
export default async function quantizeModelBench(bench: Bench): Promise<void> {
  const calibrate = { files: TEXT, tokens: 16_384 };
  const measured = async (to: QuantizedType, method: QuantizeMethod) => {
    const { held_back, bytes } = await quantizeModel(defaultModelDir(), { to, method, calibrate });
    if (held_back === null) throw new RangeError('The samples are too short.');
    return { ...held_back, bytes };
  };
  for (const to of QUANTIZED_TYPES) {
    const plain = await measured(to, 'minmax');
    bench.report({ case: `${to}: weights file`, value: plain.bytes, unit: 'bytes' });
    for (const method of METHODS[to]) {
      const { mean_nats, boundary_f1, bits_per_byte } = await measured(to, method);
      const report = (what: string, value: number, unit: string, peerValue: number): void => {
        bench.report({ case: `${to} by ${method}: ${what}`, value, unit, peer: 'min-max', peerValue });
      };
      report('entropies off by', mean_nats, 'nats', plain.mean_nats);
      report('F1 of patch starts', boundary_f1, '', plain.boundary_f1);
      report('predicts in', bits_per_byte.after, 'bits a byte', plain.bits_per_byte.after);
    }
  }
  await otherText(bench);
  await speed(bench);
}

/** On source code: what is left of calibration where it was done on prose. */
async function otherText(bench: Bench): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-quantize-bench-'));
  const before = await openModel(defaultModelDir());
  try {
    const code = await drawText(CODE, { tokens: 16_384 });
    const offBy = async (name: string, method: QuantizeMethod, files?: readonly string[]): Promise<number> => {
      const output = path.join(folder, name);
      await quantizeModel(defaultModelDir(), { to: 'int4', method, output, calibrate: files && { files } });
      const after = await openModel(output);
      try {
        return (await compareModels(before, after, code.heldBack, before.modalityThresholds.code ?? 0)).meanNats;
      } finally {
        await after.close();
      }
    };
    const peerValue = await offBy('plain', 'mse');
    for (const [kind, files] of [
      ['prose', TEXT],
      ['the same code', CODE],
    ] as const) {
      const value = await offBy(kind, 'gptq', files);
      bench.report({ case: `int4 by gptq on ${kind}: code off by`, value, unit: 'nats', peer: 'mse', peerValue });
    }
  } finally {
    await before.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function speed(bench: Bench): Promise<void> {
  const random = bell(1);
  const matrix = randomMatrix(WIDTH, WIDTH, random);
  const gram = gramOf(correlated(64, WIDTH, random), WIDTH);
  const measure: Measure = { unit: 'ns/weight', of: (seconds) => (seconds / (WIDTH * WIDTH)) * 1e9 };
  for (const type of QUANTIZED_TYPES) {
    const peer = { name: 'min-max', run: () => roundToNearest(type, matrix.values, WIDTH, WIDTH) };
    const mse = () => roundMatrix(matrix, type, { method: 'mse' });
    await bench.compare({ case: `${type}: codes by mse`, measure, run: mse, peer });
    if (type !== 'int4') continue;
    const run = () => gptq(matrix, type, gram.products);
    await bench.compare({ case: `${type}: codes by gptq`, measure, run, peer });
  }
}
