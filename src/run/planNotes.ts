import { take } from 'rxjs';
import { iterate } from '../flow/index.ts';
import type { Split } from '../sources/source.ts';
import { withRun } from './context.ts';
import { flowOf, type Pipeline } from './definition.ts';
import { type PlanFacts, traitsOf } from './stages.ts';

/** How much of the input is looked at. */
const SPLITS = 8;
const VALUES_EACH = 48;

/** What the operators of a pipeline say of its plan, some of them by looking at a few values; nothing is written. */
export async function planNotes(pipeline: Pipeline, splits: readonly Split[]): Promise<string[]> {
  const notes: string[] = [];
  for (const [i, operator] of pipeline.operators.entries()) {
    const { notes: write } = traitsOf(operator);
    if (write === undefined) continue;
    const before = { ...pipeline, operators: pipeline.operators.slice(0, i) };
    notes.push(...(await write(await factsOf(before, splits))));
  }
  return notes;
}

async function factsOf(pipeline: Pipeline, splits: readonly Split[]): Promise<PlanFacts> {
  const some = pipeline.source.once ? 0 : Math.min(SPLITS, splits.length);
  const sample: unknown[] = [];
  let sampled = 0;
  let values = 0;
  for (let i = 0; i < some; i++) {
    const split = splits[Math.floor((i * splits.length) / some)];
    if (split === undefined) continue;
    const first = await firstValues(pipeline, split);
    sample.push(...first);
    const mean = first.reduce<number>((sum, value) => sum + bytesIn(value), 0) / first.length;
    values += first.length < VALUES_EACH ? first.length : split.bytes / Math.max(1, mean);
    sampled += split.bytes;
  }
  if (sample.length === 0) return { values: undefined, sample };
  const all = splits.reduce((sum, { bytes }) => sum + bytes, 0);
  return { values: Math.round(sampled === 0 ? values : (values * all) / sampled), sample };
}

async function firstValues(pipeline: Pipeline, split: Split): Promise<unknown[]> {
  const flow = flowOf(pipeline, pipeline.source.read(split)).pipe(take(VALUES_EACH));
  const values: unknown[] = [];
  const next = withRun({ model: pipeline.model, reject: () => {} }, () => {
    const iterator = iterate(flow);
    return { iterator, first: iterator.next() };
  });
  for (let result = await next.first; result.done !== true; result = await next.iterator.next())
    values.push(result.value);
  return values;
}

const bytesIn = (value: unknown): number => (value as { bytes?: Uint8Array } | null)?.bytes?.length ?? 0;
