import { type Matrix, matrix, Products, transpose } from '../vectors/products.ts';
import { Adam } from './adam.ts';
import type { Random } from './random.ts';

/** `skip x + out relu(hidden x + bias)`. */
export interface Half {
  /** [outputs, inputs]. */
  readonly skip: Matrix;
  /** [units, inputs]. */
  readonly hidden: Matrix;
  /** [1, units]. */
  readonly bias: Matrix;
  /** [outputs, units]. */
  readonly out: Matrix;
}

/** An encoder, a decoder, and what is added to what that gives. */
export interface Autoencoder {
  readonly encoder: Half;
  readonly decoder: Half;
  /** [1, columns]. */
  readonly shift: Matrix;
}

export interface AutoencoderOptions {
  readonly units: number;
  readonly steps: number;
  readonly random: Random;
}

const BATCH = 256;
/** Of the first step; it falls to zero in a straight line. */
const RATE = 1e-3;
/** Steps between two looks at the rows that are held back. */
const LOOK = 50;

/** What a half has made of rows, for the way back. */
interface Passed {
  readonly given: Matrix;
  readonly units: Matrix;
  readonly result: Matrix;
}

/**
 * Trains an autoencoder that starts as the linear one with the given axes, and returns it as it was when the mean squared
 * error of the rows that are held back was least: at the latest look at which it fell, or at the start. The loss of a step
 * is the mean squared error of 256 rows, drawn without repetition until all were there.
 *
 * @param axes orthonormal rows [components, columns]
 * @param rows [n, columns], centred, of a mean variance of about 1
 * @param heldBack rows of the same kind
 */
export function trainAutoencoder(
  axes: Matrix,
  rows: Matrix,
  heldBack: Matrix,
  options: AutoencoderOptions,
): Autoencoder {
  const { units, steps, random } = options;
  const products = new Products();
  const model: Autoencoder = {
    encoder: startingHalf(axes, units, random),
    decoder: startingHalf(transpose(axes), units, random),
    shift: matrix(1, axes.columns),
  };
  const tensors = tensorsOf(model);
  const optimizers = tensors.map(({ values }) => new Adam(values));
  let best = tensors.map(({ values }) => values.slice());
  let least = errorOf(model, heldBack, products);
  const batches = new Batches(rows, random);
  for (let step = 1; step <= steps; step++) {
    const gradients = tensorsOf(gradientsOf(model, batches.next(), products));
    const rate = RATE * (1 - (step - 1) / steps);
    for (const [i, optimizer] of optimizers.entries()) optimizer.step(gradients[i]?.values ?? new Float32Array(), rate);
    if (step % LOOK !== 0 && step !== steps) continue;
    const error = errorOf(model, heldBack, products);
    if (!(error < least)) continue;
    least = error;
    best = tensors.map(({ values }) => values.slice());
  }
  for (const [i, { values }] of tensors.entries()) values.set(best[i] ?? []);
  return model;
}

/** The branch gives zero at first: its last matrix is zero, the other one random, of the size of He's uniform start. */
function startingHalf(skip: Matrix, units: number, random: Random): Half {
  const inputs = skip.columns;
  const most = Math.sqrt(6 / inputs);
  const hidden = Float32Array.from({ length: units * inputs }, () => (2 * random.fraction() - 1) * most);
  return {
    skip: matrix(skip.rows, inputs, skip.values.slice()),
    hidden: matrix(units, inputs, hidden),
    bias: matrix(1, units),
    out: matrix(skip.rows, units),
  };
}

function tensorsOf({ encoder, decoder, shift }: Autoencoder): Matrix[] {
  return [...[encoder, decoder].flatMap(({ skip, hidden, bias, out }) => [skip, hidden, bias, out]), shift];
}

/** Rows in random order, all of them before one comes again. */
class Batches {
  readonly #rows: Matrix;
  readonly #random: Random;
  readonly #order: Uint32Array;
  #used: number;

  constructor(rows: Matrix, random: Random) {
    this.#rows = rows;
    this.#random = random;
    this.#order = Uint32Array.from({ length: rows.rows }, (_, i) => i);
    this.#used = rows.rows;
  }

