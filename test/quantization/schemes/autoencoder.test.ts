import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Quantizer, resolveChain, trainQuantizer } from '../../../src/quantization/index.ts';
import { novelEmbeddings } from '../embeddings.ts';
import { normalNumbers, normalRows } from '../random.ts';

function squaredError(rows: Float32Array, quantizer: Quantizer): number {
  const decoded = quantizer.decode(quantizer.encode(rows));
  return rows.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0);
}

const filtered = (rows: Float32Array, columns: number, keep: (row: number) => boolean): Float32Array =>
  rows.filter((_, at) => keep(Math.floor(at / columns)));

/** Points of a curved surface of two dimensions in eight. */
function curvedRows(seed: number, count: number): Float32Array<ArrayBuffer> {
  const weights = normalRows(77, 8, 5);
  const normal = normalNumbers(seed);
  return Float32Array.from(
    Array.from({ length: count }, () => [normal(), normal()] as const).flatMap(([a, b]) =>
      Array.from({ length: 8 }, (_, i) => {
        const terms = [2 * a, 2 * b, a * a, a * b, b * b];
        return terms.reduce((sum, term, k) => sum + term * weights[5 * i + k]!, 0);
      }),
    ),
  );
}

const pca = (components: number) => resolveChain({ scheme: 'pca', components });

describe('an autoencoder', () => {
  it('keeps far more of a curved surface than principal components, also of rows that it has not seen', () => {
    const columns = 8;
    const sample = { columns, rows: curvedRows(1, 2000), seed: 0 };
    const chain = resolveChain({ scheme: 'autoencoder', components: 2, hidden: 32 });
    const unseen = curvedRows(2, 500);
    const linear = squaredError(unseen, trainQuantizer(pca(2), sample));
    expect(squaredError(unseen, trainQuantizer(chain, sample))).toBeLessThan(0.4 * linear);
  });

  it('keeps more of real embeddings', async () => {
    const { columns, rows } = await novelEmbeddings(3);
    const [learned, unseen] = [true, false].map((seen) => filtered(rows, columns, (row) => (row % 5 !== 4) === seen));
    const sample = { columns, rows: learned!, seed: 0 };
    const chain = resolveChain({ scheme: 'autoencoder', components: 16, hidden: 64, steps: 400 });
    const linear = squaredError(unseen!, trainQuantizer(pca(16), sample));
    expect(squaredError(unseen!, trainQuantizer(chain, sample))).toBeLessThan(0.9 * linear);
  });

  it('is never worse than principal components on the tenth that is held back', () => {
    // noise alone: there is nothing to learn; and few rows, which it can learn by heart
    for (const [seed, count, columns] of [
      [1, 100, 6],
      [2, 1000, 6],
      [3, 150, 40],
    ] as const) {
      const rows = normalRows(seed, count, columns).map((x) => 100 * x + 7);
      const sample = { columns, rows, seed };
      const heldBack = filtered(rows, columns, (row) => row % 10 === 9);
      const chain = resolveChain({ scheme: 'autoencoder', steps: 150 });
      const linear = squaredError(heldBack, trainQuantizer(pca(Math.ceil(columns / 2)), sample));
      // the two round differently: one sums in float64, the other in float32
      expect(squaredError(heldBack, trainQuantizer(chain, sample))).toBeLessThan(linear * (1 + 1e-6));
    }
  });

  it('learns the same bits on every machine, others with another seed', () => {
    const digestOf = (seed: number): string => {
      const chain = resolveChain({ scheme: 'autoencoder', components: 2, hidden: 9, steps: 60 });
      const hash = createHash('sha256');
      for (const { values } of trainQuantizer(chain, { columns: 8, rows: curvedRows(5, 400), seed }).trained) {
        hash.update(new Uint8Array(values.slice().buffer));
      }
      return hash.digest('hex').slice(0, 16);
    };
    expect(digestOf(1)).toBe('a6aaf3bf212e692c');
    expect(digestOf(2)).not.toBe(digestOf(1));
  });

  it('has tensors of the shapes that it says, and goes before a coder', () => {
    const rows = normalRows(4, 200, 6);
    const chain = resolveChain([{ scheme: 'autoencoder', steps: 3 }, 'int8']);
    const quantizer = trainQuantizer(chain, { columns: 6, rows, seed: 0 });
    expect(quantizer.trained.map(({ name, shape }) => [name, shape])).toEqual([
      ['autoencoder.mean', [6]],
      ['autoencoder.encoder.skip', [3, 6]],
      ['autoencoder.encoder.hidden', [6, 6]],
      ['autoencoder.encoder.bias', [6]],
      ['autoencoder.encoder.out', [3, 6]],
      ['autoencoder.decoder.skip', [6, 3]],
      ['autoencoder.decoder.hidden', [6, 3]],
      ['autoencoder.decoder.bias', [6]],
      ['autoencoder.decoder.out', [6, 6]],
      ['autoencoder.decoder.shift', [6]],
    ]);
    expect(quantizer.parts[0]).toMatchObject({ name: 'codes', shape: [3] });
    expect(quantizer.decode(quantizer.encode(rows))).toHaveLength(rows.length);
  });

  it('takes rows that are all equal', () => {
    const rows = new Float32Array(600).fill(0.3);
    const quantizer = trainQuantizer(resolveChain({ scheme: 'autoencoder', steps: 2 }), { columns: 6, rows, seed: 0 });
    expect(quantizer.decode(quantizer.encode(rows))).toEqual(rows);
  });

  it('refuses options and samples that it cannot use', () => {
    const failure = (code: string): unknown => expect.objectContaining({ code });
    const sample = { columns: 2, rows: new Float32Array(2 * 99), seed: 0 };
    expect(() => trainQuantizer(resolveChain('autoencoder'), sample)).toThrow(failure('QUANTIZE_SAMPLE'));
    for (const options of [{ components: 0 }, { hidden: 0.5 }, { steps: -1 }]) {
      expect(() => resolveChain({ scheme: 'autoencoder', ...options })).toThrow(failure('BAD_OPTION'));
    }
    expect(resolveChain('autoencoder')).toEqual([
      { scheme: 'autoencoder', options: { components: 'auto', hidden: 'auto', steps: 1000 } },
    ]);
  });
});
