import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { lastValueFrom, toArray } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { monitored, pull, type StageInfo } from '../../src/flow/index.ts';
import { UnionFind } from '../../src/lsh/unionFind.ts';
import { type DedupOptions, type Duplicate, dedup } from '../../src/operators/index.ts';
import type { Document, Segment } from '../../src/records.ts';
import { sharedPool } from '../../src/run/pool.ts';
import { agreement, labelledDocuments } from '../lsh/nearDuplicates.ts';
import { randomBytes, randomNumbers, relatedTexts } from '../lsh/texts.ts';
import { deduplicated, documentOf, documentsOf } from './dedup/flow.ts';
import { segmentOf } from './segments.ts';

const text = (seed: number, bytes = 600): Uint8Array => relatedTexts(seed, bytes, 0)[0];
/** Two halves of one document are half alike with it. */
const joined = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);
const ids = (documents: readonly Document[]): string[] => documents.map(({ id }) => id);

describe('documents with equal bytes', () => {
  it('are dropped but for the first, and listed with it', async () => {
    const { kept, duplicates } = await deduplicated(documentsOf([text(1), text(2), text(1), text(2), text(1)]));
    expect(ids(kept)).toEqual(['d0', 'd1']);
    expect(duplicates.map(({ id, duplicate_of }) => [id, duplicate_of])).toEqual([
      ['d2', 'd0'],
      ['d3', 'd1'],
      ['d4', 'd0'],
    ]);
    expect(duplicates[1]).toEqual({
      id: 'd3',
      duplicate_of: 'd1',
      similarity: 1,
      cluster: 1,
      kind: 'exact',
      uri: 'texts',
      position: { ordinal: 3 },
    });
  });

  it('are all that is dropped where no near duplicates are looked for', async () => {
    const [a, b] = relatedTexts(3, 2000, 0.01);
    expect(ids((await deduplicated(documentsOf([a, b, a]), { near: false })).kept)).toEqual(['d0', 'd1']);
    expect(ids((await deduplicated(documentsOf([a, b, a]))).kept)).toEqual(['d0']);
  });
});

describe('documents that are alike', () => {
  it.each(['signature', 'jaccard'] as const)('are dropped from the threshold on, by %s', async (verify) => {
    const [a, b] = relatedTexts(4, 4000, 0.05);
    const near = await deduplicated(documentsOf([a, b]), { verify });
    expect(near.duplicates).toMatchObject([{ id: 'd1', duplicate_of: 'd0', cluster: 0, kind: 'near' }]);
    const [similarity = 0] = near.duplicates.map((duplicate) => duplicate.similarity);
    expect(similarity).toBeGreaterThan(0.6);
    expect(similarity).toBeLessThan(0.9);
    const banding = { bands: 20, rows: 5 };
    expect((await deduplicated(documentsOf([a, b]), { verify, banding, threshold: 0.95 })).kept).toHaveLength(2);
  });

  it('are dropped even where the one that they are like was dropped itself', async () => {
    const pieces = Array.from({ length: 8 }, (_, i) => text(20 + i, 400));
    // half alike with the next one; from the third on they have nothing in common with the first
    const chain = pieces.slice(3).map((_, i) => joined(...pieces.slice(i, i + 3)));
    const options: DedupOptions = { threshold: 0.35 };
    const { kept, duplicates } = await deduplicated(documentsOf(chain), options);
    expect(ids(kept)).toEqual(['d0']);
    expect(duplicates.every(({ duplicate_of, cluster }) => duplicate_of === 'd0' && cluster === 0)).toBe(true);
    const apart = chain.filter((_, i) => i % 3 === 0);
    expect((await deduplicated(documentsOf(apart), options)).duplicates).toEqual([]);
  });

  it('are dropped for the copy of one that was dropped, too: near, and as similar as that one', async () => {
    const [a, b] = relatedTexts(9, 4000, 0.05);
    const { duplicates } = await deduplicated(documentsOf([a, b, b]));
    expect(duplicates[1]).toEqual({ ...duplicates[0], id: 'd2', position: { ordinal: 2 } });
  });

  it('make clusters one: the earliest of what was kept wins, and the line says which are joined', async () => {
    const [a, b] = [text(10), text(11)];
    const both = joined(a, b);
    const { kept, duplicates } = await deduplicated(documentsOf([text(12), b, a, both, a, b]), { threshold: 0.3 });
    expect(ids(kept)).toEqual(['d0', 'd1', 'd2']);
    expect(duplicates).toMatchObject([
      { id: 'd3', duplicate_of: 'd1', cluster: 1, joins: [2], kind: 'near' },
      { id: 'd4', duplicate_of: 'd2', cluster: 1, kind: 'exact' },
      { id: 'd5', duplicate_of: 'd1', cluster: 1, kind: 'exact' },
    ]);
    expect(duplicates.slice(1).every(({ joins }) => joins === undefined)).toBe(true);
  });
});

