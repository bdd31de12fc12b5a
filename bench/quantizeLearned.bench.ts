import { resolveChain, type SchemeSpec, trainQuantizer } from '../src/quantization/index.ts';
import type { TrainedTensor } from '../src/quantization/scheme.ts';
import { kMeans } from '../src/quantization/training/kMeans.ts';
import { Moments } from '../src/quantization/training/moments.ts';
import { normalRows } from '../test/quantization/random.ts';
import type { Bench, Measure } from './harness.ts';

/** Widths of the embedded model and of the released one. */
const WIDTHS = [128, 768] as const;
const ROWS = 2048;
/** Of them, for the plain loops. */
const FEW = 64;

/**
 * Schemes that learn, on one thread: rows a second and billions of operations a second of encoding and decoding, against the
 * same in plain loops over `Float32Array`; what moments of all rows cost; and how long training takes. Rows are random
 * numbers with falling variances: speed does not depend on what they are.
 */
export default async function quantizeLearned(bench: Bench): Promise<void> {
  for (const columns of WIDTHS) {
    const rows = normalRows(1, ROWS, columns).map((x, at) => x / (1 + (at % columns)));
    await productQuantization(bench, columns, rows);
    await transforms(bench, columns, rows);
    await gathering(bench, columns, rows);
    training(bench, columns);
  }
}

/** Rows a second, and operations a second where one takes `work` of them. */
const measures = (work: number): ((count: number) => Measure)[] =>
  [
    ['rows/s', 1],
    ['GFLOP/s', work / 1e9],
  ].map(([unit, factor]) => (count) => ({
    unit: String(unit),
    of: (seconds) => (count * Number(factor)) / seconds,
  }));

async function productQuantization(bench: Bench, columns: number, rows: Float32Array): Promise<void> {
  const quantizer = trainQuantizer(resolveChain({ scheme: 'pq', iterations: 1 }), { columns, rows, seed: 0 });
  const codebooks = valuesOf(quantizer.trained, 'pq.codebooks');
  const dims = 8;
  const few = rows.subarray(0, FEW * columns);
  const encoded = quantizer.encode(rows);
  const [codes = new Uint8Array()] = encoded;
  // a difference, a square and a sum for each number of each centroid
  for (const measure of measures(3 * 256 * columns)) {
    await bench.compare({
      case: `pq of ${columns}: encode`,
      measure: measure(ROWS),
      run: () => quantizer.encode(rows),
      peer: { name: 'plain loops', measure: measure(FEW), run: () => plainCodes(few, codebooks, columns, dims) },
    });
  }
  await bench.compare({
    case: `pq of ${columns}: decode`,
    measure: { unit: 'rows/s', of: (seconds) => (20 * ROWS) / seconds },
    run: () => repeat(20, () => quantizer.decode(encoded)),
    peer: {
      name: 'copies of parts',
      run: () => repeat(20, () => plainRows(codes, codebooks, columns / dims, dims)),
    },
  });
}

async function transforms(bench: Bench, columns: number, rows: Float32Array): Promise<void> {
  const few = rows.subarray(0, FEW * columns);
  const specs: [SchemeSpec, (tensors: readonly TrainedTensor[]) => [Float32Array, number][], number][] = [
    ['pca', (tensors) => [[valuesOf(tensors, 'pca.components'), columns]], columns * columns],
    [
      { scheme: 'autoencoder', steps: 1 },
      (tensors) => [
        [valuesOf(tensors, 'autoencoder.encoder.skip'), columns],
        [valuesOf(tensors, 'autoencoder.encoder.hidden'), columns],
        [valuesOf(tensors, 'autoencoder.encoder.out'), columns],
      ],
      4 * columns * columns,
    ],
  ];
  for (const [spec, matricesOf, work] of specs) {
    const quantizer = trainQuantizer(resolveChain(spec), { columns, rows, seed: 0 });
    const [name] = quantizer.chain.map(({ scheme }) => scheme);
    const matrices = matricesOf(quantizer.trained);
    const encoded = quantizer.encode(rows);
    for (const [direction, run] of [
      ['encode', () => quantizer.encode(rows)],
      ['decode', () => quantizer.decode(encoded)],
    ] as const) {
      for (const measure of measures(work)) {
        await bench.compare({
          case: `${name} of ${columns}: ${direction}`,
          measure: measure(ROWS),
          run: () => run(),
          peer: {
            name: 'plain loops',
            measure: measure(FEW),
            // either way takes as many products
            run: () => matrices.map(([matrix, inputs]) => plainProduct(few, matrix, inputs)),
          },
        });
      }
    }
  }
}

