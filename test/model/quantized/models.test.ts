import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EntropyModel, openModel } from '../../../src/model/index.ts';
import { QUANTIZED_TYPES } from '../../../src/model/quantized/matrix.ts';
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

describe.each(QUANTIZED_TYPES)('a folder with weights of %s', (type) => {
  it('is computed on the CPU as float32 over the dequantized weights', async () => {
    const { dir, plain } = await quantizedFolder(join(scratch, `cpu-${type}`), type);
    const model = await openModel(dir, { threads: 1 });
    await expectOracle(model, plain);
    expect(model.layerCounts!.misses + model.layerCounts!.prefetched).toBeGreaterThan(0);
  });

  it('is computed on a GPU as float32 over the dequantized weights', async () => {
    const { dir, plain } = await quantizedFolder(join(scratch, `gpu-${type}`), type);
    await expectOracle(await openModel(dir, { device: gpu.device }), plain);
  });
});
