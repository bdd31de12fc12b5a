import { describeVariant, Gpu } from '../src/gpu/index.ts';
import { openGpuCoder } from '../src/quantization/gpu/gpuCoder.ts';
import type { GpuCoder } from '../src/quantization/gpu/piecewiseCoder.ts';
import {
  openQuantizer,
  type Quantizer,
  resolveChain,
  type SchemeSpec,
  trainQuantizer,
} from '../src/quantization/index.ts';
import { copy } from './elementary/elementwise.ts';
import { benchAdapter } from './gpu/benchAdapter.ts';
import { Ceiling } from './gpu/ceilings.ts';
import { normals } from './gpu/contents.ts';
import { type Bench, type Measure, time } from './harness.ts';

const COLUMNS = 256;
const SIZES = [1 << 10, 1 << 16, 1 << 20, 1 << 24];
/** Larger ones only where the adapter is hardware. */
const SOFTWARE_MOST = 1 << 16;
/** A run that takes longer is the last of its scheme. */
const SLOW_SECONDS = { hardware: 4, software: 0.4 };
/** Numbers that go to the device and back at once. */
const PIECE = 1 << 21;

const SCHEMES: Readonly<Record<string, SchemeSpec>> = {
  'int8 f32': { scheme: 'int8', scales: 'f32' },
  'int8 asymmetric': { scheme: 'int8', mode: 'asymmetric', scales: 'f32' },
  int4: 'int4',
  'variable 5 bits': { scheme: 'variable', bits: 5 },
  'variable 8 bits': { scheme: 'variable', bits: 8 },
  ternary: { scheme: 'ternary', scales: 'f32' },
  binary: { scheme: 'binary', scales: 'f32' },
  pq: { scheme: 'pq', iterations: 2 },
};

/**
 * Encoding and decoding on a GPU, from this machine's memory to this machine's memory, in GB/s of float32 rows of 256: against
 * the CPU's own path, in turns, medians of 9 rounds on the wall. `copy through the device` is the same bytes uploaded, copied
 * there, and brought back: the ceiling of all of them. `copy` is the device's own, in its memory; what kernels make of that is
 * in `kernels`. `SLUICE_ADAPTER` is a part of an adapter's name.
 */
export default async function quantizeGpu(bench: Bench): Promise<void> {
  const gpu = await Gpu.open({ adapter: await benchAdapter() });
  console.error(`${gpu.info.name}: ${describeVariant(gpu.variant)}`);
  const { software } = gpu.variant;
  const sizes = SIZES.filter((count) => !software || count <= SOFTWARE_MOST);
  const through = new Map<number, number>();
  for (const count of sizes) through.set(count, await copyThrough(bench, gpu, count));
  for (const [name, spec] of Object.entries(SCHEMES)) {
    const chain = resolveChain(spec);
    const sample = { columns: COLUMNS, rows: rowsOf(2048 * COLUMNS), seed: 1 };
    const quantizer = openQuantizer(chain, COLUMNS, trainQuantizer(chain, sample).trained);
    const coder = await openGpuCoder(gpu, quantizer);
    if (coder === undefined) throw new Error(`${name} has no way on a GPU`);
    for (const count of sizes) {
      const seconds = await compare(bench, name, quantizer, coder, count, through.get(count) ?? 0);
      if (seconds > SLOW_SECONDS[software ? 'software' : 'hardware']) break;
    }
  }
  const ceiling = await Ceiling.copy(gpu);
  bench.report({ case: 'quantizeGpu: copy', value: ceiling.best / 1e9, unit: ceiling.unit });
  gpu.close();
}

/** Returns the seconds of one encoding on the device. */
async function compare(
  bench: Bench,
  name: string,
  quantizer: Quantizer,
  coder: GpuCoder,
  count: number,
  ceiling: number,
): Promise<number> {
  const rows = rowsOf(count);
  const encoded = quantizer.encode(rows);
  const seconds = await time(() => coder.encode(rows), 'wall');
  const rounds = { clock: 'wall', statistic: 'median', warmUp: 1, ceiling } as const;
  await bench.compare({
    case: `quantizeGpu ${name} encode ${sizeOf(count)}`,
    measure: floats(count),
    run: () => coder.encode(rows),
    peer: { name: 'CPU', run: () => quantizer.encode(rows) },
    ...rounds,
  });
  await bench.compare({
    case: `quantizeGpu ${name} decode ${sizeOf(count)}`,
    measure: floats(count),
    run: () => coder.decode(encoded),
    peer: { name: 'CPU', run: () => quantizer.decode(encoded) },
    ...rounds,
  });
  return seconds;
}

/** Bytes of rows, each once. */
const floats = (count: number): Measure => ({ unit: 'GB/s', of: (seconds) => (4 * count) / seconds / 1e9 });

const sizeOf = (count: number): string => (count < 1 << 20 ? `${count >> 10}K` : `${count >> 20}M`);

/** Uploads, copies and reads back, a piece after the other, the next one being on its way. */
async function copyThrough(bench: Bench, gpu: Gpu, count: number): Promise<number> {
  const rows = rowsOf(count);
  const pieces = Array.from({ length: Math.ceil(count / PIECE) }, (_, i) => rows.subarray(i * PIECE, (i + 1) * PIECE));
  const piece = async (values: Float32Array): Promise<ArrayBuffer> => {
    const { byteLength: bytes, byteOffset, length } = values;
    const [x, y] = [gpu.memory.take(bytes, 'x'), gpu.memory.take(bytes, 'y')];
    try {
      await gpu.uploads.write(x.buffer, 0, new Uint8Array(values.buffer, byteOffset, bytes));
      const sizes = { count: length, scalar: 0 };
      const reading = await gpu.readbacks.begin(bytes);
      const commands = gpu.commands();
      commands.dispatch(await gpu.programs.get(copy, sizes), { x, y }, sizes);
      commands.read(reading, 0, y, 0, bytes);
      await gpu.submitRead(commands, reading);
      return await reading.finish();
    } finally {
      x.free();
      y.free();
    }
  };
  const { value } = await bench.compare({
    case: `quantizeGpu copy through the device ${sizeOf(count)}`,
    measure: floats(count),
    run: () => Promise.all(pieces.map(piece)),
    clock: 'wall',
    statistic: 'median',
    warmUp: 1,
  });
  return value;
}

function rowsOf(count: number): Float32Array {
  const all = normals();
  const rows = new Float32Array(count);
  for (let at = 0; at < count; at += all.length) rows.set(all.subarray(0, count - at), at);
  return rows;
}
