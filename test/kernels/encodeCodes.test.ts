import { packedBits, packedTrits, storedNumbers } from '../../src/kernels/encodeCodes/cpu.ts';
import { encodeCodes, encodeSigns, encodeTrits } from '../../src/kernels/index.ts';
import { conforms, normals } from './conformance.ts';

const ALL_BITS = Array.from({ length: 16 }, (_, i) => i + 1);
const LARGEST = 3.4028234663852886e38;
const SMALLEST_NORMAL = 2 ** -126;
/** Inverses from one that is subnormal, of the largest magnitude, to the largest that there is. */
const INVERSES = [
  2 ** -128 * 1.7,
  2 ** -126,
  127 / LARGEST,
  1,
  3,
  127 / 2.5,
  32_767,
  2 ** 60,
  2 ** 124 * 1.9,
  2 ** 125,
];

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

/** Numbers around what an inverse makes ties of, beyond the range, subnormal, zero, and the largest. */
function trying(count: number, inverseAt: (i: number) => number): Float32Array {
  const near = normals(count, count);
  return near
    .map((value, i) => {
      const inverse = inverseAt(i);
      switch (i % 11) {
        case 0:
          return (Math.round(10 * value) + 0.5) / inverse;
        case 1:
          return (Math.round(10 * value) + 0.4999999) / inverse;
        case 2:
          return value * SMALLEST_NORMAL;
        case 3:
          return value > 0 ? 0 : -0;
        case 4:
          return value > 0 ? LARGEST : -LARGEST;
        case 5:
          return (40_000 * value) / inverse;
        case 6:
          return value > 0 ? 2 ** -149 : SMALLEST_NORMAL * (1 - 2 ** -23);
        default:
          return (100 * value) / inverse;
      }
    })
    .map((value) => Math.max(-LARGEST, Math.min(LARGEST, value)));
}

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly block?: number;
  /** Groups that a row has of its own. Default: its blocks. */
  readonly row_groups?: number;
  readonly bits: number;
  readonly low?: number;
  readonly high?: number;
  readonly bias?: number;
  readonly zeros?: boolean;
  readonly away?: number;
  readonly middle?: number;
}

function given(shape: Shape, rowBytes: number) {
  const { rows, columns, block = columns, bits, away = 0, middle = 0 } = shape;
  const { low = -(2 ** (bits - 1)), high = low + 2 ** bits - 1, bias = 0 } = shape;
  const row_groups = shape.row_groups ?? Math.ceil(columns / block);
  const groups = row_groups === 0 ? Math.ceil(columns / block) : rows * row_groups;
  const inverses = Float32Array.from({ length: groups }, (_, i) => INVERSES[i % INVERSES.length]!);
  const input = trying(rows * columns, (i) => {
    const column = i % columns;
    return inverses[((i - column) / columns) * row_groups + Math.floor(column / block)]!;
  });
  const zeros = Int32Array.from({ length: groups }, (_, i) => ((7 * i) % (high - low + 1)) + low);
  const stored = storedNumbers(input, inverses, shape.zeros ? zeros : undefined, {
    ...{ rows, columns, block, row_groups, low, high, bias, away, middle },
  });
  const words = Math.ceil((rows * rowBytes) / 4);
  return {
    stored,
    name: Object.entries(shape).join(' '),
    sizes: {
      ...{ rows, columns, block, row_groups, row_bytes: rowBytes, words },
      ...{ low: low >>> 0, high: high >>> 0, bias: bias >>> 0, shifted: shape.zeros ? 1 : 0, away, middle },
    },
    buffers: {
      input: bitsOf(input),
      inverses: bitsOf(inverses),
      zeros: shape.zeros ? zeros : new Int32Array(1),
      codes: new Uint32Array(words).fill(0xdeadbeef),
    },
  };
}

conforms(
  encodeCodes,
  [
    // words of one row each, of every number of bits that divides them
    ...[1, 2, 4, 8].map((bits) => ({ rows: 23, columns: 64, bits })),
    { rows: 10, columns: 96, block: 32, bits: 4, bias: 8 },
    { rows: 10, columns: 96, block: 32, bits: 4, low: -7, zeros: true },
    { rows: 12, columns: 40, bits: 8, low: 0, high: 255, zeros: true },
    // rows that share words, and codes that lie across their ends
    ...ALL_BITS.map((bits) => ({ rows: 23, columns: 13, bits, low: bits === 1 ? -1 : 1 - 2 ** (bits - 1) })),
    ...ALL_BITS.map((bits) => ({ rows: 5, columns: 33, block: 8, bits, bias: 2 ** (bits - 1), away: 1 })),
    { rows: 11, columns: 3, bits: 8 },
    { rows: 1, columns: 1, bits: 3 },
    { rows: 30, columns: 1, bits: 5 },
    { rows: 9, columns: 70, block: 32, bits: 4 },
    // one group for each column, and one for all
    { rows: 21, columns: 20, block: 1, row_groups: 0, bits: 8 },
    { rows: 21, columns: 20, row_groups: 0, bits: 8, zeros: true },
    { rows: 21, columns: 20, bits: 8, middle: 0.3, away: 1 },
  ].map((shape: Shape) => {
    const { rows, columns, bits } = shape;
    const rowBytes = Math.ceil((columns * bits) / 8);
    const { stored, sizes, ...rest } = given(shape, rowBytes);
    const packed = packedBits(stored, columns, bits, rowBytes);
    if (packed.length !== sizes.words) throw new Error(`${rows} rows are not packed into ${sizes.words} words`);
    return { ...rest, sizes: { ...sizes, bits }, expected: { codes: { values: packed } } };
  }),
);

conforms(
  encodeTrits,
  [
    { rows: 12, columns: 20, bits: 2 },
    { rows: 23, columns: 13, bits: 2 },
    { rows: 1, columns: 1, bits: 2 },
    { rows: 7, columns: 5, bits: 2 },
    { rows: 3, columns: 260, block: 32, bits: 2, away: 1 },
  ].map((shape) => {
    const { columns } = shape;
    const { stored, ...rest } = given({ ...shape, low: -1, high: 1, bias: 1 }, Math.ceil(columns / 5));
    return { ...rest, expected: { codes: { values: packedTrits(stored, columns) } } };
  }),
);

conforms(
  encodeSigns,
  [
    [9, 64],
    [23, 13],
    [1, 1],
    [5, 32],
    [3, 260],
  ].map(([rows = 0, columns = 0]) => {
    const row_bytes = Math.ceil(columns / 8);
    const input = trying(rows * columns, () => 1);
    input[0] = -SMALLEST_NORMAL;
    input[input.length - 1] = -(2 ** -127);
    const words = Math.ceil((rows * row_bytes) / 4);
    const set = Int32Array.from(input, (value) => (value > -SMALLEST_NORMAL ? 1 : 0));
    return {
      name: `${rows} rows of ${columns}`,
      sizes: { rows, columns, row_bytes, words },
      buffers: { input: bitsOf(input), codes: new Uint32Array(words).fill(0xdeadbeef) },
      expected: { codes: { values: packedBits(set, columns, 1, row_bytes) } },
    };
  }),
);