describe('documents without a shingle', () => {
  it("are nobody's duplicate, not even of their equals", async () => {
    const short = ['', 'abcd', 'abcd', '', 'abcde', 'abcde'];
    const { kept, duplicates } = await deduplicated(documentsOf(short));
    expect(ids(kept)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4']);
    expect(duplicates).toMatchObject([{ id: 'd5', duplicate_of: 'd4', cluster: 4 }]);
  });

  it('are those of too few words where shingles are words', async () => {
    const shingle = { of: 'words', length: 3 } as const;
    const two = ['one two', ' one  two ', 'one two'];
    const three = ['one two three', 'one  two\nthree ', 'one two three'];
    const { duplicates } = await deduplicated(documentsOf([...two, ...three]), { shingle });
    expect(duplicates.map(({ id, kind }) => [id, kind])).toEqual([
      ['d4', 'near'],
      ['d5', 'exact'],
    ]);
  });

  it('are duplicates of their equals where bytes alone are compared, unless they are empty', async () => {
    const { kept } = await deduplicated(documentsOf(['', 'a', 'a', '', 'abcd', 'abcd']), { near: false });
    expect(ids(kept)).toEqual(['d0', 'd1', 'd3', 'd4']);
  });
});

describe('segments', () => {
  it('of a document go together or stay together, compared as one', async () => {
    const content = text(13, 300);
    const cut = (id: string, at: number): Segment[] => [
      segmentOf(content.subarray(0, at), id, { index: 0, last: false }),
      segmentOf(content.subarray(at), id, { index: 1, last: true }),
    ];
    const other = segmentOf(text(14), 'other');
    const { kept, duplicates } = await deduplicated([...cut('a', 100), other, ...cut('b', 37)]);
    expect(kept.map(({ document, index }) => `${document.id}${index}`)).toEqual(['a0', 'a1', 'other0']);
    expect(duplicates).toMatchObject([{ id: 'b', duplicate_of: 'a', kind: 'exact', uri: 'b.txt' }]);
  });
});

/** Documents out of a few texts with edits, and their copies: most have duplicates. */
const someDocuments = fc
  .array(fc.record({ seed: fc.integer({ min: 1, max: 4 }), edits: fc.constantFrom(0, 0, 0.02, 0.1, 0.4) }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((sketches) => documentsOf(sketches.map(({ seed, edits }) => relatedTexts(seed, 400, edits)[1])));
const window = fc.constantFrom({}, { documents: 2 }, { documents: 9 });
const someOptions = fc.oneof(
  fc.record({
    verify: fc.constantFrom('signature' as const, 'jaccard' as const),
    threshold: fc.constantFrom(0.3, 0.5, 0.9),
    window,
  }),
  fc.record({ near: fc.constant(false), window }),
);

describe('whatever comes', () => {
  afterEach(() => sharedPool().resize(2));

  it('each document is kept or listed, once and in order, behind one that was kept before it', async () => {
    await fc.assert(
      fc.asyncProperty(someDocuments, someOptions, async (documents, options) => {
        const { kept, duplicates } = await deduplicated(documents, options);
        const numberOf = new Map(documents.map(({ id }, number) => [id, number]));
        const numbers = (of: readonly { readonly id: string }[]): number[] =>
          of.map(({ id }) => numberOf.get(id) ?? -1);
        expect([...numbers(kept), ...numbers(duplicates)].sort((a, b) => a - b)).toEqual([...documents.keys()]);
        for (const list of [kept, duplicates]) expect(numbers(list)).toEqual(numbers(list).toSorted((a, b) => a - b));
        const isKept = new Set(ids(kept));
        for (const { id, duplicate_of, cluster, joins = [] } of duplicates) {
          expect(isKept).toContain(duplicate_of);
          expect(numberOf.get(duplicate_of)).toBeLessThan(numberOf.get(id) ?? -1);
          for (const first of [cluster, ...joins]) expect(isKept).toContain(documents[first]?.id);
          expect(joins.every((other) => other > cluster)).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('the result does not depend on the number of threads', async () => {
    const next = randomNumbers(1);
    const documents = documentsOf(
      Array.from(
        { length: 3000 },
        () => relatedTexts((next() % 900) + 1, 100 + (next() % 2000), 0.05 * (next() % 3))[1],
      ),
    );
    const results: unknown[] = [];
    for (const threads of [1, 2, 5]) {
      sharedPool().resize(threads);
      const { kept, duplicates } = await deduplicated(documents);
      results.push({ kept: ids(kept), duplicates });
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect((results[0] as { duplicates: Duplicate[] }).duplicates.length).toBeGreaterThan(1000);
  });

  it('the result does not depend on where batches are cut', async () => {
    const documents = labelledDocuments().map(({ id, text: content }, i) => documentOf(content, i, id));
    const plain = await deduplicated(documents);
    for (const before of [1, 333]) {
      // batches end elsewhere behind documents that are like nobody's
      const padding = Array.from({ length: before }, (_, i) => documentOf('', i, `pad${i}`));
      const padded = await deduplicated([...padding, ...documents]);
      expect(ids(padded.kept).slice(before)).toEqual(ids(plain.kept));
      const shifted = padded.duplicates.map(({ cluster, joins, ...rest }) => ({
        ...rest,
        cluster: cluster - before,
        ...(joins === undefined ? {} : { joins: joins.map((other) => other - before) }),
      }));
      expect(shifted).toEqual(plain.duplicates);
    }
  });
});

describe.each([
  { bands: 25, rows: 4, recall: 0.91 },
  { bands: 20, rows: 5, recall: 0.87 },
])('the labelled set in $bands bands of $rows rows', ({ bands, rows, recall }) => {
  it('has no unlike documents in a cluster, and most that are alike', async () => {
    const labelled = labelledDocuments();
    const documents = labelled.map(({ id, text: content }, i) => documentOf(content, i, id));
    const { duplicates } = await deduplicated(documents, { banding: { bands, rows } });
    const numberOf = new Map(documents.map(({ id }, number) => [id, number]));
    const sets = new UnionFind(documents.length);
    for (const { id, cluster, joins = [] } of duplicates) {
      for (const other of [cluster, ...joins]) sets.join(numberOf.get(id) ?? -1, other);
    }
    const found = agreement(sets);
    expect(found.precision).toBe(1);
    expect(found.recall).toBeGreaterThanOrEqual(recall);
  });
});

describe('input made to be difficult', () => {
  it('is no trouble: one document a hundred thousand times', { timeout: 30_000 }, async () => {
    const same = text(15, 40);
    let copies = 0;
    const flow = pull(function* () {
      for (let n = 0; n < 100_000; n++) yield [documentOf(same, n)];
    }).pipe(
      dedup({
        onDuplicate: ({ duplicate_of, kind }) => {
          if (duplicate_of === 'd0' && kind === 'exact') copies++;
        },
      }),
      toArray(),
    );
    expect(ids(await lastValueFrom(flow))).toEqual(['d0']);
    expect(copies).toBe(99_999);
  });

  it('is no trouble: runs of one byte, of every length', async () => {
    const runs = Array.from({ length: 300 }, (_, i) => new Uint8Array(i).fill(65));
    const { kept, duplicates } = await deduplicated(documentsOf(runs));
    expect(ids(kept)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4', 'd5']);
    expect(
      new Set(duplicates.map(({ duplicate_of, similarity, kind }) => `${duplicate_of} ${similarity} ${kind}`)),
    ).toEqual(new Set(['d5 1 near']));
  });

  it.each([
    { bytes: 100 << 20, verify: 'signature' },
    { bytes: 3 << 20, verify: 'jaccard' },
  ] as const)(
    'is no trouble: a document of $bytes bytes, by $verify',
    { timeout: 60_000 },
    async ({ bytes, verify }) => {
      const large = Buffer.alloc(bytes, randomBytes(16, 99_991));
      const edited = Buffer.from(large).fill(0, 0, 1000);
      const { kept, duplicates } = await deduplicated(documentsOf([text(17), large, text(17), edited, large]), {
        verify,
      });
      expect(ids(kept)).toEqual(['d0', 'd1']);
      expect(duplicates.map(({ id, duplicate_of, kind }) => [id, duplicate_of, kind])).toEqual([
        ['d2', 'd0', 'exact'],
        ['d3', 'd1', 'near'],
        ['d4', 'd1', 'exact'],
      ]);
    },
  );
});

describe('onDuplicate', () => {
  const pairs = documentsOf(Array.from({ length: 400 }, (_, i) => text((i % 200) + 1, 100)));

  it('is awaited, one at a time', async () => {
    let [atWork, most] = [0, 0];
    const heard: string[] = [];
    const onDuplicate = async ({ id }: Duplicate): Promise<void> => {
      most = Math.max(most, ++atWork);
      await turn();
      atWork--;
      heard.push(id);
    };
    const kept = await lastValueFrom(pull(() => [pairs]).pipe(dedup({ onDuplicate }), toArray()));
    expect(ids(kept)).toEqual(ids(pairs.slice(0, 200)));
    expect(heard).toEqual(ids(pairs.slice(200)));
    expect(most).toBe(1);
  });

  it('fails the flow when it fails, and need not be there', async () => {
    const onDuplicate = (): Promise<void> => Promise.reject(new Error('the list is full'));
    const flow = pull(() => [pairs]);
    await expect(lastValueFrom(flow.pipe(dedup({ onDuplicate })))).rejects.toThrow('the list is full');
    expect(await lastValueFrom(flow.pipe(dedup(), toArray()))).toHaveLength(200);
  });
});

describe('what the operator says of itself', () => {
  async function stagesOf(options: DedupOptions): Promise<StageInfo[]> {
    const stages: StageInfo[] = [];
    const monitor = {
      strict: true,
      stage: (info: StageInfo) => {
        stages.push(info);
        return { room: info.room, watch: () => {} };
      },
    };
    await monitored(monitor, () => lastValueFrom(pull(() => [documentsOf([text(1)])]).pipe(dedup(options), toArray())));
    return stages;
  }

  it('is everything that decides the result', async () => {
    const options = { threshold: 0.7, dir: 'dropped', window: { documents: 500 }, verify: 'jaccard' } as const;
    const stage = (await stagesOf(options)).find(({ name }) => name === 'dedup');
    expect(stage?.options).toMatchObject({ ...options, scope: 'split', near: true, components: 100 });
    expect(JSON.parse(JSON.stringify(stage?.options))).toEqual(stage?.options);
  });

  it('is the memory that its window takes', async () => {
    const holds = async (options: DedupOptions): Promise<number> =>
      (await stagesOf(options)).find(({ name }) => name === 'dedup.window')?.holds ?? 0;
    expect(await holds({})).toBeGreaterThan(40e6);
    expect(await holds({})).toBeLessThan(70e6);
    expect(await holds({ window: { bytes: 256e6 } })).toBeGreaterThan(256e6);
    expect(await holds({ near: false })).toBeLessThan(20e6);
  });
});

it.each<[DedupOptions, string]>([
  [{ threshold: 0 }, 'BAD_THRESHOLD'],
  [{ threshold: 1 }, 'BAD_THRESHOLD'],
  [{ threshold: Number.NaN }, 'BAD_THRESHOLD'],
  [{ banding: { bands: 21, rows: 5 }, components: 100 }, 'BAD_BANDS'],
  [{ banding: { bands: Number.NaN, rows: 5 } }, 'BAD_BANDS'],
  [{ components: 0 }, 'BAD_COMPONENTS'],
  [{ shingle: { of: 'bytes', length: 65 } }, 'BAD_SHINGLE'],
  [{ window: { documents: 1 } }, 'BAD_WINDOW'],
  [{ window: { bytes: 1000 } }, 'BAD_WINDOW'],
  [{ dir: 'a/b' }, 'BAD_FOLDER'],
])('refuses %j at once: %s', (options, code) => {
  expect(() => dedup(options)).toThrow(expect.objectContaining({ name: 'PipelineError', code }));
});
