import { DeviceError } from '../src/errors.ts';
import type { Gpu, Memory } from '../src/gpu/index.ts';
import type { Cost } from '../src/kernels/kernel.ts';
import type { Values } from '../src/kernels/runKernel.ts';
import { type Ceiling, repeats } from './gpu/ceilings.ts';
import { Chain, costOf, type Step } from './gpu/chain.ts';
import { type Contents, readBack, upload } from './gpu/contents.ts';
import { type Bench, type Measure, median, time } from './harness.ts';

export { type Step, step } from './gpu/chain.ts';
export { type Contents, normal, normals, scratch, uniforms } from './gpu/contents.ts';

/** How far two results of the same work may be apart: `absolute + relative * |value|`. Default: not at all. */
export interface Agreement {
  /** Memory that the chain writes what it is compared with. */
  readonly unfused: string;
  readonly absolute?: number | undefined;
  readonly relative?: number | undefined;
  /** Type of the words. Default: `f32`. */
  readonly as?: 'f32' | 'u32' | undefined;
}

/** The same work, done twice. */
export interface KernelCase {
  /** Its shape, such as `(2, 64, 260)`. */
  readonly name: string;
  /** All memory, by names of one's own. */
  readonly memory: Readonly<Record<string, Contents>>;
  readonly fused: readonly Step[];
  /** The same in elementary kernels, one operation to a dispatch. */
  readonly unfused: readonly Step[];
  /** What the fused kernel writes. */
  readonly outputs: Readonly<Record<string, Agreement>>;
  /** Bytes and operations that figures are made of, for both. Default: those of the fused kernel. */
  readonly cost?: Cost | undefined;
}

/** What `bench/kernels/<name>.ts` exports by default. */
export interface KernelBench {
  /** The kernel's name. */
  readonly name: string;
  /** In order of size: how far one stays behind its ceiling tells how long the next will take. */
  readonly cases: readonly KernelCase[];
}

/** The device's own copy and multiply-adds. */
export interface Ceilings {
  readonly copy: Ceiling;
  readonly multiplyAdd: Ceiling;
}

/** A run of both, fused and unfused, that takes longer is left out. */
const MOST_SECONDS = 8;
const ROUNDS = 9;
const WARM_UP = 2;

/**
 * Measures all cases: fused and unfused in turns, medians of 9 rounds after 2 that do not count, on the wall, from an idle
 * device to an idle device. Commands are recorded ahead; a short dispatch is repeated in its submission. A second figure
 * has the upload of all inputs and the return of all results in it. Throws where the two do not agree.
 * @param note is told of cases that are left out.
 */
export async function benchKernel(
  bench: Bench,
  gpu: Gpu,
  ceilings: Ceilings,
  { name, cases }: KernelBench,
  note: (text: string) => void,
): Promise<void> {
  let slowdown = 1;
  for (const given of cases) {
    const label = `${name} ${given.name}`;
    const ideal = idealSeconds(costOf(given.fused), ceilings) + idealSeconds(costOf(given.unfused), ceilings);
    const estimate = ideal * slowdown;
    if (estimate > MOST_SECONDS) {
      note(`${label}: left out, one run would take about ${estimate.toFixed(0)} s on this adapter`);
      continue;
    }
    const memory = new Map<string, Memory>();
    try {
      for (const [part, { words }] of Object.entries(given.memory)) {
        memory.set(part, gpu.memory.take(4 * words, `${label}: ${part}`, true));
      }
      slowdown = (await benchCase(bench, gpu, ceilings, label, given, memory)) / ideal;
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'GPU_MEMORY') throw error;
      note(`${label}: left out, ${error.message}`);
    } finally {
      for (const held of memory.values()) held.free();
    }
  }
}

/** One side of a case, with what it reads and writes. */
interface Side {
  readonly chain: Chain;
  /** Memory that is filled beforehand. */
  readonly inputs: readonly (readonly [memory: Memory, values: Values])[];
  readonly outputs: readonly Memory[];
}

/** Returns the seconds of one run of both. */
async function benchCase(
  bench: Bench,
  gpu: Gpu,
  ceilings: Ceilings,
  label: string,
  given: KernelCase,
  memory: ReadonlyMap<string, Memory>,
): Promise<number> {
  const contents = new Map(
    Object.entries(given.memory).flatMap(([name, { values }]) => (values === undefined ? [] : [[name, values()]])),
  );
  const sideOf = async (steps: readonly Step[], outputs: readonly string[]): Promise<Side> => ({
    chain: await Chain.open(gpu, steps, memory),
    inputs: [...usedBy(steps)].flatMap((name) => {
      const [held, values] = [memory.get(name), contents.get(name)];
      return held === undefined || values === undefined ? [] : [[held, values]];
    }),
    outputs: outputs.flatMap((name) => memory.get(name) ?? []),
  });
  const results = Object.entries(given.outputs);
  const fused = await sideOf(
    given.fused,
    results.map(([name]) => name),
  );
  const unfused = await sideOf(
    given.unfused,
    results.map(([, agreement]) => agreement.unfused),
  );
  for (const side of [fused, unfused]) {
    await fill(gpu, side);
    await submit(gpu, side.chain.record(1));
  }
  for (const [i, [name, agreement]] of results.entries()) {
    await agree(gpu, `${label}: ${name}`, fused.outputs[i], unfused.outputs[i], agreement);
  }
  const seconds = [await timed(gpu, fused.chain.record(1)), await timed(gpu, unfused.chain.record(1))] as const;
  const figure = figureOf(given.cost ?? costOf(given.fused), ceilings);
  await onDevice(bench, gpu, label, [fused, unfused], figure, repeats(seconds[0]));
  await withTransfers(bench, gpu, label, [fused, unfused], figure);
  for (const { chain } of [fused, unfused]) chain.close();
  return seconds[0] + seconds[1];
}

