import type { Gpu, Memory } from '../../gpu/index.ts';
import type { Reading } from '../../gpu/readbacks.ts';
import type { PooledStates } from '../../records.ts';
import type { PoolTask } from '../cpu/forward.ts';
import type { DeviceResult, DeviceTask } from '../devices/deviceProtocol.ts';
import { PatchEnds } from '../patchEnds.ts';
import { BYTE_OFFSET } from '../tokenizer.ts';
import type { ForwardPrograms } from './forwardPrograms.ts';

/** Runs of states to average: rows of the batch. */
interface Parts {
  readonly starts: number[];
  readonly lengths: number[];
}

/** States of a batch. */
export interface BatchStates {
  readonly states: Memory;
  readonly rows: number;
}

/**
 * Averages the states of a batch over the parts that patches cut its passes into, now that the entropies are known; of the
 * states only these means leave the device. Means are float32 sums in the order of bytes.
 * @returns as soon as the device has been told, what waits for the means
 */
export async function poolStates(
  gpu: Gpu,
  programs: ForwardPrograms,
  batch: BatchStates,
  tasks: readonly DeviceTask[],
  results: readonly Pick<DeviceResult, 'entropies'>[],
): Promise<() => Promise<(PooledStates | undefined)[]>> {
  const parts: Parts = { starts: [], lengths: [] };
  let row = 0;
  const cuts = tasks.map(({ tokens, pool }, i) => {
    const first = row;
    row += tokens.length;
    if (pool === undefined) return undefined;
    const ends = endsOf(tokens, results[i]?.entropies ?? new Float32Array(0), pool);
    const from = parts.starts.length;
    addParts(parts, ends, first + (pool.first ? 1 : 0), row);
    return { ends: Int32Array.from(ends), from, to: parts.starts.length };
  });
  const count = parts.starts.length;
  const reading = await submitted(gpu, programs, batch, parts);
  return async () => {
    const means = new Float32Array(await gpu.orLost(reading.finish()));
    const dim = means.length / count;
    return cuts.map((cut) => cut && { ends: cut.ends, means: means.slice(cut.from * dim, cut.to * dim) });
  };
}

/** Where patches end among the bytes of a pass. */
function endsOf(tokens: Int32Array, about: Float32Array, { rule, state, pending, first, last }: PoolTask): number[] {
  const bytes = Uint8Array.from(first ? tokens.subarray(1) : tokens, (id) => id - BYTE_OFFSET);
  // a token's entropy is about the byte after it
  const entropies = new Float32Array(bytes.length);
  entropies.set(about.subarray(0, first ? bytes.length : bytes.length - 1), first ? 0 : 1);
  if (!first) entropies[0] = pending;
  return new PatchEnds(rule, state).push(bytes, entropies, last);
}

function addParts({ starts, lengths }: Parts, ends: readonly number[], first: number, last: number): void {
  let at = first;
  for (const end of ends) {
    starts.push(at);
    lengths.push(first + end - at);
    at = first + end;
  }
  starts.push(at);
  lengths.push(last - at);
}

async function submitted(
  gpu: Gpu,
  programs: ForwardPrograms,
  { states, rows }: BatchStates,
  parts: Parts,
): Promise<Reading> {
  const count = parts.starts.length;
  const bytes = programs.meanBytes(count);
  const taken: Memory[] = [];
  const take = (size: number, label: string): Memory => {
    const memory = gpu.memory.take(size, label);
    taken.push(memory);
    return memory;
  };
  try {
    const [starts, lengths, means] = [take(4 * count, 'starts'), take(4 * count, 'lengths'), take(bytes, 'means')];
    await gpu.uploads.write(starts.buffer, 0, new Uint8Array(Uint32Array.from(parts.starts).buffer));
    await gpu.uploads.write(lengths.buffer, 0, new Uint8Array(Uint32Array.from(parts.lengths).buffer));
    const reading = await gpu.readbacks.begin(bytes);
    const commands = gpu.commands();
    programs.pool(commands, { states, starts, lengths, means }, rows, count);
    commands.read(reading, 0, means, 0, bytes);
    await gpu.submitRead(commands, reading);
    return reading;
  } finally {
    for (const memory of taken) memory.free();
  }
}
