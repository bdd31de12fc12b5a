import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { type Batch, type Document, definePipeline, run, type Segment } from 'sluice';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { iterate, monitored, pull, type StageInfo } from '../../src/flow/index.ts';
import { embed, patch, pretokenize, type SimilarityBatchOptions, similarityBatch } from '../../src/operators/index.ts';
import { sharedPool } from '../../src/run/pool.ts';
import { traitsOf } from '../../src/run/stages.ts';
import { safetensors } from '../../src/sinks/index.ts';
import { labelledDocuments } from '../lsh/nearDuplicates.ts';
import { randomBytes, randomNumbers, relatedTexts } from '../lsh/texts.ts';
import { numbers } from '../support/lines.ts';
import { model, segmentOf } from './segments.ts';

async function all<T>(flow: Parameters<typeof iterate<T>>[0]): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterate(flow)) values.push(value);
  return values;
}

function documentOf(bytes: Uint8Array | string, ordinal: number): Document {
  return {
    id: `d${ordinal}`,
    source: { split: '00000', uri: 'file.txt', position: { ordinal } },
    bytes: Buffer.from(bytes),
    meta: {},
  };
}

const batched = (texts: readonly (Uint8Array | string)[], options?: SimilarityBatchOptions, chunk = texts.length) => {
  const documents = texts.map(documentOf);
  const chunks = Array.from({ length: Math.ceil(texts.length / chunk) }, (_, i) =>
    documents.slice(i * chunk, (i + 1) * chunk),
  );
  return all(pull(() => chunks).pipe(similarityBatch(options)));
};
const numbersIn = (batches: readonly Batch<Document>[]): number[][] =>
  batches.map(({ values }) => values.map(({ source }) => source.position.ordinal));

/** Related texts of many lengths, equal ones, short and empty ones. */
function mixedTexts(count: number, seed = 1): Uint8Array[] {
  const next = randomNumbers(seed);
  return Array.from({ length: count }, (_, i) => {
    if (i % 17 === 0) return randomBytes(i, next() % 6);
    return relatedTexts(1 + (next() % (1 + (count >> 2))), 50 + (next() % 5) * 200, (next() % 4) * 0.03)[1];
  });
}

/** Where windows end, one document at a time. */
function windowsOf(lengths: readonly number[], limits: { readonly documents: number; readonly bytes: number }) {
  let [window, documents, bytes] = [0, 0, 0];
  return lengths.map((length) => {
    if (documents > 0 && (documents === limits.documents || bytes + length > limits.bytes)) {
      window++;
      documents = 0;
      bytes = 0;
    }
    documents++;
    bytes += length;
    return window;
  });
}

const anyOptions = fc.record({
  maxBytes: fc.constantFrom(1, 300, 2000, 1 << 16),
  padded: fc.boolean(),
  maxItems: fc.constantFrom(1, 3, 1000),
  window: fc.record({ documents: fc.constantFrom(1, 7, 65_536), bytes: fc.constantFrom(1, 900, 1 << 20) }),
});

