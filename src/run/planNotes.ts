import { iterate } from '../flow/index.ts';
import type { Split } from '../sources/source.ts';
import { withRun } from './context.ts';
import { flowOf, type Pipeline } from './definition.ts';
import { type Sample, traitsOf } from './stages.ts';

/** How much of the input is looked at. */
const SPLITS = 8;
const VALUES_EACH = 48;
/** No more values are taken from a split that has given so many bytes. */
const BYTES_EACH = 4 << 20;

/** What the operators of a pipeline say of its plan, some of them by looking at a few values; nothing is written. */
export async function planNotes(pipeline: Pipeline, splits: readonly Split[]): Promise<string[]> {
  const notes: string[] = [];
  for (const [i, operator] of pipeline.operators.entries()) {
    const { notes: write } = traitsOf(operator);
    if (write === undefined) continue;
    const before = { ...pipeline, operators: pipeline.operators.slice(0, i) };
    const faults: string[] = [];
    const own = await write({ sample: () => sampleOf(before, splits, (fault) => faults.push(fault)) });
    notes.push(...faults, ...own);
  }
  return notes;
}

async function sampleOf(
  pipeline: Pipeline,
  splits: readonly Split[],
  onFault: (fault: string) => void,
): Promise<Sample> {
  const some = pipeline.source.once ? 0 : Math.min(SPLITS, splits.length);
  const values: unknown[] = [];
  let sampled = 0;
  let count = 0;
  for (let i = 0; i < some; i++) {
    const split = splits[Math.floor((i * splits.length) / some)];
    if (split === undefined) continue;
    const { first, ended, fault } = await firstValues(pipeline, split);
    // a plan tells what a run would come upon, and does not end by it
    if (fault !== undefined) onFault(`split ${split.id} was sampled as far as it goes: ${fault}`);
    values.push(...first);
    const mean = first.reduce<number>((sum, value) => sum + bytesIn(value), 0) / first.length;
    count += ended || first.length === 0 ? first.length : split.bytes / Math.max(1, mean);
    sampled += split.bytes;
  }
  if (values.length === 0) return { count: undefined, values };
  const all = splits.reduce((sum, { bytes }) => sum + bytes, 0);
  return { count: Math.round(sampled === 0 ? count : (count * all) / sampled), values };
}

interface FirstValues {
  readonly first: readonly unknown[];
  /** The split has no more. */
  readonly ended: boolean;
  readonly fault?: string;
}

async function firstValues(pipeline: Pipeline, split: Split): Promise<FirstValues> {
  const first: unknown[] = [];
  let bytes = 0;
  const flow = flowOf(pipeline, pipeline.source.read(split));
  const opened = withRun({ model: pipeline.model, media: pipeline.media, rehearsal: true, reject: () => {} }, () => {
    const iterator = iterate(flow);
    return { iterator, next: iterator.next() };
  });
  try {
    for (let result = await opened.next; result.done !== true; result = await opened.iterator.next()) {
      first.push(result.value);
      bytes += bytesIn(result.value);
      if (first.length === VALUES_EACH || bytes >= BYTES_EACH) return { first, ended: false };
    }
    return { first, ended: true };
  } catch (error) {
    return { first, ended: false, fault: error instanceof Error ? error.message : String(error) };
  } finally {
    await opened.iterator.return?.();
  }
}

const bytesIn = (value: unknown): number => (value as { bytes?: Uint8Array } | null)?.bytes?.length ?? 0;