async function gathering(bench: Bench, columns: number, rows: Float32Array): Promise<void> {
  const few = rows.subarray(0, FEW * columns);
  for (const measure of measures(columns * (columns + 1))) {
    await bench.compare({
      case: `moments of ${columns}`,
      measure: measure(ROWS),
      run: () => new Moments(columns).add(rows),
      peer: { name: 'plain loops', measure: measure(FEW), run: () => plainProducts(few, columns) },
    });
  }
}

/** Seconds of processor time, of one training each. */
function training(bench: Bench, columns: number): void {
  const count = columns === 128 ? 16_384 : 4096;
  const rows = normalRows(2, count, columns).map((x, at) => x / (1 + (at % columns)));
  const steps = columns === 128 ? 1000 : 20;
  const cases: [string, () => unknown][] = [
    [`pq of ${columns}, ${count} rows, 25 rounds`, () => train('pq', columns, rows)],
    [
      `k-means of 8 columns, ${count} rows, 25 rounds`,
      () => kMeans(rows.subarray(0, 8 * count), 8, { centroids: 256, iterations: 25, seed: 0 }),
    ],
    [`pca of ${columns}, ${count} rows`, () => train('pca', columns, rows)],
    [
      `autoencoder of ${columns}, ${count} rows, ${steps} steps`,
      () => train({ scheme: 'autoencoder', steps }, columns, rows),
    ],
  ];
  for (const [name, run] of cases) {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    bench.report({ case: `training ${name}`, value: (user + system) / 1e6, unit: 's' });
  }
}

function train(spec: SchemeSpec, columns: number, rows: Float32Array): void {
  trainQuantizer(resolveChain(spec), { columns, rows, seed: 0 });
}

function valuesOf(tensors: readonly TrainedTensor[], name: string): Float32Array {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found.values;
}

function repeat(times: number, run: () => unknown): void {
  for (let i = 0; i < times; i++) run();
}

function plainCodes(rows: Float32Array, codebooks: Float32Array, columns: number, dims: number): Uint8Array {
  const books = columns / dims;
  const codes = new Uint8Array(rows.length / dims);
  for (let i = 0; i < codes.length; i++) {
    let least = Number.POSITIVE_INFINITY;
    for (let c = 0, at = (i % books) * 256 * dims; c < 256; c++) {
      let distance = 0;
      for (let d = 0; d < dims; d++, at++) {
        const difference = (rows[i * dims + d] ?? 0) - (codebooks[at] ?? 0);
        distance += difference * difference;
      }
      if (distance < least) {
        least = distance;
        codes[i] = c;
      }
    }
  }
  return codes;
}

function plainRows(codes: Uint8Array, codebooks: Float32Array, books: number, dims: number): Float32Array {
  const rows = new Float32Array(codes.length * dims);
  for (let i = 0; i < codes.length; i++) {
    const from = ((i % books) * 256 + (codes[i] ?? 0)) * dims;
    rows.set(codebooks.subarray(from, from + dims), i * dims);
  }
  return rows;
}

function plainProduct(rows: Float32Array, matrix: Float32Array, columns: number): Float32Array {
  const [count, outputs] = [rows.length / columns, matrix.length / columns];
  const out = new Float32Array(count * outputs);
  for (let row = 0; row < count; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += (rows[row * columns + i] ?? 0) * (matrix[output * columns + i] ?? 0);
      out[row * outputs + output] = sum;
    }
  }
  return out;
}

/** Sums of products of all pairs of columns. */
function plainProducts(rows: Float32Array, columns: number): Float64Array {
  const sums = new Float64Array(columns * columns);
  for (let from = 0; from < rows.length; from += columns) {
    for (let i = 0; i < columns; i++) {
      const factor = rows[from + i] ?? 0;
      for (let j = i; j < columns; j++) {
        sums[i * columns + j] = (sums[i * columns + j] ?? 0) + factor * (rows[from + j] ?? 0);
      }
    }
  }
  return sums;
}
