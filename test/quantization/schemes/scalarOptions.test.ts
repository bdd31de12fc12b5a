import { describe, expect, it } from 'vitest';
import { resolveChain, type SchemeSpec } from '../../../src/quantization/index.ts';
import { schemeOf } from '../../../src/quantization/schemes.ts';

describe('options of scalar schemes', () => {
  it.each([
    ['int8', { mode: 'symmetric', scale: 'row', scales: 'f16', calibrate: 'minmax', percentile: 99.9 }],
    ['int4', { block: 32, mode: 'symmetric', calibrate: 'minmax', scales: 'f16' }],
    ['variable', { bits: 8, rounding: 'even', range: 1, percentile: 99.9, interval: null }],
    ['ternary', { scales: 'f16' }],
    ['binary', { scales: 'f16' }],
  ] as const)('%s has every default, which digests hold', (scheme, options) => {
    expect(resolveChain(scheme)).toEqual([{ scheme, options }]);
  });

  it.each<SchemeSpec>([
    'int8',
    { scheme: 'int8', mode: 'asymmetric', scales: 'f32' },
    { scheme: 'int8', scale: 'column', calibrate: 'percentile', percentile: 99 },
    { scheme: 'int8', scale: 'tensor', calibrate: 'mse' },
    { scheme: 'int4', block: 64, calibrate: 'mse', mode: 'asymmetric' },
    { scheme: 'variable', bits: 5, rounding: 'away', range: 'row' },
    { scheme: 'variable', range: 'percentile', percentile: 98 },
    { scheme: 'variable', interval: [0, 5.545178] },
    { scheme: 'ternary', scales: 'f32' },
    'binary',
  ])('%j: what a file holds of it resolves to itself', (to) => {
    const [{ scheme, options }] = resolveChain(to);
    expect(schemeOf(scheme).resolve(JSON.parse(JSON.stringify(options)))).toEqual(options);
  });

  it.each([
    ['int8:4', 'int8:4 has a number, and int8 takes none'],
    ['int4:a', 'int4:a is neither int4 nor int4:<block>'],
    ['pca:8:4+int8', 'pca:8:4 is neither pca nor pca:<components>'],
  ])('%s is refused, and what may stand there is told', (text, message) => {
    expect(() => resolveChain(text)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: `quantization: ${message}` }),
    );
  });
});