  next(): Matrix {
    const { rows, columns, values } = this.#rows;
    const size = Math.min(BATCH, rows);
    if (this.#used + size > rows) {
      this.#random.shuffle(this.#order);
      this.#used = 0;
    }
    const batch = matrix(size, columns);
    for (let i = 0; i < size; i++) {
      const from = (this.#order[this.#used + i] ?? 0) * columns;
      batch.values.set(values.subarray(from, from + columns), i * columns);
    }
    this.#used += size;
    return batch;
  }
}

function pass({ skip, hidden, bias, out }: Half, given: Matrix, products: Products): Passed {
  const units = products.ofRows(given, hidden);
  addRow(units, bias);
  for (let i = 0; i < units.values.length; i++) units.values[i] = Math.max(0, units.values[i] ?? 0);
  const result = products.ofRows(given, skip);
  add(result, products.ofRows(units, out));
  return { given, units, result };
}

/** Sum of squared errors over all rows, in float64. */
export function errorOf({ encoder, decoder, shift }: Autoencoder, rows: Matrix, products: Products): number {
  let sum = 0;
  for (let first = 0; first < rows.rows; first += BATCH) {
    const values = rows.values.slice(first * rows.columns, (first + BATCH) * rows.columns);
    const some = matrix(values.length / rows.columns, rows.columns, values);
    const { result } = pass(decoder, pass(encoder, some, products).result, products);
    addRow(result, shift);
    for (let i = 0; i < values.length; i++) {
      const error = (result.values[i] ?? 0) - (values[i] ?? 0);
      sum += error * error;
    }
  }
  return sum;
}

/** Gradients of the mean squared error of a batch, of every tensor. */
export function gradientsOf({ encoder, decoder, shift }: Autoencoder, batch: Matrix, products: Products): Autoencoder {
  const coded = pass(encoder, batch, products);
  const decoded = pass(decoder, coded.result, products);
  addRow(decoded.result, shift);
  const factor = 2 / batch.values.length;
  const errors = matrix(batch.rows, batch.columns);
  for (let i = 0; i < errors.values.length; i++) {
    errors.values[i] = ((decoded.result.values[i] ?? 0) - (batch.values[i] ?? 0)) * factor;
  }
  const back = backward(decoder, decoded, errors, products);
  const codeGradients = products.ofRows(errors, transpose(decoder.skip));
  add(codeGradients, products.ofRows(back.units, transpose(decoder.hidden)));
  return {
    encoder: backward(encoder, coded, codeGradients, products).gradients,
    decoder: back.gradients,
    shift: sumOfRows(errors),
  };
}

/** Gradients of a half's tensors, and of its hidden units before `relu`. */
function backward(half: Half, passed: Passed, errors: Matrix, products: Products): { gradients: Half; units: Matrix } {
  const units = products.ofRows(errors, transpose(half.out));
  for (let i = 0; i < units.values.length; i++) if ((passed.units.values[i] ?? 0) <= 0) units.values[i] = 0;
  const [errorColumns, unitColumns, givenColumns] = [transpose(errors), transpose(units), transpose(passed.given)];
  const gradients = {
    skip: products.ofRows(errorColumns, givenColumns),
    hidden: products.ofRows(unitColumns, givenColumns),
    bias: sumOfRows(units),
    out: products.ofRows(errorColumns, transpose(passed.units)),
  };
  return { gradients, units };
}

function add(target: Matrix, other: Matrix): void {
  for (let i = 0; i < target.values.length; i++) target.values[i] = (target.values[i] ?? 0) + (other.values[i] ?? 0);
}

function addRow({ rows, columns, values }: Matrix, row: Matrix): void {
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < columns; i++) values[r * columns + i] = (values[r * columns + i] ?? 0) + (row.values[i] ?? 0);
  }
}

function sumOfRows({ rows, columns, values }: Matrix): Matrix {
  const sums = new Float64Array(columns);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < columns; i++) sums[i] = (sums[i] ?? 0) + (values[r * columns + i] ?? 0);
  }
  return matrix(1, columns, Float32Array.from(sums));
}
