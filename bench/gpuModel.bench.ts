import { type Device, defaultModelDir, type EntropyModel, openModel } from 'sluice/model';
import { ModelError } from '../src/errors.ts';
import { Gpu, measureCeilings, profileTable } from '../src/gpu/index.ts';
import { DeviceModel } from '../src/model/devices/deviceModel.ts';
import { modelFolder } from '../test/model/modelFolder.ts';
import { type Bench, median, time } from './harness.ts';
import { computeAll, documentOf, flopOf, RELEASED } from './model/work.ts';

const ROUNDS = 5;
/** A peer that takes longer for one round is not measured. */
const MOST_PEER_SECONDS = 20;
/** Documents, and tokens of each. */
const SHAPES = [
  [1, 512],
  [1, 2048],
  [8, 512],
  [8, 2048],
  [64, 512],
  [32, 2048],
] as const;
const SMALL_SHAPES = [[2, 64]] as const;
const WEIGHTS = ['int8', 'int4', 'ternary'] as const;
const WEIGHTS_SHAPE = [8, 2048] as const;
const MEMORY_BYTES = 16 * 2 ** 30;

/**
 * The entropy model on a GPU, in the released shape with random weights: bytes a second from documents to entropies, against
 * ONNX Runtime's own WebGPU provider on the same weights, medians of 5 rounds in turns; operations a second against the
 * device's own product; packed weights; times of all kernels on stderr. `SLUICE_ADAPTER` is a part of an adapter's name
 * (default: the GPU), `SLUICE_MODEL` a model folder, `small` the embedded model with two short documents.
 */
export default async function gpuModel(bench: Bench): Promise<void> {
  const name = process.env['SLUICE_ADAPTER'];
  const given = process.env['SLUICE_MODEL'];
  const small = given === 'small';
  const dir = small ? defaultModelDir() : (given ?? modelFolder(RELEASED));
  const device: Device = name === undefined || name === 'hardware' ? 'webgpu' : `webgpu:${name}`;
  const ceiling = await product(name);
  bench.report({ case: 'model: product', value: ceiling / 1e9, unit: 'GFLOP/s' });

  const own = await openModel(dir, { device, gpuMemoryBytes: MEMORY_BYTES });
  const peer = await peerModel(dir);
  for (const shape of small ? SMALL_SHAPES : SHAPES) await compare(bench, shape, own, peer, ceiling);
  await peer?.close();
  const exact = await seconds(own, small ? SMALL_SHAPES[0] : WEIGHTS_SHAPE);
  await own.close();
  for (const weights of WEIGHTS)
    await packed(bench, weights, dir, device, small ? SMALL_SHAPES[0] : WEIGHTS_SHAPE, exact);
  await kernelTimes(dir, device, small ? SMALL_SHAPES[0] : WEIGHTS_SHAPE);
}

type Shape = readonly [documents: number, tokens: number];

const documentsOf = ([count, tokens]: Shape): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => documentOf(tokens, i));

const caseOf = ([count, tokens]: Shape): string => `model (${count}, ${tokens})`;

/** Operations a second of the device's product. */
async function product(name: string | undefined): Promise<number> {
  const gpu = await Gpu.open({ adapter: name === undefined || name === 'hardware' ? 'hardware' : { name } });
  const { flopsPerSecond } = await measureCeilings(gpu);
  gpu.close();
  return flopsPerSecond;
}

/** Undefined where ONNX Runtime finds no GPU. */
async function peerModel(dir: string): Promise<EntropyModel | undefined> {
  try {
    return await openModel(dir, { device: 'onnx:webgpu' });
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    console.error(`onnx:webgpu: ${error.message}`);
    return undefined;
  }
}

async function compare(bench: Bench, shape: Shape, own: EntropyModel, peer: EntropyModel | undefined, ceiling: number) {
  const documents = documentsOf(shape);
  const [times, peerTimes]: [number[], number[]] = [[], []];
  let slow = false;
  for (let round = -1; round < ROUNDS; round++) {
    const mine = await time(() => computeAll(own, documents), 'wall');
    const theirs: number = slow || peer === undefined ? 0 : await time(() => computeAll(peer, documents), 'wall');
    slow ||= theirs > MOST_PEER_SECONDS;
    if (round < 0) continue;
    times.push(mine);
    if (theirs > 0) peerTimes.push(theirs);
  }
  const bytes = shape[0] * shape[1];
  bench.report({
    case: caseOf(shape),
    value: bytes / median(times),
    unit: 'B/s',
    ...(peerTimes.length < ROUNDS ? {} : { peer: 'onnx:webgpu', peerValue: bytes / median(peerTimes) }),
  });
  bench.report({
    case: `${caseOf(shape)}, of the device's product`,
    value: (shape[0] * flopOf(own.config, shape[1])) / median(times) / 1e9,
    unit: 'GFLOP/s',
    ceiling: ceiling / 1e9,
  });
}

async function seconds(model: EntropyModel, shape: Shape): Promise<number> {
  const documents = documentsOf(shape);
  await computeAll(model, documents);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await time(() => computeAll(model, documents), 'wall'));
  return median(times);
}

/** @param exact seconds with float32 weights */
async function packed(
  bench: Bench,
  weights: (typeof WEIGHTS)[number],
  dir: string,
  device: Device,
  shape: Shape,
  exact: number,
): Promise<void> {
  const model = await openModel(dir, { device, weights, gpuMemoryBytes: MEMORY_BYTES });
  const bytes = shape[0] * shape[1];
  bench.report({
    case: `${caseOf(shape)}, ${weights} weights`,
    value: bytes / (await seconds(model, shape)),
    unit: 'B/s',
    peer: 'f32 weights',
    peerValue: bytes / exact,
  });
  await model.close();
}

async function kernelTimes(dir: string, device: Device, shape: Shape): Promise<void> {
  const model = await openModel(dir, { device, profile: true, gpuMemoryBytes: MEMORY_BYTES });
  await computeAll(model, documentsOf(shape));
  if (!(model instanceof DeviceModel)) throw new Error('a GPU is no CPU');
  for (const { kernels, ceilings } of await model.times()) {
    console.error(`${caseOf(shape)}, kernels:\n${profileTable(kernels, ceilings).join('\n')}`);
  }
  await model.close();
}
