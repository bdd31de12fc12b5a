import { defer, map, type Observable, share } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { iterate, pull } from '../../src/flow/index.ts';
import { PatchEnds, type PatchRule } from '../../src/model/patchEnds.ts';
import { EncodedFlow } from '../../src/operators/encodedFlow.ts';
import { patch } from '../../src/operators/patch.ts';
import type { Encoded, Patches } from '../../src/records.ts';
import { segmentOf } from './segments.ts';

const DIM = 2;
const bytes = Buffer.from('a run of bytes, and another one');
const segment = segmentOf(bytes);
const entropies = Float32Array.from(bytes, (byte) => (byte === 0x20 ? 3 : 1));

/** The document in two runs, with states, or with their means where `rule` says how patches are cut. */
function runs(rule?: PatchRule): Encoded[] {
  const ends = rule && new PatchEnds(rule);
  return [
    [0, 12],
    [12, bytes.length],
  ].map(([start = 0, end = 0]) => {
    const last = end === bytes.length;
    const part = { segment, offset: start, bytes: bytes.subarray(start, end), last, dim: DIM, autoThreshold: 2 };
    const signals = { entropies: entropies.slice(start, end), norms: new Float32Array(end - start) };
    const states = Float32Array.from({ length: DIM * (end - start) }, (_, i) => start * DIM + i);
    if (ends === undefined) return { ...part, ...signals, preNorm: states };
    const cuts = ends.push(part.bytes, signals.entropies, last);
    const means = [...cuts, end - start].flatMap((to, i) => {
      const from = cuts[i - 1] ?? 0;
      return Array.from({ length: DIM }, (_, column) => {
        let sum = 0;
        for (let row = from; row < to; row++) sum += states[row * DIM + column]!;
        return to === from ? 0 : sum / (to - from);
      });
    });
    return { ...part, ...signals, pooled: { ends: Int32Array.from(cuts), means: Float32Array.from(means) } };
  });
}

/** What `embed` gives, and how often each form of it was made. */
function encoded(pooledBy?: PatchRule) {
  const made = { plain: 0, pooled: 0 };
  const counted = (form: keyof typeof made, values: () => Encoded[]): Observable<Encoded> =>
    defer(() => {
      made[form]++;
      return pull(() => [values()]);
    });
  const flow = new EncodedFlow(
    counted('plain', () => runs()),
    (ruleFor) => counted('pooled', () => runs(pooledBy ?? ruleFor(2, 'text'))),
  );
  return { flow, made };
}

async function all(flow: Observable<Patches>): Promise<Patches[]> {
  const values: Patches[] = [];
  for await (const value of iterate(flow)) values.push(value);
  return values;
}

const flat = (values: readonly Patches[]) => ({
  lengths: values.flatMap(({ lengths }) => [...lengths]),
  embeddings: values.flatMap((value) => [...value.embeddings]),
});

describe('what embed gives', () => {
  it('is means where patch follows at once, and the same patches as from states', async () => {
    const [near, far] = [encoded(), encoded()];
    const found = flat(await all(near.flow.pipe(patch())));
    const expected = flat(
      await all(
        far.flow.pipe(
          map((run) => run),
          patch(),
        ),
      ),
    );
    expect([near.made, far.made]).toEqual([
      { plain: 0, pooled: 1 },
      { plain: 1, pooled: 0 },
    ]);
    expect(found.lengths).toEqual(expected.lengths);
    expect(found.lengths.length).toBe(7);
    for (const [i, value] of found.embeddings.entries()) expect(value).toBeCloseTo(expected.embeddings[i]!, 4);
  });

  it('is made for each that subscribes, as it needs it', async () => {
    const { flow, made } = encoded();
    const two = await Promise.all([undefined, 0.5].map((threshold) => all(flow.pipe(patch({ threshold })))));
    expect(two.map((values) => flat(values).lengths.length)).toEqual([7, bytes.length]);
    expect(made).toEqual({ plain: 0, pooled: 2 });
    // of what is shared nobody can ask for another form
    const shared = flow.pipe(share());
    expect(flat(await all(shared.pipe(patch()))).lengths.length).toBe(7);
    expect(made).toEqual({ plain: 1, pooled: 2 });
  });

  it('must have been averaged as patches are cut', async () => {
    const rule = { mode: 'entropy', threshold: 0.5, maxLength: 1 << 20 } as const;
    await expect(all(encoded(rule).flow.pipe(patch()))).rejects.toMatchObject({ code: 'RUN_ORDER' });
  });
});