/** Both and the ceiling in turns; what is timed begins and ends with an idle device. */
async function onDevice(
  bench: Bench,
  gpu: Gpu,
  label: string,
  sides: readonly [Side, Side],
  { measure, ceiling }: KernelFigure,
  times: number,
): Promise<void> {
  const recorded = sides.map(({ chain }) => Array.from({ length: WARM_UP + ROUNDS }, () => chain.record(times)));
  const seconds: [own: number[], peer: number[]] = [[], []];
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    for (const [side, commands] of recorded.entries()) {
      const each = (await timed(gpu, commands[round]!)) / times;
      if (round >= WARM_UP) seconds[side]?.push(each);
    }
    await ceiling.again();
  }
  const [value, peerValue] = [measure.of(median(seconds[0])), measure.of(median(seconds[1]))];
  bench.report({ case: label, value, unit: measure.unit, peer: 'unfused', peerValue, ceiling: ceiling.best / 1e9 });
}

async function withTransfers(
  bench: Bench,
  gpu: Gpu,
  label: string,
  [fused, unfused]: readonly [Side, Side],
  { measure }: KernelFigure,
): Promise<void> {
  const whole = (side: Side) => async () => {
    await fill(gpu, side);
    gpu.device.queue.submit([side.chain.record(1)]);
    for (const output of side.outputs) for await (const _ of readBack(gpu, output));
  };
  await bench.compare({
    case: `${label} with transfers`,
    measure,
    run: whole(fused),
    peer: { name: 'unfused', run: whole(unfused) },
    rounds: ROUNDS,
    warmUp: WARM_UP,
    clock: 'wall',
    statistic: 'median',
  });
}

async function fill(gpu: Gpu, { inputs }: Side): Promise<void> {
  for (const [memory, values] of inputs) await upload(gpu, memory, values);
}

async function timed(gpu: Gpu, commands: GPUCommandBuffer): Promise<number> {
  await gpu.done();
  return time(() => submit(gpu, commands), 'wall');
}

async function submit(gpu: Gpu, commands: GPUCommandBuffer): Promise<void> {
  gpu.device.queue.submit([commands]);
  await gpu.done();
}

/** How seconds become a figure, and the most that it could be. */
interface KernelFigure {
  readonly measure: Measure;
  readonly ceiling: Ceiling;
}

/** If memory and arithmetic did their best, at the same time. */
function idealSeconds({ bytes, flops }: Cost, { copy, multiplyAdd }: Ceilings): number {
  return Math.max(bytes / copy.best, flops / multiplyAdd.best);
}

/** Whichever of memory and arithmetic would take longer at the best. */
function figureOf({ bytes, flops }: Cost, { copy, multiplyAdd }: Ceilings): KernelFigure {
  const [ceiling, work] = bytes / copy.best >= flops / multiplyAdd.best ? [copy, bytes] : [multiplyAdd, flops];
  return { measure: { unit: ceiling.unit, of: (seconds) => work / seconds / 1e9 }, ceiling };
}

function usedBy(steps: readonly Step[]): Set<string> {
  return new Set(steps.flatMap(({ buffers }) => Object.values(buffers)));
}

/** A speed that is not of the same work says nothing. */
async function agree(
  gpu: Gpu,
  what: string,
  own: Memory | undefined,
  other: Memory | undefined,
  { absolute = 0, relative = 0, as = 'f32' }: Agreement,
): Promise<void> {
  if (own === undefined || own.bytes !== other?.bytes)
    throw new TypeError(`${what} has nothing like it to compare with.`);
  const theirs = readBack(gpu, other);
  const numbers = (words: ArrayBuffer): Float32Array | Uint32Array =>
    as === 'f32' ? new Float32Array(words) : new Uint32Array(words);
  let at = 0;
  let written = false;
  for await (const chunk of readBack(gpu, own)) {
    const [a, b] = [numbers(chunk), numbers((await theirs.next()).value ?? new ArrayBuffer(0))];
    for (let i = 0; i < a.length; i++, at++) {
      const [x = Number.NaN, y = Number.NaN] = [a[i], b[i]];
      written ||= x !== 0;
      if (!(Math.abs(x - y) <= absolute + relative * Math.abs(y))) {
        throw new Error(`${what}[${at}] is ${x}, and unfused ${y}`);
      }
    }
  }
  if (!written) throw new Error(`${what} has nothing but zeros`);
}
