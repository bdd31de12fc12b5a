import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  autoThresholdFor,
  CALIBRATION_FILE,
  calibrate,
  calibrateModalities,
  type EntropyModel,
  openModel,
  patchLengths,
  readThresholds,
  resolveThreshold,
  writeCalibration,
} from '../../src/model/index.ts';
import { encodeBytes } from '../../src/model/tokenizer.ts';
import { MODALITIES } from '../../src/records.ts';
import { goldenModel, prose } from './golden.ts';
import { modelFolder } from './modelFolder.ts';

describe('calibration', () => {
  let model: EntropyModel;
  beforeAll(async () => {
    model = await openModel(goldenModel('w24-bf16'), { threads: 1 });
  });
  afterAll(() => model.close());

  it('finds the threshold that gives patches of the wanted length', async () => {
    const samples = [prose(3000), prose(0), prose(500).reverse()];
    for (const target of [2, 4.5, 9]) {
      const found = await calibrate(model, samples, target);
      expect(Math.fround(found.threshold)).toBe(found.threshold);
      let patches = 0;
      for (const sample of samples.filter(({ length }) => length > 0)) {
        const entropies: number[] = [];
        for await (const piece of model.encode(sample)) entropies.push(...piece.entropies);
        const lengths = patchLengths(encodeBytes(sample, { addEos: false }), [...entropies, 0], {
          threshold: found.threshold,
        });
        patches += lengths.length - 1;
      }
      expect(found.meanPatchBytes).toBeCloseTo(3500 / patches, 10);
      expect(found.meanPatchBytes).toBeGreaterThan(target * 0.97);
      expect(found.meanPatchBytes).toBeLessThan(target * 1.03);
    }
  });

  it('says when a sample is too small to tell', async () => {
    await expect(calibrate(model, [prose(5), prose(6)])).rejects.toMatchObject({ code: 'CALIBRATION_SAMPLE' });
    await expect(calibrate(model, [])).rejects.toMatchObject({ code: 'CALIBRATION_SAMPLE' });
  });

  it('is stored with the model, and refused where there is none', async () => {
    const dir = modelFolder();
    const plain = await openModel(dir);
    expect(() => resolveThreshold(plain, 'auto')).toThrow('no calibrated threshold');
    expect(resolveThreshold(plain, 0.1)).toBe(Math.fround(0.1));
    await writeCalibration(dir, {
      threshold: Math.fround(1.7),
      targetPatchBytes: 4.5,
      meanPatchBytes: 4.4,
      sampleBytes: 1000,
    });
    expect(resolveThreshold(await openModel(dir), 'auto')).toBe(Math.fround(1.7));
  });

  it('has thresholds of their own for modalities, and the general one for the others', async () => {
    const dir = modelFolder();
    const of = (threshold: number) => ({ threshold, targetPatchBytes: 4.5, meanPatchBytes: 4.4, sampleBytes: 1000 });
    await writeCalibration(dir, of(1.5));
    await calibrateModalities(dir, { image: of(3), audio: of(4.5) });
    await calibrateModalities(dir, { image: of(3.25) });
    const model = await openModel(dir);
    expect(MODALITIES.map((modality) => autoThresholdFor(model, modality))).toEqual(
      MODALITIES.map((modality) => ({ image: 3.25, audio: 4.5 })[modality as string] ?? 1.5),
    );
    await calibrateModalities(modelFolder(), {});
    const bare = modelFolder();
    await calibrateModalities(bare, { audio: of(4.5) });
    expect(await readThresholds(bare)).toEqual({ autoThreshold: 4.5, modalityThresholds: { audio: 4.5 } });
    await writeFile(join(dir, CALIBRATION_FILE), '{"auto_threshold": 1.5, "modalities": {"image": {}}}');
    await expect(openModel(dir)).rejects.toMatchObject({
      code: 'MODEL_CALIBRATION',
      message: expect.stringContaining('of image'),
    });
  });
});
