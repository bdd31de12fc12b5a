import { describe, expect, it } from 'vitest';
import { Adam } from '../../../src/quantization/training/adam.ts';
import { type Autoencoder, errorOf, gradientsOf } from '../../../src/quantization/training/residualAutoencoder.ts';
import { type Matrix, matrix, Products } from '../../../src/quantization/vectors/products.ts';
import { normalRows } from '../random.ts';

const normal = (seed: number, rows: number, columns: number): Matrix =>
  matrix(rows, columns, normalRows(seed, rows, columns));

/** Of five columns, two components, and three and four hidden units. */
const model: Autoencoder = {
  encoder: { skip: normal(1, 2, 5), hidden: normal(2, 3, 5), bias: normal(3, 1, 3), out: normal(4, 2, 3) },
  decoder: { skip: normal(5, 5, 2), hidden: normal(6, 4, 2), bias: normal(7, 1, 4), out: normal(8, 5, 4) },
  shift: normal(9, 1, 5),
};

describe('gradients of an autoencoder', () => {
  const batch = normal(10, 7, 5);
  const products = new Products();
  const gradients = gradientsOf(model, batch, products);
  const tensors: [string, Matrix, Matrix][] = [
    ...(['encoder', 'decoder'] as const).flatMap((half) =>
      (['skip', 'hidden', 'bias', 'out'] as const).map((name): [string, Matrix, Matrix] => [
        `${half}.${name}`,
        model[half][name],
        gradients[half][name],
      ]),
    ),
    ['shift', model.shift, gradients.shift],
  ];

  it.each(tensors)('are what the error changes by: %s', (_, { values }, { values: derived }) => {
    expect(derived).toHaveLength(values.length);
    for (let i = 0; i < values.length; i++) {
      const before = values[i]!;
      // a power of two, small enough that hardly a hidden unit turns on or off
      const step = 2 ** -9;
      const errors = [before + step, before - step].map((value) => {
        values[i] = value;
        return errorOf(model, batch, products) / batch.values.length;
      });
      values[i] = before;
      const slope = (errors[0]! - errors[1]!) / (2 * step);
      expect(Math.abs(slope - derived[i]!)).toBeLessThan(0.02 * Math.max(1, Math.abs(slope)));
    }
  });
});

describe('Adam', () => {
  it('takes first steps of the rate against the sign of the gradient', () => {
    const values = Float32Array.of(1, 1, 1);
    new Adam(values).step(Float32Array.of(5, -0.001, 0), 0.125);
    expect(values[0]).toBeCloseTo(0.875, 6);
    // the smallest one is not quite as sure: 1e-8 is added to its magnitude
    expect(values[1]).toBeCloseTo(1.125, 4);
    expect(values[2]).toBe(1);
  });

  it('finds the bottom of a bowl', () => {
    const values = Float32Array.of(3, -2);
    const adam = new Adam(values);
    for (let step = 0; step < 400; step++) {
      adam.step(Float32Array.of(2 * (values[0]! - 1), 20 * (values[1]! - 0.5)), 0.1 * (1 - step / 400));
    }
    expect(values[0]).toBeCloseTo(1, 3);
    expect(values[1]).toBeCloseTo(0.5, 3);
  });
});
