import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EntropyModel, openModel } from '../../../src/model/index.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { QUANTIZED_TYPES, type QuantizedType } from '../../../src/model/quantized/matrix.ts';
import { encodeBytes } from '../../../src/model/tokenizer.ts';
import { type GpuDevice, gpuDevice } from '../../support/gpu.ts';
import { largestDifference, prose } from '../golden.ts';
import { expectNorms, TOLERANCE } from '../goldenChecks.ts';
import { oracle } from '../oracle.ts';
import { encodeAll } from '../reference.ts';
import { quantizedFolder } from './quantizedFolder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sluice-quantized-'));
let gpu: GpuDevice;
beforeAll(async () => {
  gpu = await gpuDevice();
}, 60_000);
afterAll(async () => {
  await gpu.remove();
  rmSync(scratch, { recursive: true });
});

const text = prose(60);

/** What double-precision math over the dequantized weights gives, about each byte. */
function expected(plain: string) {
  const tokens = encodeBytes(text, { addEos: false });
  const { entropies, norms } = oracle(plain, tokens);
  // byte i is what the token before it is uncertain about; its norm is that of its own token
  return { entropies: entropies.slice(0, -1), norms: norms.slice(1) };
}

async function expectOracle(model: EntropyModel, plain: string): Promise<void> {
  const found = await encodeAll(model, text);
  const wanted = expected(plain);
  expect(largestDifference(found.entropies, wanted.entropies)).toBeLessThan(TOLERANCE.entropy);
  expectNorms(found.norms, wanted.norms);
  await model.close();
}

/** What fills the last byte of a row of 211 inputs is nothing that anybody may look at. */
const otherFilling: Partial<Record<QuantizedType, (byte: number) => number>> = {
  int4: (byte) => byte | 0xf0,
  'int4-64': (byte) => byte | 0xf0,
  // four digits 2 behind the one that counts
  ternary: (byte) => (byte % 3) + 240,
};

async function fillOtherwise(dir: string, fill: (byte: number) => number): Promise<void> {
  const { weights, config } = await readModelFile(dir);
  const { offset, length, shape } = weights.tensors.get('layers.0.feed_forward.w2.weight')!;
  expect(shape).toEqual([config.dim, 211]);
  const bytes = readFileSync(weights.path);
  const width = length / config.dim;
  for (let end = offset + width - 1; end < offset + length; end += width) bytes[end] = fill(bytes[end]!);
  writeFileSync(weights.path, bytes);
}

describe.each(QUANTIZED_TYPES)(
  'a folder with weights of %s is computed as float32 over what they stand for',
  (type) => {
    let folder: Awaited<ReturnType<typeof quantizedFolder>>;
    beforeAll(async () => {
      folder = await quantizedFolder(join(scratch, type), type);
      const fill = otherFilling[type];
      if (fill !== undefined) await fillOtherwise(folder.dir, fill);
    });

    it('on the CPU', async () => {
      const model = await openModel(folder.dir, { threads: 1 });
      await expectOracle(model, folder.plain);
      expect(model.layerCounts!.misses + model.layerCounts!.prefetched).toBeGreaterThan(0);
    });

    it('on a GPU', async () => {
      await expectOracle(await openModel(folder.dir, { device: gpu.device }), folder.plain);
    });
  },
);
