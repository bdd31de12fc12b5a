import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filter, map, take } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RecordError } from '../../src/errors.ts';
import { iterate, monitored, pull, type StageInfo } from '../../src/flow/index.ts';
import { type EntropyModel, openModel, openOptions } from '../../src/model/index.ts';
import { sharedModel } from '../../src/model/sharedModels.ts';
import { embed } from '../../src/operators/embed.ts';
import { patch } from '../../src/operators/patch.ts';
import type { Encoded, Segment } from '../../src/records.ts';
import { withRun } from '../../src/run/context.ts';
import { sharedPool } from '../../src/run/pool.ts';
import { prose } from '../model/golden.ts';
import { modelFolder, smallArgs } from '../model/modelFolder.ts';
import { flowOf, model, segmentOf } from './segments.ts';

async function all<T>(flow: Parameters<typeof iterate<T>>[0]): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterate(flow)) values.push(value);
  return values;
}

function joined(runs: readonly Encoded[], part: 'entropies' | 'norms' | 'preNorm'): number[] {
  return runs.flatMap((run) => [...(run[part] ?? [])]);
}

describe('embed', () => {
  let direct: EntropyModel;
  beforeAll(async () => {
    direct = await openModel(model, { threads: 1 });
  });
  afterAll(() => direct.close());

  it('hands on every byte of every segment, in order, with what the model says about it', async () => {
    const texts = [prose(2500), prose(1), new Uint8Array(0), prose(1023), prose(1279), prose(1280)];
    const segments = texts.map((bytes, i) => segmentOf(bytes, `d${i}`));
    const runs = await all(flowOf(segments).pipe(embed({ model })));
    expect(runs.map(({ segment }) => segments.indexOf(segment))).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 5]);
    for (const segment of segments) {
      const own = runs.filter((run) => run.segment === segment);
      expect(own.map(({ last }) => last)).toEqual([...own.keys()].map((i) => i === own.length - 1));
      expect(Buffer.concat(own.map(({ bytes }) => bytes)).equals(segment.bytes)).toBe(true);
      let offset = 0;
      for (const run of own) {
        expect(run.offset).toBe(offset);
        expect([run.entropies.length, run.norms.length, run.preNorm?.length]).toEqual([
          run.bytes.length,
          run.bytes.length,
          run.bytes.length * run.dim,
        ]);
        offset += run.bytes.length;
      }
      const expected: Awaited<ReturnType<typeof direct.encode>> = direct.encode(segment.bytes, { preNorm: true });
      const entropies: number[] = [];
      for await (const piece of expected) entropies.push(...piece.entropies);
      expect(joined(own, 'entropies')).toEqual(entropies);
    }
  });

  it('gives a document the same bits whatever stands beside it and however many threads there are', async () => {
    const bytes = prose(6000);
    const alone = await all(flowOf([segmentOf(bytes)]).pipe(embed({ model })));
    const others = Array.from({ length: 30 }, (_, i) => segmentOf(prose(50 * i), `o${i}`));
    const company = await all(flowOf([...others, segmentOf(bytes), ...others]).pipe(embed({ model })));
    const same = company.filter(({ segment }) => segment.document.id === 'a');
    for (const part of ['entropies', 'norms', 'preNorm'] as const)
      expect(joined(same, part)).toEqual(joined(alone, part));
  });

  it('takes batches, whose segments follow one another as if they had come alone', async () => {
    const segments = [1500, 10, 0, 300].map((length, i) => segmentOf(prose(length), `d${i}`));
    const [first, ...others] = segments;
    const batch = { index: 0, values: others, units: 3, bytes: 310, longest: 300, similarity: 0 };
    const alone = await all(flowOf(segments).pipe(embed({ model })));
    expect(await all(pull(() => [[first!, batch]]).pipe(embed({ model })))).toEqual(alone);
  });

  it('leaves states out when nobody asks for them', async () => {
    const [run] = await all(flowOf([segmentOf(prose(10))]).pipe(embed({ model, preNorm: false })));
    expect(run?.preNorm).toBeUndefined();
    expect(run?.norms.length).toBe(10);
  });

  it('works between plain operators, and stops computing when nobody listens any more', async () => {
    const lengths = await all(
      flowOf([segmentOf(prose(100)), segmentOf(prose(200), 'b'), segmentOf(prose(300), 'c')]).pipe(
        filter((segment) => segment.document.id !== 'b'),
        embed({ model }),
        patch({ threshold: 2 }),
        map((patches) => patches.bytes.length),
      ),
    );
    expect(lengths).toEqual([100, 300]);
    let asked = 0;
    const endless = flowOf(
      new Proxy([] as Segment[], {
        get: (target, key) =>
          key === 'map' ? (make: (segment: Segment) => Segment[]) => endlessly(make) : Reflect.get(target, key),
      }),
    );
    function* endlessly(make: (segment: Segment) => Segment[]): Generator<Segment[]> {
      for (;;) yield make(segmentOf(prose(4000), `e${asked++}`));
    }
    expect((await all(endless.pipe(embed({ model }), take(3)))).length).toBe(3);
    expect(asked).toBeLessThan(300);
  });

  it('gives up what the model holds for a segment that nobody reads to its end', async () => {
    const shared = await sharedModel(model, openOptions({ device: 'cpu' }));
    const encode = shared.encode.bind(shared);
    const counts = { pieces: 0, ended: 0 };
    const spy = vi.spyOn(shared, 'encode').mockImplementation(async function* (bytes, options) {
      try {
        for await (const piece of encode(bytes, options)) {
          counts.pieces++;
          yield piece;
        }
      } finally {
        counts.ended++;
      }
    });
    const runs = iterate(flowOf([segmentOf(prose(2000))]).pipe(embed({ model, device: 'cpu', pieceBytes: 5 })));
    await runs.next();
    // the room is full of what nobody takes; on a busy machine the piece that was taken had left it before it was full
    await vi.waitUntil(() => counts.pieces >= 256, { timeout: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(counts.pieces).toBeLessThanOrEqual(257);
    expect(counts.ended).toBe(0);
    await runs.return?.();
    await vi.waitUntil(() => counts.ended === 1);
    spy.mockRestore();
  });

  it('tells the planner what decides its output', async () => {
    const stages: StageInfo[] = [];
    const monitor = {
      strict: true,
      stage: (info: StageInfo) => {
        stages.push(info);
        return { room: info.room, watch: () => {} };
      },
    };
    monitored(monitor, () =>
      flowOf([])
        .pipe(embed({ model }), patch({ threshold: 2 }))
        .subscribe(),
    );
    const [patching, embedding] = stages;
    expect([embedding?.name, patching?.name]).toEqual(['embed', 'patch']);
    expect(embedding?.options).toEqual({ device: 'cpu', preNorm: true, pieceTokens: 1024 });
    expect(await embedding?.identify?.()).toEqual({ model: direct.id });
    expect(patching?.options).toMatchObject({ mode: 'entropy', threshold: 2, maxLength: 1 << 20 });
  });
});

