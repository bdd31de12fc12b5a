import { DeviceError } from '../src/errors.ts';
import type { Gpu, Memory } from '../src/gpu/index.ts';
import type { Cost } from '../src/kernels/kernel.ts';
import { type Ceilings, repeats } from './gpu/ceilings.ts';
import { Chain, costOf, type Step } from './gpu/chain.ts';
import { type Contents, readBack, upload } from './gpu/contents.ts';
import { type Bench, type Measure, time } from './harness.ts';

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
  /** In order of size: the speed of one tells how long the next will take. */
  readonly cases: readonly KernelCase[];
}

/** A run of both, fused and unfused, that takes longer is left out. */
const MOST_SECONDS = 5;
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
  let bytesPerSecond = ceilings.bandwidth;
  for (const given of cases) {
    const label = `${name} ${given.name}`;
    const bytes = costOf(given.fused).bytes + costOf(given.unfused).bytes;
    const estimate = bytes / bytesPerSecond;
    if (estimate > MOST_SECONDS) {
      note(`${label}: left out, one run would take about ${estimate.toFixed(0)} s on this adapter`);
      continue;
    }
    const memory = new Map<string, Memory>();
    try {
      for (const [part, { words }] of Object.entries(given.memory)) {
        memory.set(part, gpu.memory.take(4 * words, `${label}: ${part}`, true));
      }
      bytesPerSecond = bytes / (await benchCase(bench, gpu, ceilings, label, given, memory));
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'GPU_MEMORY') throw error;
      note(`${label}: left out, ${error.message}`);
    } finally {
      for (const held of memory.values()) held.free();
    }
  }
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
  for (const [name, held] of memory) await upload(gpu, held, given.memory[name] ?? { words: 0 });
  const fused = await Chain.open(gpu, given.fused, memory);
  const unfused = await Chain.open(gpu, given.unfused, memory);
  const once = async (chain: Chain): Promise<number> => {
    const commands = chain.record(1);
    await gpu.done();
    return time(() => submit(gpu, commands), 'wall');
  };
  await once(fused);
  await once(unfused);
  for (const [name, agreement] of Object.entries(given.outputs)) await agree(gpu, label, memory, name, agreement);

  const [seconds, peerSeconds] = [await once(fused), await once(unfused)];
  const times = repeats(seconds);
  const { measure, ceiling } = figureOf(given.cost ?? costOf(given.fused), ceilings);
  const rounds = { rounds: ROUNDS, warmUp: WARM_UP, clock: 'wall', statistic: 'median' } as const;
  await bench.compare({
    case: label,
    measure: { unit: measure.unit, of: (all) => measure.of(all / times) },
    run: recorded(gpu, fused, times),
    peer: { name: 'unfused', run: recorded(gpu, unfused, times) },
    ceiling,
    ...rounds,
  });
  const whole = (chain: Chain, steps: readonly Step[], outputs: readonly string[]) => async () => {
    for (const name of inputsOf(steps, given.memory)) await upload(gpu, memory.get(name)!, given.memory[name]!);
    gpu.device.queue.submit([chain.record(1)]);
    for (const name of outputs) for await (const _ of readBack(gpu, memory.get(name)!));
  };
  const results = Object.entries(given.outputs);
  await bench.compare({
    case: `${label} with transfers`,
    measure,
    run: whole(
      fused,
      given.fused,
      results.map(([name]) => name),
    ),
    peer: {
      name: 'unfused',
      run: whole(
        unfused,
        given.unfused,
        results.map(([, agreement]) => agreement.unfused),
      ),
    },
    ...rounds,
  });
  fused.close();
  unfused.close();
  return seconds + peerSeconds;
}

async function submit(gpu: Gpu, commands: GPUCommandBuffer): Promise<void> {
  gpu.device.queue.submit([commands]);
  await gpu.done();
}

/** A run for each round, with commands that were recorded before the first. */
function recorded(gpu: Gpu, chain: Chain, times: number): () => Promise<void> {
  const commands = Array.from({ length: WARM_UP + ROUNDS }, () => chain.record(times));
  return () => {
    const next = commands.pop();
    if (next === undefined) throw new Error('There are more rounds than were recorded.');
    return submit(gpu, next);
  };
}

/** Whichever of memory and arithmetic would take longer at the best. */
function figureOf({ bytes, flops }: Cost, ceilings: Ceilings): { measure: Measure; ceiling: number } {
  const [unit, work, ceiling] =
    bytes / ceilings.bandwidth >= flops / ceilings.flops
      ? ['GB/s', bytes, ceilings.bandwidth]
      : ['GFLOP/s', flops, ceilings.flops];
  return { measure: { unit, of: (seconds) => work / seconds / 1e9 }, ceiling: ceiling / 1e9 };
}

function inputsOf(steps: readonly Step[], memory: Readonly<Record<string, Contents>>): string[] {
  const used = new Set(steps.flatMap(({ buffers }) => Object.values(buffers)));
  return [...used].filter((name) => memory[name]?.values !== undefined);
}

/** A speed that is not of the same work says nothing. */
async function agree(
  gpu: Gpu,
  label: string,
  memory: ReadonlyMap<string, Memory>,
  name: string,
  { unfused, absolute = 0, relative = 0, as = 'f32' }: Agreement,
): Promise<void> {
  const [own, other] = [memory.get(name), memory.get(unfused)];
  if (own === undefined || other?.bytes !== own.bytes) {
    throw new TypeError(`${label}: the memory ${name} and ${unfused} cannot be compared.`);
  }
  const theirs = readBack(gpu, other);
  let at = 0;
  let written = false;
  for await (const chunk of readBack(gpu, own)) {
    const { value } = await theirs.next();
    const [a, b] =
      as === 'f32'
        ? [new Float32Array(chunk), new Float32Array(value)]
        : [new Uint32Array(chunk), new Uint32Array(value)];
    for (let i = 0; i < a.length; i++, at++) {
      const [x = Number.NaN, y = Number.NaN] = [a[i], b[i]];
      written ||= x !== 0;
      if (!(Math.abs(x - y) <= absolute + relative * Math.abs(y))) {
        throw new Error(`${label}: ${name}[${at}] is ${x}, and unfused ${y}`);
      }
    }
  }
  if (!written) throw new Error(`${label}: nothing but zeros in ${name}`);
}
