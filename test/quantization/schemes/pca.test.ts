import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromF16 } from '../../../src/kernels/blocks/half.ts';
import { type Quantizer, resolveChain, trainQuantizer } from '../../../src/quantization/index.ts';
import { Moments } from '../../../src/quantization/training/moments.ts';
import { normalRows } from '../random.ts';

interface Golden {
  readonly columns: number;
  readonly components: number;
  readonly rows_f16: string;
  readonly mean_f64: string;
  readonly axes_f64: string;
  readonly variances_f64: string;
  readonly projected_f64: string;
  readonly restored_f64: string;
}

/** Of tools/fixtures/pca.py: embeddings of patches of real text, and what numpy makes of them in float64. */
const golden: Golden = JSON.parse(readFileSync('test/fixtures/quantization/pca.json', 'utf8'));

function doubles(base64: string): Float64Array {
  return new Float64Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}

const floatsOf = ([values]: readonly Uint8Array[]): Float32Array => new Float32Array(values!.slice().buffer);

function farthest(given: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(given.length).toBe(wanted.length);
  let most = 0;
  for (let i = 0; i < wanted.length; i++) most = Math.max(most, Math.abs(given[i]! - wanted[i]!));
  return most;
}

const tensor = (quantizer: Quantizer, name: string) => quantizer.trained.find((other) => other.name === name)!;

describe('principal components', () => {
  const { columns, components } = golden;
  const halves = new Uint16Array(Uint8Array.from(Buffer.from(golden.rows_f16, 'base64')).buffer);
  const rows = Float32Array.from(halves, fromF16);

  it('are those of numpy in float64 within 1e-4, on real embeddings of several hundreds', () => {
    expect(rows.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).toBeGreaterThan(100);
    const quantizer = trainQuantizer(resolveChain({ scheme: 'pca', components }), { columns, rows, seed: 0 });
    expect(farthest(tensor(quantizer, 'pca.mean').values, doubles(golden.mean_f64))).toBeLessThan(2e-5);
    expect(farthest(tensor(quantizer, 'pca.components').values, doubles(golden.axes_f64))).toBeLessThan(1e-7);
    const variances = doubles(golden.variances_f64);
    const errors = tensor(quantizer, 'pca.variances').values.map((value, i) => value / variances[i]! - 1);
    expect(farthest(errors, new Float32Array(components))).toBeLessThan(1e-6);
    const coded = floatsOf(quantizer.encode(rows));
    expect(farthest(coded, doubles(golden.projected_f64))).toBeLessThan(1e-4);
    const decoded = quantizer.decode(quantizer.encode(rows.subarray(0, 20 * columns)));
    expect(farthest(decoded, doubles(golden.restored_f64))).toBeLessThan(1e-4);
  });

  it('come of the moments of all rows where those are known, not of the sample', () => {
    const moments = new Moments(columns);
    moments.add(rows);
    const sample = { columns, rows: rows.subarray(0, 3 * columns), seed: 0 };
    const chain = resolveChain('pca');
    const ofAll = trainQuantizer(chain, { ...sample, moments });
    expect(ofAll.trained).toEqual(trainQuantizer(chain, { ...sample, rows }).trained);
    expect(ofAll.trained).not.toEqual(trainQuantizer(chain, sample).trained);
  });

  it('give rows back, all of what they are made of with as many components as columns', () => {
    for (const whiten of [false, true]) {
      const chain = resolveChain({ scheme: 'pca', components: columns, whiten });
      const quantizer = trainQuantizer(chain, { columns, rows, seed: 0 });
      expect(farthest(quantizer.decode(quantizer.encode(rows)), rows)).toBeLessThan(2e-3);
    }
  });

  it('are half as many as columns unless told', () => {
    const quantizer = trainQuantizer(resolveChain('pca'), { columns: 5, rows: normalRows(1, 20, 5), seed: 0 });
    expect(quantizer.parts).toEqual([{ name: 'values', dtype: 'F32', shape: [3], rowBytes: 12 }]);
    expect(resolveChain('pca')).toEqual([{ scheme: 'pca', options: { components: 'auto', whiten: false } }]);
    const single = trainQuantizer(resolveChain('pca'), { columns: 1, rows: Float32Array.of(1, 2, 4), seed: 0 });
    expect([...single.decode(single.encode(Float32Array.of(8)))]).toEqual([8]);
  });

  it('have variance 1 when they are whitened, and none where there is none', () => {
    // four columns, of which the last is the sum of the others
    const flat = normalRows(1, 500, 4).map((x, i, all) => (i % 4 < 3 ? x * 9 ** (i % 4) : all[i]!));
    for (let i = 3; i < flat.length; i += 4) flat[i] = 0.5;
    const chain = resolveChain({ scheme: 'pca', components: 4, whiten: true });
    const quantizer = trainQuantizer(chain, { columns: 4, rows: flat, seed: 0 });
    const moments = new Moments(4);
    moments.add(floatsOf(quantizer.encode(flat)));
    const wanted = [1, 1, 1, 0].flatMap((variance, i) => [0, 1, 2, 3].map((j) => (i === j ? variance : 0)));
    expect(farthest(moments.covariance, wanted)).toBeLessThan(1e-5);
    expect(farthest(quantizer.decode(quantizer.encode(flat)), flat)).toBeLessThan(1e-4);
  });

  it.each([false, true])('are finite and the same each time where rows are all equal, whitened: %s', (whiten) => {
    const same = new Float32Array(30).fill(0.3);
    const train = (): Quantizer =>
      trainQuantizer(resolveChain({ scheme: 'pca', whiten }), { columns: 3, rows: same, seed: 0 });
    expect(train().trained).toEqual(train().trained);
    const quantizer = train();
    expect([...floatsOf(quantizer.encode(same))]).toEqual(new Array(20).fill(0));
    expect(quantizer.decode(quantizer.encode(same))).toEqual(same);
  });

  it('go before a coder', () => {
    const quantizer = trainQuantizer(resolveChain([{ scheme: 'pca', components }, 'int8']), { columns, rows, seed: 0 });
    expect(quantizer.parts[0]).toMatchObject({ name: 'codes', shape: [components] });
    const decoded = quantizer.decode(quantizer.encode(rows));
    const alone = trainQuantizer(resolveChain({ scheme: 'pca', components }), { columns, rows, seed: 0 });
    const wanted = alone.decode(alone.encode(rows));
    // int8 rounds components of up to some 700 in steps of 1/127
    expect(farthest(decoded, wanted)).toBeLessThan(20);
    expect(farthest(decoded, wanted)).toBeGreaterThan(0);
  });

  it('refuse options and samples that they cannot use', () => {
    const sample = { columns: 3, rows: new Float32Array(3), seed: 0 };
    const failure = (code: string): unknown => expect.objectContaining({ code });
    expect(() => trainQuantizer(resolveChain('pca'), sample)).toThrow(failure('QUANTIZE_SAMPLE'));
    expect(() => trainQuantizer(resolveChain({ scheme: 'pca', components: 4 }), sample)).toThrow(failure('BAD_OPTION'));
    for (const options of [{ components: 0 }, { components: 2.5 }, { whiten: 1 as unknown as boolean }]) {
      expect(() => resolveChain({ scheme: 'pca', ...options })).toThrow(failure('BAD_OPTION'));
    }
  });
});