describe('a document that the model cannot compute', () => {
  // token 70 (the letter B) has no finite state; everything else has
  const poison = (row: number) =>
    modelFolder({ ...smallArgs, sliding_window: 4 }, (tensors) => {
      const weights = new Float32Array(tensors['tok_embeddings.weight']!.data.buffer);
      weights.fill(Number.NaN, row * smallArgs.dim, (row + 1) * smallArgs.dim);
    });
  const good = (id: string) => segmentOf(Buffer.from('fine '.repeat(20)), id);
  const bad = Buffer.from(`${'x'.repeat(20)}B`);

  async function run(segments: readonly Segment[], pieceBytes?: number) {
    const rejects: { stage: string; error: RecordError; payload: Uint8Array | undefined }[] = [];
    const context = {
      reject: (stage: string, error: RecordError, payload?: Uint8Array) => void rejects.push({ stage, error, payload }),
    };
    const flow = flowOf(segments).pipe(embed({ model: poison(70), pieceBytes }));
    const runs: Encoded[] = [];
    const end = await new Promise<unknown>((resolve) => {
      withRun(context, () =>
        flow.subscribe({ next: (value) => runs.push(value), error: resolve, complete: () => resolve('complete') }),
      );
    });
    return { rejects, ids: runs.map(({ segment }) => segment.document.id), end };
  }

  it('is rejected, and the others pass', async () => {
    const { rejects, ids, end } = await run([good('a'), segmentOf(bad, 'bad'), good('c')]);
    expect(end).toBe('complete');
    expect(ids).toEqual(['a', 'c']);
    expect(rejects).toMatchObject([
      {
        stage: 'embed',
        error: { name: 'RecordError', code: 'MODEL_NOT_FINITE', path: 'bad.txt', position: { ordinal: 3 } },
        payload: bad,
      },
    ]);
  });

  it('is rejected with all its pieces and segments when it fails at the first', async () => {
    const document = segmentOf(bad, 'bad').document;
    const first = segmentOf(Buffer.from(`B${'x'.repeat(50)}`), 'bad', { document, last: false });
    const second = segmentOf(Buffer.from('fine'), 'bad', { document, index: 1 });
    const { rejects, ids, end } = await run([first, second, good('c')], 8);
    expect(end).toBe('complete');
    expect(new Set(ids)).toEqual(new Set(['c']));
    expect(rejects.length).toBe(1);
    expect(rejects[0]?.payload).toBeUndefined();
  });

  it('fails the flow when part of it has been handed on already', async () => {
    const { rejects, end } = await run([segmentOf(bad, 'bad')], 8);
    expect(end).toMatchObject({ name: 'ModelError', code: 'DOCUMENT_CUT', path: 'bad.txt' });
    expect(rejects).toEqual([]);
  });

  it('fails a flow that belongs to no run', async () => {
    await expect(all(flowOf([segmentOf(bad)]).pipe(embed({ model: poison(70) })))).rejects.toMatchObject({
      name: 'RecordError',
    });
  });

  it('is not to blame for a model folder that cannot be opened', async () => {
    const dir = modelFolder();
    writeFileSync(join(dir, 'model.safetensors'), 'nothing');
    await expect(all(flowOf([good('a')]).pipe(embed({ model: dir })))).rejects.toMatchObject({
      name: 'ModelError',
      code: 'MODEL_FILE',
    });
    await expect(all(flowOf([good('a')]).pipe(embed({ model: join(dir, 'none') })))).rejects.toMatchObject({
      code: 'MODEL_MISSING',
    });
  });

  afterAll(() => sharedPool().close());
});
