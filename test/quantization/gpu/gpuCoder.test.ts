import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../../src/gpu/index.ts';
import { openGpuCoder } from '../../../src/quantization/gpu/gpuCoder.ts';
import type { GpuCoder } from '../../../src/quantization/gpu/piecewiseCoder.ts';
import {
  openQuantizer,
  type Quantizer,
  resolveChain,
  type SchemeSpec,
  trainQuantizer,
} from '../../../src/quantization/index.ts';
import { normals } from '../../kernels/conformance.ts';
import { testGpu } from '../../support/gpu.ts';

const LARGEST = 3.4028234663852886e38;
const SMALLEST_NORMAL = 2 ** -126;

const specs: readonly SchemeSpec[] = [
  'int8',
  { scheme: 'int8', scales: 'f32' },
  { scheme: 'int8', mode: 'asymmetric', scales: 'f32' },
  { scheme: 'int8', scale: 'column' },
  { scheme: 'int8', scale: 'tensor', mode: 'asymmetric' },
  'int4',
  { scheme: 'int4', block: 16, mode: 'asymmetric', scales: 'f32' },
  { scheme: 'int4', calibrate: 'mse' },
  'ternary',
  { scheme: 'ternary', scales: 'f32' },
  'binary',
  { scheme: 'binary', scales: 'f32' },
  ...[1, 3, 8, 11, 16].map((bits): SchemeSpec => ({ scheme: 'variable', bits })),
  { scheme: 'variable', bits: 7, rounding: 'away', range: 'row' },
  { scheme: 'variable', bits: 12, range: 'minmax' },
  { scheme: 'variable', bits: 5, interval: [0, 5.54] },
  { scheme: 'pq', subquantizers: 1, iterations: 2 },
  { scheme: 'pq', iterations: 2 },
];
const named = specs.map((spec) => [typeof spec === 'string' ? spec : JSON.stringify(spec), spec] as const);

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});
afterAll(() => gpu.close());

const opened = new Map<string, Promise<{ readonly quantizer: Quantizer; readonly coder: GpuCoder }>>();

/** Pieces have three rows, so that there are several at once. */
function coderOf(
  spec: SchemeSpec,
  columns: number,
): Promise<{ readonly quantizer: Quantizer; readonly coder: GpuCoder }> {
  const key = JSON.stringify([spec, columns]);
  const open = async () => {
    const chain = resolveChain(spec);
    const sample = { columns, rows: normals(300 * columns), seed: 1 };
    const { trained } = trainQuantizer(chain, sample);
    const quantizer = openQuantizer(chain, columns, trained);
    const coder = await openGpuCoder(gpu, quantizer, { pieceBytes: 3 * 4 * columns });
    if (coder === undefined) throw new Error(`${key} has no way on a GPU`);
    return { quantizer, coder };
  };
  const known = opened.get(key) ?? open();
  opened.set(key, known);
  return known;
}

type Outcome = readonly Uint8Array[] | { readonly name: string; readonly code: string; readonly message: string };

async function outcomeOf(work: () => unknown): Promise<Outcome> {
  try {
    const found = (await work()) as readonly Uint8Array[] | Float32Array;
    return found instanceof Float32Array ? [new Uint8Array(found.buffer)] : found;
  } catch (error) {
    const { name, code, message } = error as { name: string; code: string; message: string };
    return { name, code, message };
  }
}

/** Encodes and decodes on both; whatever the CPU does, errors too, the GPU does. */
async function expectSame(spec: SchemeSpec, rows: Float32Array, columns: number): Promise<void> {
  const { quantizer, coder } = await coderOf(spec, columns);
  const encoded = await outcomeOf(() => quantizer.encode(rows));
  expect(await outcomeOf(() => coder.encode(rows))).toEqual(encoded);
  if ('code' in encoded) return;
  const decoded = await outcomeOf(() => quantizer.decode(encoded));
  expect(await outcomeOf(() => coder.decode(encoded))).toEqual(decoded);
}

/** Rows of one magnitude each. */
function rowsOf(count: number, columns: number, magnitudes: readonly number[]): Float32Array {
  return normals(count * columns, columns).map((value, i) => {
    const magnitude = magnitudes[Math.floor(i / columns) % magnitudes.length]!;
    return Math.max(-LARGEST, Math.min(LARGEST, value * magnitude));
  });
}