describe('similarityBatch', () => {
  afterAll(() => sharedPool().close());

  it('hands every document on once, within the budget, the items and its window', async () => {
    const texts = mixedTexts(60);
    const lengths = texts.map(({ length }) => length);
    await fc.assert(
      fc.asyncProperty(anyOptions, async (options) => {
        const batches = await batched(texts, options);
        const found = numbersIn(batches);
        expect(found.flat().sort((a, b) => a - b)).toEqual([...texts.keys()]);
        const windows = windowsOf(lengths, options.window);
        const inOrder = found.map((batch) => new Set(batch.map((document) => windows[document])));
        expect(inOrder.every(({ size }) => size === 1)).toBe(true);
        const order = inOrder.map((window) => Math.max(...[...window].map((one) => one ?? 0)));
        expect(order).toEqual([...order].sort((a, b) => a - b));
        for (const [i, batch] of batches.entries()) {
          const own = batch.values.map(({ bytes }) => bytes.length);
          const sum = own.reduce((a, b) => a + b, 0);
          const longest = Math.max(...own);
          expect(batch).toMatchObject({ index: i, units: own.length, bytes: sum, longest });
          const tokens = options.padded ? own.length * (longest + 1) : sum + own.length;
          expect(own.length === 1 || (tokens <= options.maxBytes && own.length <= options.maxItems)).toBe(true);
          if (own.length === 1) expect(batch.similarity).toBeUndefined();
          else expect(batch.similarity).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('gives the same batches however many threads there are and however documents arrive', async () => {
    const texts = mixedTexts(700, 5);
    const options = { maxBytes: 4000, window: { documents: 300 } };
    const before = sharedPool().threads;
    onTestFinished(() => sharedPool().resize(before));
    const results: unknown[] = [];
    for (const [threads, chunk] of [
      [1, 700],
      [2, 1],
      [3, 64],
    ] as const) {
      sharedPool().resize(threads);
      const batches = await batched(texts, options, chunk);
      results.push(batches.map(({ similarity }, i) => [numbersIn(batches)[i], similarity]));
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('brings labelled documents of one cluster together, and fills batches', async () => {
    const labelled = labelledDocuments();
    const texts = labelled.map(({ text }) => text);
    const maxBytes = 32 << 10;
    const batches = await batched(texts, { maxBytes });
    const batchOf = new Map(numbersIn(batches).flatMap((batch, i) => batch.map((document) => [document, i] as const)));
    const inSource = new Map(inOrder(texts, maxBytes).flatMap((batch, i) => batch.map((one) => [one, i] as const)));
    const share = (of: ReadonlyMap<number, number>): number => {
      let [pairs, together] = [0, 0];
      for (const [i, { cluster }] of labelled.entries()) {
        for (let j = i + 1; j < labelled.length; j++) {
          if (labelled[j]?.cluster !== cluster) continue;
          pairs++;
          if (of.get(i) === of.get(j)) together++;
        }
      }
      return together / pairs;
    };
    expect(share(inSource)).toBeLessThan(0.05);
    expect(share(batchOf)).toBeGreaterThan(0.7);
    const mean = batches.reduce((sum, { similarity = 0 }) => sum + similarity, 0) / batches.length;
    expect(mean).toBeGreaterThan(0.1);
    const padded = batches.reduce((sum, { units, longest }) => sum + units * (longest + 1), 0);
    const content = batches.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(padded / content - 1).toBeLessThan(0.1);
    expect(padded / batches.length / maxBytes).toBeGreaterThan(0.85);
  });

  it('puts equal documents together, and is not troubled by windows of one kind', async () => {
    const text = randomBytes(3, 1000);
    const equal = await batched(Array.from({ length: 500 }, () => text));
    expect(equal.map(({ units }) => units)).toEqual([65, 65, 65, 65, 65, 65, 65, 45]);
    expect(equal.every(({ similarity }) => similarity === 1)).toBe(true);
    const different = await batched(Array.from({ length: 200 }, (_, i) => randomBytes(i + 9, 1000)));
    expect(different.map(({ units }) => units)).toEqual([65, 65, 65, 5]);
    expect(different.every(({ similarity = 1 }) => similarity < 0.02)).toBe(true);
    expect(numbersIn(await batched(Array.from({ length: 300 }, () => 'abcd')))).toEqual([[...Array(300).keys()]]);
    expect((await batched(['', ''])).map(({ similarity, longest }) => [similarity, longest])).toEqual([[0, 0]]);
    expect(await batched([])).toEqual([]);
  });

  it('takes a document beyond the budget, or the window, by itself', async () => {
    const huge = randomBytes(1, 300_000);
    const texts = ['before', huge, 'behind'];
    expect(numbersIn(await batched(texts))).toEqual([[0, 2], [1]]);
    expect(numbersIn(await batched(texts, { window: { bytes: 1000 } }))).toEqual([[0], [1], [2]]);
    expect(numbersIn(await batched([huge, huge, huge]))).toEqual([[0], [1], [2]]);
  });

  it('keeps the segments of a document together and in order, each with a beginning of its own', async () => {
    const part = (id: string, index: number, last: boolean) => segmentOf(randomBytes(index, 40), id, { index, last });
    const segments: Segment[] = [
      ...[part('a', 0, false), part('a', 1, false), part('a', 2, true)],
      part('b', 0, true),
      ...[part('c', 0, false), part('c', 1, false), part('c', 2, true)],
    ];
    const names = (batches: readonly Batch<Segment>[]) =>
      batches.map(({ values }) => values.map(({ document, index }) => `${document.id}${index}`).join(' '));
    const at = (maxBytes: number) =>
      all(pull(() => [segments]).pipe(similarityBatch({ maxBytes, padded: false, threshold: 1 })));
    expect(names(await at(287))).toEqual(['a0 a1 a2 c0 c1 c2 b0']);
    expect(names(await at(286)).length).toBe(2);
    expect(await at(287)).toMatchObject([{ units: 3, bytes: 280, longest: 120 }]);
  });

  it('stops when nobody listens any more', async () => {
    let read = 0;
    const endless = pull(function* () {
      for (;;) yield [documentOf(randomBytes(1, 1000), read++)];
    });
    const batches = iterate(endless.pipe(similarityBatch({ window: { documents: 100 } })));
    await batches.next();
    await batches.return?.();
    const soFar = read;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(read).toBe(soFar);
  });

  it('tells the planner what it holds, and what decides its output', () => {
    const stages: StageInfo[] = [];
    const monitor = {
      strict: true,
      stage: (info: StageInfo) => {
        stages.push(info);
        return { room: info.room, watch: () => {} };
      },
    };
    const options = { maxBytes: 1000, window: { documents: 100, bytes: 1 << 20 } };
    monitored(monitor, () =>
      pull<Document>(() => [])
        .pipe(similarityBatch(options))
        .subscribe()
        .unsubscribe(),
    );
    expect(stages.find(({ name }) => name === 'similarityBatch')?.options).toEqual({
      limits: { tokens: 1000, padded: true, documents: Number.MAX_SAFE_INTEGER },
      window: options.window,
      signing: { shingle: { of: 'bytes', length: 5 }, banding: { bands: 20, rows: 5 }, components: 100 },
      threshold: 0.5,
    });
    const holds = stages.reduce((sum, stage) => sum + (stage.holds ?? 0), 0);
    expect(holds).toBeGreaterThan(2 * (1 << 20) + 100 * 560);
    expect(holds).toBeLessThan(3 * (1 << 20) + (1 << 20));
  });

  it('refuses what is not possible', () => {
    for (const [options, code] of [
      [{ maxBytes: 0 }, 'BAD_LIMIT'],
      [{ maxItems: 1.5 }, 'BAD_LIMIT'],
      [{ window: { documents: 65_537 } }, 'BAD_WINDOW'],
      [{ window: { bytes: Number.NaN } }, 'BAD_WINDOW'],
      [{ threshold: 1.1 }, 'BAD_THRESHOLD'],
      [{ banding: { bands: 21, rows: 5 } }, 'BAD_BANDS'],
      [{ components: 0 }, 'BAD_COMPONENTS'],
      [{ shingle: { of: 'bytes', length: 0 } }, 'BAD_SHINGLE'],
    ] as const) {
      expect(() => similarityBatch(options), code).toThrow(expect.objectContaining({ name: 'PipelineError', code }));
    }
  });
});

describe('a document in a batch', () => {
  it('gets the same entropies, norms and states, bit for bit, as without one', async () => {
    const segments = mixedTexts(40, 9).map((bytes, i) => segmentOf(bytes, `d${i}`));
    const source = () => pull(() => [segments]);
    const alone = await all(source().pipe(embed({ model })));
    const together = await all(source().pipe(similarityBatch({ maxBytes: 2000 }), embed({ model })));
    const byDocument = (runs: typeof alone) =>
      new Map(
        segments.map(({ document: { id } }) => [
          id,
          runs
            .filter(({ segment }) => segment.document.id === id)
            .map(({ offset, last, entropies, norms, preNorm }) => ({ offset, last, entropies, norms, preNorm })),
        ]),
      );
    expect(together.map(({ segment }) => segment.document.id)).not.toEqual(
      alone.map(({ segment }) => segment.document.id),
    );
    expect(byDocument(together)).toEqual(byDocument(alone));
  });

  it('goes through a whole pipeline, whose output does not depend on workers', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'sluice-similarity-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const pipeline = definePipeline('alike', numbers([40, 30]))
      .pipe(pretokenize(), similarityBatch({ maxBytes: 64 }), embed({ model }), patch({ threshold: 2 }))
      .to(safetensors('shards'));
    const manifests: string[] = [];
    for (const workers of [1, 2]) {
      const output = path.join(folder, String(workers));
      const summary = await run(pipeline, { output, workers });
      expect(summary).toMatchObject({ rejects: 0, counts: { documents: 70, documents_read: 70 } });
      manifests.push(await readFile(path.join(output, 'manifest.json'), 'utf8'));
    }
    expect(manifests[1]).toBe(manifests[0]);
  });
});

/** Batches by source order, cut where the next document would exceed a padded budget. */
function inOrder(texts: readonly string[], maxBytes: number): number[][] {
  const batches: number[][] = [];
  let longest = 0;
  for (const [i, text] of texts.entries()) {
    const open = batches.at(-1);
    const tokens = Buffer.byteLength(text) + 1;
    longest = Math.max(longest, tokens);
    if (open !== undefined && (open.length + 1) * longest <= maxBytes) {
      open.push(i);
    } else {
      batches.push([i]);
      longest = tokens;
    }
  }
  return batches;
}

it('says in a plan what it compares by, and how large batches and windows are', async () => {
  const notes = await traitsOf(similarityBatch({ maxBytes: 1000 })).notes?.({
    sample: () => Promise.reject(new Error()),
  });
  expect(notes).toEqual([
    'similarityBatch: batches of 1000 tokens, padded, out of windows of 4096 documents or 67108864 bytes',
    'similarityBatch: 20 bands of 5 rows over shingles of 5 bytes; alike from 0.5 on; chance to be found by similarity: 0.5: 47 %, 0.7: 97.5 %, 0.9: 100 %',
  ]);
});
