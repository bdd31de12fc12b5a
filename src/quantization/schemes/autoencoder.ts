import { SluiceError } from '../../errors.ts';
import { powerBelow } from '../../kernels/rounding.ts';
import { requireOptions } from '../../knownOptions.ts';
import { once } from '../once.ts';
import { componentsOf, countOrAuto, wholeNumber } from '../options.ts';
import { type TrainedTensor, type TrainingSample, transformScheme } from '../scheme.ts';
import { principalAxes } from '../training/principal.ts';
import { Random } from '../training/random.ts';
import { type Half, trainAutoencoder } from '../training/residualAutoencoder.ts';
import { matrix } from '../vectors/products.ts';
import { type Branch, ResidualMap } from '../vectors/residualMap.ts';

export interface AutoencoderOptions {
  /** Numbers that a row becomes, at most its columns. Default: `auto`, half of them, rounded up. */
  readonly components?: number | 'auto' | undefined;
  /** Hidden units of the encoder, and of the decoder. Default: `auto`, twice the components. */
  readonly hidden?: number | 'auto' | undefined;
  /** Of training, with 256 rows each. Default: 1000. */
  readonly steps?: number | undefined;
}

type Resolved = {
  readonly components: number | 'auto';
  readonly hidden: number | 'auto';
  readonly steps: number;
};

const LEAST_ROWS = 100;
const MOST_HIDDEN = 1 << 16;
const MOST_STEPS = 1_000_000;

/**
 * A small autoencoder: principal components, and beside them on either way a layer of hidden units with `relu`, trained on
 * what components alone lose: docs/quantization/learned.md. On a tenth of the sample that it is not trained on it is never
 * worse than they.
 */
export const autoencoder = transformScheme<Resolved>({
  name: 'autoencoder',
  shorthand: 'components',
  usesMoments: true,
  resolve(given: AutoencoderOptions) {
    requireOptions('autoencoder', given, { components: true, hidden: true, steps: true });
    const { components, hidden, steps = 1000 } = given;
    return {
      components: countOrAuto('autoencoder', 'components', components),
      hidden: countOrAuto('autoencoder', 'hidden', hidden, MOST_HIDDEN),
      steps: wholeNumber('autoencoder', 'steps', steps, 1, MOST_STEPS),
    };
  },
  tensors: tensorsOf,
  train(options, sample) {
    const values = trained(options, sample);
    return tensorsOf(options, sample.columns).map((tensor, i) => ({
      ...tensor,
      values: values[i] ?? new Float32Array(),
    }));
  },
  open({ components }, columns, tensors) {
    const kept = componentsOf('autoencoder', components, columns);
    const named = new Map(tensors.map(({ name, values }) => [name, values]));
    const of = (name: string): Float32Array => named.get(name) ?? new Float32Array();
    const branch = (half: string): Branch => ({
      hidden: of(`${half}.hidden`),
      bias: of(`${half}.bias`),
      out: of(`${half}.out`),
    });
    const encoder = once(
      () => new ResidualMap({ matrix: of('encoder.skip'), centre: of('mean'), branch: branch('encoder') }, columns),
    );
    const decoder = once(
      () =>
        new ResidualMap({ matrix: of('decoder.skip'), shift: of('decoder.shift'), branch: branch('decoder') }, kept),
    );
    return {
      outputs: kept,
      forward: (rows) => encoder().apply(rows),
      backward: (rows) => decoder().apply(rows),
    };
  },
});

function tensorsOf({ components, hidden }: Resolved, columns: number): Pick<TrainedTensor, 'name' | 'shape'>[] {
  const kept = componentsOf('autoencoder', components, columns);
  const units = unitsOf(hidden, kept);
  return [
    { name: 'mean', shape: [columns] },
    { name: 'encoder.skip', shape: [kept, columns] },
    { name: 'encoder.hidden', shape: [units, columns] },
    { name: 'encoder.bias', shape: [units] },
    { name: 'encoder.out', shape: [kept, units] },
    { name: 'decoder.skip', shape: [columns, kept] },
    { name: 'decoder.hidden', shape: [units, kept] },
    { name: 'decoder.bias', shape: [units] },
    { name: 'decoder.out', shape: [columns, units] },
    { name: 'decoder.shift', shape: [columns] },
  ];
}

const unitsOf = (hidden: number | 'auto', components: number): number => (hidden === 'auto' ? 2 * components : hidden);

/** Values in the order of the tensors. */
function trained({ components, hidden, steps }: Resolved, sample: TrainingSample): Float32Array[] {
  const { columns, rows } = sample;
  const count = rows.length / columns;
  if (count < LEAST_ROWS) {
    throw new SluiceError(`an autoencoder of ${columns} columns, and a sample of ${count} rows`, {
      code: 'QUANTIZE_SAMPLE',
      hint: `give it at least ${LEAST_ROWS} rows, better a hundred times as many as columns; pca does with few`,
    });
  }
  const kept = componentsOf('autoencoder', components, columns);
  const { mean, axes, variances } = principalAxes(sample);
  const scale = powerBelow(Math.sqrt(variances.reduce((sum, value) => sum + value, 0) / columns));
  const [heldBack, learned] = [true, false].map((held) => {
    const some = Array.from({ length: count }, (_, row) => row).filter((row) => (row % 10 === 9) === held);
    const values = new Float32Array(some.length * columns);
    for (const [i, row] of some.entries()) {
      for (let column = 0; column < columns; column++) {
        const centred = Math.fround((rows[row * columns + column] ?? 0) - (mean[column] ?? 0));
        values[i * columns + column] = centred / scale;
      }
    }
    return matrix(some.length, columns, values);
  });
  const empty = matrix(0, columns);
  const start = matrix(kept, columns, axes.slice(0, kept * columns));
  const options = { units: unitsOf(hidden, kept), steps, random: new Random(sample.seed) };
  const { encoder, decoder, shift } = trainAutoencoder(start, learned ?? empty, heldBack ?? empty, options);
  return [
    mean,
    ...rescaled(encoder, scale),
    ...rescaled(decoder, scale),
    shift.values.map((value, i) => value * scale + (mean[i] ?? 0)),
  ];
}

/** A half for numbers that are `scale` times as large; a power of two changes no bits but those of the exponent. */
function rescaled({ skip, hidden, bias, out }: Half, scale: number): Float32Array[] {
  return [skip.values, hidden.values, bias.values.map((value) => value * scale), out.values];
}