describe.each(named)('%s on a GPU', (_, spec) => {
  it.each([1, 13, 64])('makes the codes and values of the CPU, of rows of %i', async (columns) => {
    await expectSame(spec, rowsOf(10, columns, [1, 0.3, 12]), columns);
    await expectSame(spec, rowsOf(1, columns, [1]), columns);
    await expectSame(spec, new Float32Array(2 * columns), columns);
    await expectSame(spec, new Float32Array(), columns);
  });

  it('makes them of rows of any magnitude, and refuses those that the CPU refuses', async () => {
    for (const magnitude of [2 ** -149, 2 ** -124, 1e-6, 1e4, 1e20, LARGEST]) {
      await expectSame(spec, rowsOf(4, 40, [magnitude]), 40);
    }
  });

  it('makes them of ties, zeros of both signs, subnormal numbers and the largest', async () => {
    // 127 as the largest makes steps of 1, and 1 steps of a number of bits
    const ties = Float32Array.from({ length: 40 }, (_, i) => (i === 0 ? 127 : i - 20 + 0.5));
    await expectSame(spec, ties, 40);
    await expectSame(
      spec,
      ties.map((value) => value / 127),
      40,
    );
    await expectSame(
      spec,
      ties.map((value, i) => (i === 0 ? 7 : (value % 7) + 0.5)),
      40,
    );
    const odd = [0, -0, 2 ** -149, -(2 ** -149), SMALLEST_NORMAL, -SMALLEST_NORMAL, 0.5, -0.5, 1, -1];
    await expectSame(
      spec,
      Float32Array.from({ length: 40 }, (_, i) => odd[i % odd.length]!),
      40,
    );
  });

  it('says of NaN and infinities what the CPU says', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const at of [0, 5 * 33 + 2, 8 * 33 - 1]) {
        const rows = rowsOf(8, 33, [1]);
        rows[at] = bad;
        const { coder } = await coderOf(spec, 33);
        await expectSame(spec, rows, 33);
        await expect(coder.encode(rows)).rejects.toMatchObject({ name: 'SluiceError', code: 'QUANTIZE_VALUE' });
      }
    }
  });

  it('says of parts that are no codes what the CPU says', async () => {
    const { quantizer, coder } = await coderOf(spec, 33);
    const encoded = quantizer.encode(rowsOf(7, 33, [1, 5]));
    for (let seed = 0; seed < 12; seed++) {
      const damaged = encoded.map((bytes) => bytes.slice());
      const part = damaged[seed % damaged.length]!;
      part[(seed * 31) % part.length] = (seed * 97 + 255) & 255;
      const expected = await outcomeOf(() => quantizer.decode(damaged));
      expect(await outcomeOf(() => coder.decode(damaged))).toEqual(expected);
    }
    const short = encoded.map((bytes) => bytes.subarray(1));
    for (const parts of [short, [], encoded.slice(1), [...encoded, new Uint8Array(7)]]) {
      expect(await outcomeOf(() => coder.decode(parts))).toEqual(await outcomeOf(() => quantizer.decode(parts)));
    }
  });
});

describe('any rows', () => {
  it('become the same on a GPU', async () => {
    const rows = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 5, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...specs), rows, async (spec, numbers) => {
        await expectSame(spec, numbers.subarray(0, numbers.length - (numbers.length % 5)), 5);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a coder that is closed', () => {
  it('holds nothing on the device', async () => {
    const chain = resolveChain({ scheme: 'pq', iterations: 1 });
    const { trained } = trainQuantizer(chain, { columns: 8, rows: normals(300 * 8), seed: 1 });
    const { held } = gpu.memory.counts;
    const coder = await openGpuCoder(gpu, openQuantizer(chain, 8, trained));
    expect(gpu.memory.counts.held).toBeGreaterThan(held);
    await coder?.close();
    expect(gpu.memory.counts.held).toBe(held);
  });
});

describe('a device that makes other codes than the CPU', () => {
  it('is refused before anything is encoded', async () => {
    const quantizer = openQuantizer(resolveChain('int8'), 8);
    const encode = (rows: Float32Array) => {
      const [codes, scales] = quantizer.encode(rows);
      codes![5]! ^= 1;
      return [codes!, scales!];
    };
    const decode = (encoded: readonly Uint8Array[]) => quantizer.decode(encoded).map((value) => value * (1 + 2 ** -23));
    for (const changed of [{ encode }, { decode }]) {
      await expect(openGpuCoder(gpu, { ...quantizer, ...changed })).rejects.toMatchObject({
        name: 'DeviceError',
        code: 'DEVICE_WRONG',
        message: expect.stringContaining('makes other codes or values than the CPU: int8'),
      });
    }
  });
});

describe('a piece that fails', () => {
  it('leaves nothing on the device, and work on a device that is lost is refused', async () => {
    const other = await testGpu();
    const coder = await openGpuCoder(other, openQuantizer(resolveChain('int8'), 4), { pieceBytes: 16 });
    await expect(coder?.encode(normals(400).fill(Number.NaN, 7, 8))).rejects.toMatchObject({ code: 'QUANTIZE_VALUE' });
    expect(other.memory.counts.held).toBe(0);
    const encoding = coder?.encode(normals(4000));
    other.close();
    await expect(encoding).rejects.toMatchObject({ name: 'DeviceError', code: 'DEVICE_LOST' });
    await expect(coder?.encode(normals(4))).rejects.toMatchObject({ name: 'DeviceError', code: 'DEVICE_LOST' });
  });
});

describe('chains that have no way on a GPU', () => {
  it('are left to the CPU', async () => {
    const chain = resolveChain([{ scheme: 'pca', components: 2 }, 'int8']);
    const quantizer = trainQuantizer(chain, { columns: 4, rows: normals(400), seed: 1 });
    expect(await openGpuCoder(gpu, quantizer)).toBeUndefined();
  });
});
