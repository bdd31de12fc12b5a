import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import { iterate, monitored, pull, type StageInfo } from '../../src/flow/index.ts';
import { bandingForCosine } from '../../src/lsh/projections.ts';
import { type DedupVectorsOptions, dedupVectors } from '../../src/operators/dedupVectors.ts';
import { embed } from '../../src/operators/embed.ts';
import { patch } from '../../src/operators/patch.ts';
import { pretokenize } from '../../src/operators/pretokenize.ts';
import type { Document, Patches } from '../../src/records.ts';
import { run } from '../../src/run/run.ts';
import { traitsOf } from '../../src/run/stages.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { safetensors } from '../../src/sinks/safetensors.ts';
import { labelledDocuments, labelledPairs } from '../lsh/nearDuplicates.ts';
import { cosine, randomNormals, randomVector, vectorPair } from '../lsh/vectors.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { numbers } from '../support/lines.ts';
import { deduplicated, patchesOf } from './dedupVectors/flow.ts';

const DIM = 24;
const plain = { space: 'plain', threshold: 0.9 } as const;

/** Two patches that are enough to be judged by. */
const documentOf = (id: string, vector: Float32Array): Patches[] => patchesOf(id, [vector, vector]);

describe('dedupVectors of vectors as they are', () => {
  it('drops what is alike to a document that was kept, as a comparison with all of them does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
        async (seed, kinds) => {
          const normal = randomNormals(seed);
          const bases = Array.from({ length: 10 }, () => randomVector(normal, DIM));
          // copies lie well within the threshold, and unrelated vectors well beyond it
          const vectors = kinds.map((kind) => bases[kind]!.map((x) => (x + 0.02 * normal()) * 10));
          const kept: number[] = [];
          const wanted = vectors.flatMap((vector, i) => {
            const keeper = kept.find((other) => cosine(vectors[other]!, vector) >= 0.9);
            if (keeper !== undefined) return [{ id: `d${i}`, duplicate_of: `d${keeper}`, cluster: keeper }];
            kept.push(i);
            return [];
          });
          const outcome = await deduplicated(
            vectors.flatMap((vector, i) => documentOf(`d${i}`, vector)),
            plain,
          );
          expect(outcome.kept).toEqual(kept.map((i) => `d${i}`));
          expect(outcome.duplicates.map(({ id, duplicate_of, cluster }) => ({ id, duplicate_of, cluster }))).toEqual(
            wanted,
          );
          for (const { similarity, kind } of outcome.duplicates) {
            expect(kind).toBe('near');
            expect(similarity).toBeGreaterThan(0.99);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('gives the cosine of the means over bytes, and the place of what was dropped', async () => {
    const [a, b] = vectorPair(randomNormals(1), DIM, 0.97);
    const c = randomVector(randomNormals(2), DIM);
    // 3 parts of a and one of c, against 3 parts of b and one of c
    const { duplicates } = await deduplicated(
      [...patchesOf('first', [a, a, a, c]), ...patchesOf('second', [c, b, b, b], { perValue: 1 })],
      plain,
    );
    const mean = (vector: Float32Array): Float32Array => vector.map((x, i) => (3 * x + c[i]!) / 4);
    expect(duplicates).toEqual([
      {
        id: 'second',
        duplicate_of: 'first',
        similarity: Math.round(cosine(mean(a), mean(b)) * 1e6) / 1e6,
        cluster: 0,
        kind: 'near',
        uri: 'second.txt',
        position: { ordinal: 3 },
      },
    ]);
  });

  it('finds as many pairs above the threshold as its bands promise, and none below', async () => {
    const normal = randomNormals(3);
    const pairs = Array.from({ length: 600 }, (_, i) => vectorPair(normal, 64, i % 2 === 0 ? 0.95 : 0.85));
    const values = pairs.flatMap(([a, b], i) => [...documentOf(`${i}`, a), ...documentOf(`${i} again`, b)]);
    for (const verify of ['exact', 'bits'] as const) {
      const { duplicates } = await deduplicated(values, { ...plain, verify });
      const above = duplicates.filter(({ id }) => Number.parseInt(id, 10) % 2 === 0);
      expect(above.length / 300).toBeGreaterThan(0.97);
      expect(duplicates.every(({ id, duplicate_of }) => id === `${duplicate_of} again`)).toBe(true);
      // by bits alone a pair at 0.85 is taken for one at 0.9 now and then
      expect(duplicates.length - above.length).toBeLessThanOrEqual(verify === 'exact' ? 0 : 30);
    }
  });

  it('lets what has no direction or is short pass, and counts it in numbers of documents', async () => {
    const vector = randomVector(randomNormals(4), DIM);
    const zero = new Float32Array(DIM);
    const short = (id: string): Patches[] => patchesOf(id, [vector], { length: 63 });
    const { kept, duplicates } = await deduplicated(
      [
        ...documentOf('0', zero),
        ...documentOf('1', zero),
        ...short('2'),
        ...documentOf('3', vector),
        ...short('4'),
        ...documentOf('5', vector),
      ],
      plain,
    );
    expect(kept).toEqual(['0', '1', '2', '3', '4']);
    expect(duplicates).toMatchObject([{ id: '5', duplicate_of: '3', cluster: 3, similarity: 1 }]);
  });

  it('forgets documents beyond its window', async () => {
    const normal = randomNormals(5);
    const vectors = Array.from({ length: 40 }, () => randomVector(normal, DIM));
    const again = (window: DedupVectorsOptions['window']) =>
      deduplicated(
        [...vectors, ...vectors].flatMap((vector, i) => documentOf(`${i}`, vector)),
        { ...plain, window },
      ).then(({ duplicates }) => duplicates.length);
    expect(await again({ documents: 100 })).toBe(40);
    // the first copy meets the first half gone
    expect(await again({ documents: 30 })).toBe(0);
    const perDocument = 2 * 32 + 4 + 8 * 28 + 4 * DIM + 160;
    expect(await again({ bytes: 100 * perDocument })).toBe(40);
    expect(await again({ bytes: 30 * perDocument })).toBe(0);
    await expect(again({ documents: 1 })).rejects.toMatchObject({ code: 'BAD_WINDOW' });
    await expect(again({ bytes: perDocument })).rejects.toMatchObject({ code: 'BAD_WINDOW' });
  });

  it('has room for long ids by forgetting more documents', async () => {
    const normal = randomNormals(6);
    const vectors = Array.from({ length: 20 }, () => randomVector(normal, DIM));
    const name = (i: number): string => `${i} ${'x'.repeat(200)}`;
    const values = [...vectors, ...vectors].flatMap((vector, i) => documentOf(name(i), vector));
    const { duplicates } = await deduplicated(values, { ...plain, window: { documents: 20 } });
    expect(duplicates).toEqual([]);
    const last = [...vectors, vectors[19]!].flatMap((vector, i) => documentOf(name(i), vector));
    expect((await deduplicated(last, { ...plain, window: { documents: 20 } })).duplicates).toHaveLength(1);
  });

  it('judges a long document by its beginning, and lets the rest stream', async () => {
    const normal = randomNormals(7);
    const [a, b] = [randomVector(normal, DIM), randomVector(normal, DIM)];
    const long = (id: string, rest: Float32Array): Patches[] =>
      patchesOf(id, [...Array(8).fill(a), ...Array(92).fill(rest)], { length: 128, perValue: 4 });
    const seen: string[] = [];
    const values = [...long('first', b), ...long('second', a)];
    const flow = pull(function* () {
      for (const value of values) {
        seen.push(`in ${value.segment.document.id} ${value.offset}`);
        yield [value];
      }
    }).pipe(
      dedupVectors({ ...plain, headBytes: 1024 }),
      map((value) => seen.push(`out ${value.segment.document.id} ${value.offset}`)),
    );
    for await (const _ of iterate(flow));
    // 8 patches of 128 bytes have come: the document is judged before the next one is asked for
    expect(seen.slice(0, 3)).toEqual(['in first 0', 'in first 512', 'out first 0']);
    for (let offset = 512; offset <= 11_264; offset += 512) {
      expect(seen.indexOf(`out first ${offset}`)).toBeLessThan(seen.indexOf(`in first ${offset + 1024}`));
    }
    expect(seen.filter((one) => one.startsWith('out'))).toHaveLength(25);
  });

  it('holds no more than it may: a document that fills the room is judged by what has come', async () => {
    const vector = randomVector(randomNormals(8), DIM);
    const long = patchesOf('long', Array(1000).fill(vector), { perValue: 1 });
    let inside = 0;
    let most = 0;
    const flow = pull(function* () {
      for (const value of long) {
        most = Math.max(most, ++inside);
        yield [value];
      }
    }).pipe(
      dedupVectors({ holdBytes: 20_000 }),
      map(() => inside--),
    );
    for await (const _ of iterate(flow));
    expect(inside).toBe(0);
    // a value takes 144 bytes, the mean 16 for each of 24 dimensions, a window of 256 bytes 96
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThan(145);
  });

  it('judges a document that breaks off by what came of it', async () => {
    const normal = randomNormals(13);
    const [a, b] = [randomVector(normal, DIM), randomVector(normal, DIM)];
    const broken = patchesOf('broken', [a, a, a, a], { perValue: 2 }).slice(0, 1);
    const parts = (id: string, vector: Float32Array): Patches[] =>
      patchesOf(id, Array(9).fill(vector), { perValue: 2 });
    const { kept, duplicates, values } = await deduplicated([...broken, ...parts('b', b), ...parts('a', a)], plain);
    expect(kept).toEqual(['broken', 'b']);
    expect(values).toHaveLength(6);
    expect(duplicates).toMatchObject([{ id: 'a', duplicate_of: 'broken', similarity: 1 }]);
  });

  it('gives the same however documents are cut into values', async () => {
    const normal = randomNormals(9);
    const documents = Array.from({ length: 90 }, (_, i) => {
      const base = i % 3 === 2 ? undefined : randomVector(normal, DIM);
      return { id: `${i}`, vectors: Array.from({ length: 30 }, () => base ?? randomVector(normal, DIM)) };
    });
    const outcomes = await Promise.all(
      [1, 7, 30].map((perValue) =>
        deduplicated(
          documents.flatMap(({ id, vectors }) => patchesOf(id, vectors, { perValue })),
          { threshold: 0.5, headBytes: 500 },
        ),
      ),
    );
    for (const { duplicates, kept } of outcomes)
      expect({ duplicates, kept }).toEqual({ duplicates: outcomes[0]!.duplicates, kept: outcomes[0]!.kept });
  });
});

describe('dedupVectors in a whitened space', () => {
  /** Vectors of a language model: far from the origin, along one direction above all. */
  const stateOf = (normal: () => number, kind: Float32Array): Float32Array =>
    kind.map((x, i) => (i === 0 ? 400 + 50 * normal() : 20 * Math.sin(i) + x + 0.02 * normal()));

  it('tells apart what all but shares one direction, and learns as documents come', async () => {
    const normal = randomNormals(10);
    const kinds = Array.from({ length: 200 }, () => randomVector(normal, DIM));
    const document = (id: string, kind: Float32Array): Patches[] => {
      const own = stateOf(normal, kind);
      return patchesOf(
        id,
        Array.from({ length: 20 }, () => own.map((x) => x + 0.01 * normal())),
      );
    };
    const values = [...kinds, ...kinds].flatMap((kind, i) => {
      const [first] = kind;
      return document(
        `${i}`,
        kind.map((x, k) => (k === 0 ? first! : x)),
      );
    });
    const copies = values.slice(0, 200).flatMap((value) => {
      const embeddings = Array.from({ length: 20 }, (_, i) => value.embeddings.subarray(i * DIM, (i + 1) * DIM));
      return patchesOf(
        `copy of ${value.segment.document.id}`,
        embeddings.map((x) => x.map((y) => y + 0.001 * normal())),
      );
    });
    const { duplicates } = await deduplicated([...values.slice(0, 200), ...copies]);
    expect(duplicates.every(({ id, duplicate_of }) => id === `copy of ${duplicate_of}`)).toBe(true);
    expect(duplicates.length).toBeGreaterThan(195);
    // as they are, nearly every two of them are alike
    const asTheyAre = await deduplicated(values.slice(0, 200), { space: 'plain', threshold: 0.9 });
    expect(asTheyAre.duplicates.length).toBeGreaterThan(100);
  });

  it('knows copies where every document is the same, or there are few', async () => {
    const normal = randomNormals(11);
    const vectors = Array.from({ length: 9 }, () => randomVector(normal, DIM));
    const same = Array.from({ length: 300 }, (_, i) => patchesOf(`${i}`, vectors.slice(0, 2))).flat();
    expect((await deduplicated(same)).kept).toEqual(['0']);
    const longer = Array.from({ length: 300 }, (_, i) => patchesOf(`${i}`, vectors, { length: 200 })).flat();
    expect((await deduplicated(longer)).kept).toEqual(['0']);
    const few = ['a', 'b', 'c', 'a', 'b'].flatMap((kind, i) => {
      const first = kind.charCodeAt(0) - 97;
      return patchesOf(`${i}`, vectors.slice(3 * first, 3 * first + 3), { length: 100 });
    });
    expect((await deduplicated(few)).kept).toEqual(['0', '1', '2']);
    expect((await deduplicated([])).kept).toEqual([]);
  });
});

describe('dedupVectors in a plan', () => {
  it('declares what it holds, and everything that decides its output', async () => {
    const stages: StageInfo[] = [];
    const monitor = {
      strict: false,
      stage: (info: StageInfo) => {
        stages.push(info);
        return { room: info.room, watch: () => {} };
      },
    };
    const options = { threshold: 0.8, window: { documents: 50, bytes: 5e6 }, holdBytes: 1e6, headBytes: 4096 };
    monitored(monitor, () =>
      pull<Patches>(() => [])
        .pipe(dedupVectors(options))
        .subscribe(),
    );
    const stage = stages.find(({ name }) => name === 'dedupVectors');
    expect(stage?.holds).toBeGreaterThan(6e6);
    expect(stage?.options).toEqual({
      ...options,
      space: 'whitened',
      bits: 512,
      banding: bandingForCosine(0.8, 512),
      verify: 'exact',
      leastBytes: 64,
      dir: 'duplicates-vectors',
    });
  });
});

describe('dedupVectors refuses', () => {
  const vector = randomVector(randomNormals(12), DIM);

  it('patches without embeddings', async () => {
    const values = documentOf('a', vector).map((value) => ({ ...value, dim: 0, embeddings: new Float32Array(0) }));
    await expect(deduplicated(values)).rejects.toMatchObject({
      code: 'NO_EMBEDDINGS',
      path: 'a.txt',
      position: { ordinal: 3 },
      hint: expect.stringContaining('preNorm'),
    });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('a state of %d', async (wrong) => {
    const bad = vector.map((x, i) => (i === 5 ? wrong : x));
    await expect(deduplicated(patchesOf('a', [vector, bad]))).rejects.toMatchObject({
      code: 'BAD_VECTOR',
      path: 'a.txt',
      message: "the states of document 'a' are not finite",
    });
  });

  it.each<[DedupVectorsOptions, string]>([
    [{ threshold: 0 }, 'BAD_THRESHOLD'],
    [{ threshold: 1 }, 'BAD_THRESHOLD'],
    [{ threshold: Number.NaN, banding: { bands: 2, rows: 8 } }, 'BAD_THRESHOLD'],
    [{ bits: 100 }, 'BAD_COMPONENTS'],
    [{ bits: 64, banding: { bands: 9, rows: 8 } }, 'BAD_BANDS'],
    [{ verify: 'bits' }, 'BAD_OPTION'],
    [{ headBytes: 0 }, 'BAD_OPTION'],
    [{ holdBytes: Number.NaN }, 'BAD_OPTION'],
    [{ window: { bytes: Number.POSITIVE_INFINITY } }, 'BAD_OPTION'],
    [{ dir: '../elsewhere' }, 'BAD_FOLDER'],
  ])('%j', (options, code) => {
    expect(() => dedupVectors(options)).toThrow(expect.objectContaining({ code }));
  });

  it.each(['space', 'verify'])('an unknown %s', (option) => {
    // as a caller without types may give it
    const options = { [option]: 'other' } as DedupVectorsOptions;
    expect(() => dedupVectors(options)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});

describe('dedupVectors behind the model', () => {
  it('drops near copies of texts and nothing else, and lists them in an output that verifies', async () => {
    const pairs = labelledPairs().filter(({ jaccard }) => jaccard >= 0.8);
    const copied = new Set(pairs.flatMap(({ a, b }) => [a, b]));
    const texts = labelledDocuments().filter(({ text }) => text.length > 300 && text.length < 1500);
    const some = texts.filter(({ id }, i) => copied.has(id) || i % 8 === 0).slice(0, 110);
    const documents = some.map(
      ({ id, text }, ordinal): Document => ({
        id,
        source: { split: '00000', uri: 'texts', position: { ordinal } },
        bytes: Buffer.from(text),
        meta: {},
      }),
    );
    const output = await temporaryFolder();
    const pipeline = definePipeline('alike', { ...numbers([documents.length]), read: () => pull(() => [documents]) })
      .pipe(pretokenize(), embed({ device: 'cpu' }), patch(), dedupVectors({ threshold: 0.85 }))
      .to(safetensors('shards'));
    const { counts } = await run(pipeline, { output, workers: 2 });
    const lines = await readFile(path.join(output, 'duplicates-vectors/00000.jsonl'), 'utf8');
    const duplicates = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(counts).toMatchObject({ documents: some.length - duplicates.length, duplicates: duplicates.length });
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });

    const clusterOf = new Map(some.map(({ id, cluster }) => [id, cluster]));
    for (const { id, duplicate_of } of duplicates) expect(clusterOf.get(id)).toBe(clusterOf.get(duplicate_of));
    const dropped = new Set(duplicates.map(({ id }) => id));
    const near = pairs.filter(({ a, b }) => clusterOf.has(a) && clusterOf.has(b));
    expect(near.length).toBeGreaterThan(20);
    expect(near.filter(({ a, b }) => dropped.has(a) || dropped.has(b)).length / near.length).toBeGreaterThan(0.85);
  });
});

it('says in a plan what it compares by', async () => {
  const notes = await traitsOf(dedupVectors()).notes?.({ sample: () => Promise.reject(new Error()) });
  expect(notes).toEqual([
    'dedupVectors: 28 bands of 18 bits out of 512, whitened vectors; verified by exact at 0.9',
    'dedupVectors: chance to be a candidate by cosine: 0.5: 1.88 %, 0.8: 36.6 %, 0.9: 83.1 %',
  ]);
});
