import { describe, expect, it } from 'vitest';
import { quantizeSettings } from '../../../src/operators/quantize/settings.ts';
import { quantizePreparation } from '../../../src/operators/quantize/stages.ts';
import type { JobView } from '../../../src/run/jobStage.ts';

describe('the stage that trains', () => {
  const [stage] = quantizePreparation(quantizeSettings({ to: 'pca:64+int8', sample: { bytes: 1 << 20 } })).before;
  /** A run whose pass has written files of so many bytes. */
  const having = (...sizes: number[]): JobView => ({
    root: '/out',
    splits: [],
    commitsOf: (name) =>
      sizes.map((bytes, i) => ({
        split: `${name}-0000${i}`,
        artefacts: [{ path: `${name}-0000${i}.safetensors`, bytes, sha256: '', info: {} }],
        counts: {},
        rejects: 0,
      })),
  });

  it('holds more than a plan can know where moments of wide rows were gathered', () => {
    expect(stage?.holdsFor?.(having(100, 200))).toBe(stage?.holds);
    // measured with rows of 4096 columns: files of 133 MB, and 0.94 GB to train on them
    expect(stage?.holdsFor?.(having(133e6, 1e6))).toBeGreaterThan(0.94e9);
  });
});
