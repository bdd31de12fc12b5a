import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/index.ts';
import { valuesOfCodes } from '../../src/kernels/decodeCodes/cpu.ts';
import { packedBits, packedTrits } from '../../src/kernels/encodeCodes/cpu.ts';
import { decodeCodes, decodeTrits } from '../../src/kernels/index.ts';
import { runKernel } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';
import { conforms, normals } from './conformance.ts';

const SCALES = [1, 0, 2 ** -125, 0.1, 3 * 2 ** 90, 1 / 127];

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly block?: number;
  readonly row_groups?: number;
  readonly bits: number;
  readonly low: number;
  readonly high: number;
  readonly bias: number;
  readonly zeros?: boolean;
  readonly divisor?: number;
  readonly middle?: number;
}

/** Codes that take every value from the lowest to the highest. */
function given(shape: Shape, rowBytes: number) {
  const { rows, columns, block = columns, low, high, bias, divisor, middle = 0 } = shape;
  const row_groups = shape.row_groups ?? Math.ceil(columns / block);
  const groups = row_groups === 0 ? Math.ceil(columns / block) : rows * row_groups;
  const all = high - low + 1;
  const codes = Int32Array.from({ length: rows * columns }, (_, i) => low + ((i * 7919) % all));
  const scales = Float32Array.from({ length: groups }, (_, i) => {
    // quotients of 16 bits times the smallest scale are no normal numbers
    return divisor === undefined ? SCALES[i % SCALES.length]! : Math.abs(normals(groups)[i]!);
  });
  const zeros = shape.zeros ? Int32Array.from({ length: groups }, (_, i) => low + ((5 * i) % all)) : undefined;
  const quotient = divisor === undefined ? undefined : (code: number): number => code / divisor;
  const values = valuesOfCodes(codes, scales, zeros, { columns, block, row_groups, middle }, quotient);
  return {
    name: Object.entries(shape).join(' '),
    stored: codes.map((code) => code + bias),
    sizes: {
      ...{ rows, columns, block, row_groups, row_bytes: rowBytes, middle, nothing: 0, mask: 2 ** shape.bits - 1 },
      ...{ low: low >>> 0, high: high >>> 0, bias: bias >>> 0, shifted: zeros === undefined ? 0 : 1 },
      ...{ tabled: divisor === undefined ? 0 : 1, moved: divisor === undefined ? 0 : 1 },
    },
    buffers: {
      scales,
      zeros: zeros ?? new Int32Array(1),
      table: Float32Array.from({ length: all }, (_, i) => (divisor === undefined ? 0 : (low + i) / divisor)),
      values: new Float32Array(values.length).fill(Number.NaN),
      faults: new Uint32Array(1),
    },
    expected: { values: { values }, faults: { values: [0] } },
  };
}

conforms(
  decodeCodes,
  [
    { rows: 9, columns: 64, bits: 8, low: -127, high: 127, bias: 0 },
    { rows: 9, columns: 13, bits: 8, low: -128, high: 127, bias: 0, zeros: true },
    { rows: 9, columns: 13, bits: 8, low: -127, high: 127, bias: 0, block: 1, row_groups: 0 },
    { rows: 9, columns: 12, bits: 8, low: -128, high: 127, bias: 0, row_groups: 0, zeros: true },
    { rows: 7, columns: 70, bits: 4, low: -7, high: 7, bias: 8, block: 32 },
    { rows: 7, columns: 64, bits: 4, low: 0, high: 15, bias: 0, block: 16, zeros: true },
    ...Array.from({ length: 15 }, (_, i) => {
      const levels = 2 ** (i + 1) - 1;
      return { rows: 5, columns: 13, bits: i + 2, low: -levels, high: levels, bias: levels, divisor: levels };
    }),
    { rows: 5, columns: 128, bits: 11, low: -1023, high: 1023, bias: 1023, divisor: 1023, middle: Math.fround(2.77) },
    { rows: 11, columns: 77, bits: 1, low: 0, high: 1, bias: 0 },
  ].map((shape: Shape) => {
    const { columns, bits } = shape;
    const rowBytes = Math.ceil((columns * bits) / 8);
    const { stored, sizes, buffers, ...rest } = given(shape, rowBytes);
    const codes = packedBits(stored, columns, bits, rowBytes);
    return { ...rest, sizes: { ...sizes, bits }, buffers: { codes, ...buffers } };
  }),
);

conforms(
  decodeTrits,
  [
    [9, 64],
    [11, 13],
    [1, 1],
    [4, 260],
  ].map(([rows = 0, columns = 0]) => {
    const shape = { rows, columns, bits: 2, low: -1, high: 1, bias: 1 };
    const { stored, buffers, ...rest } = given(shape, Math.ceil(columns / 5));
    return { ...rest, buffers: { codes: packedTrits(stored, columns), ...buffers } };
  }),
);

describe('what is no code', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await testGpu();
  });
  afterAll(() => gpu.close());

  const faultsOf = async (shape: Shape, change: (bytes: Uint8Array) => void): Promise<number> => {
    const { columns, bits } = shape;
    const rowBytes = Math.ceil((columns * bits) / 8);
    const { stored, sizes, buffers } = given(shape, rowBytes);
    const codes = packedBits(stored, columns, bits, rowBytes);
    change(new Uint8Array(codes.buffer));
    const { faults } = await runKernel(gpu, decodeCodes, { ...sizes, bits }, { codes, ...buffers });
    return faults[0]!;
  };

  it('is a fault, and so is what fills a row up', async () => {
    const int8 = { rows: 3, columns: 7, bits: 8, low: -127, high: 127, bias: 0 };
    expect(await faultsOf(int8, (bytes) => bytes.set([0x81], 16))).toBe(0);
    expect(await faultsOf(int8, (bytes) => bytes.set([0x80], 16))).toBe(1);
    const int4 = { rows: 3, columns: 7, bits: 4, low: -7, high: 7, bias: 8 };
    expect(await faultsOf(int4, (bytes) => bytes.set([0x0f], 11))).toBe(0);
    expect(await faultsOf(int4, (bytes) => bytes.set([0x1f], 11))).toBe(1);
    expect(await faultsOf(int4, (bytes) => bytes.set([0x70], 4))).toBe(1);
  });

  it.each([
    ['a byte above 242', 243],
    ['more digits than a row has left', 9],
  ])('is a fault: %s', async (_, byte) => {
    const shape = { rows: 2, columns: 7, bits: 2, low: -1, high: 1, bias: 1 };
    const { stored, sizes, buffers } = given(shape, 2);
    const codes = packedTrits(stored, 7);
    const good = await runKernel(gpu, decodeTrits, sizes, { codes, ...buffers });
    expect(good.faults[0]).toBe(0);
    new Uint8Array(codes.buffer)[3] = byte;
    const bad = await runKernel(gpu, decodeTrits, sizes, { codes, ...buffers });
    expect(bad.faults[0]).toBe(1);
  });
});
