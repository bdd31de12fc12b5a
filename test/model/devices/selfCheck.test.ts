import { describe, expect, it } from 'vitest';
import { requireAgreement } from '../../../src/model/devices/selfCheck.ts';

describe('the check of a device', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('blames the model where the CPU itself computes %s', (none) => {
    const right = { entropies: [1, 2], norms: [3, 4] };
    for (const expected of [
      { ...right, entropies: [1, none] },
      { ...right, norms: [none, 4] },
    ]) {
      for (const found of [right, expected]) {
        expect(() => requireAgreement(found, expected, 'webgpu')).toThrow(
          expect.objectContaining({ code: 'MODEL_NOT_FINITE', message: expect.stringContaining(`${none}`) }),
        );
      }
    }
  });
});
