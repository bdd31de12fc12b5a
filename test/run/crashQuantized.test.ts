import { describe, expect, it } from 'vitest';
import { verifyOutput } from '../../src/run/verify.ts';
import { itSurvivesKills } from '../support/crashes.ts';

describe('a run that quantizes by what it has learned', () => {
  // while rows are drawn, a quantizer is trained, codes are written and measured
  const undisturbed = itSurvivesKills('quantized.ts', 6);

  it('is found sound, and keeps no sample', async () => {
    const { output, files } = undisturbed();
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });
    expect(Object.keys(files).filter((file) => file.startsWith('quantizer/'))).toEqual([
      'quantizer/quality.json',
      'quantizer/quantizer.safetensors',
    ]);
  });
});
