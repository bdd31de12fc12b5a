import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { type Observable, tap } from 'rxjs';
import type { Batch, Document, Segment } from 'sluice';
import { drain, pull } from 'sluice/flow';
import { defaultModelDir, type EntropyModel, openModel } from 'sluice/model';
import { embed, pretokenize, similarityBatch } from 'sluice/operators';
import { packDocuments } from '../src/lsh/documentBatch.ts';
import { Signer } from '../src/lsh/signer.ts';
import { meanSimilarity } from '../src/lsh/similarityGroups.ts';
import { labelledDocuments } from '../test/lsh/nearDuplicates.ts';
import { randomNumbers } from '../test/lsh/texts.ts';
import { type Bench, median, time } from './harness.ts';

const WINDOW = 4096;
const BUDGETS = [16, 64, 256];
/** Mean length of a text; the logarithm has a standard deviation of 1, as among pages of the web. */
const MEAN = 2038;
const ROUNDS = 3;
/** Content that a model is given in one round: some four seconds. */
const MODEL_BYTES = 160_000;

interface Text {
  readonly bytes: Uint8Array;
  /** Alike texts have the same; undefined where nothing is known. */
  readonly cluster?: number;
}

/** Batches of places in a list of texts. */
type Arrangement = readonly (readonly number[])[];

/**
 * What `similarityBatch` does to padding and to the similarity within batches, against documents in the order of the
 * source and documents sorted by length in the same window, cut at the same padded budget; and whether it makes a model
 * faster: the CPU model, which does not pad, and one that computes every document as long as the longest of its batch.
 * Texts: the labelled near-duplicates, and the same strewn among plain texts of log-normal length, cut from the files of
 * the folder `SLUICE_TEXTS` (default: the novel in samples).
 */
export default async function similarity(bench: Bench): Promise<void> {
  const labelled = labelledDocuments().map(({ text, cluster }) => ({ bytes: Buffer.from(text), cluster }));
  const sets = { labelled, mixed: shuffled([...labelled, ...plainTexts()]) };
  for (const [name, texts] of Object.entries(sets)) {
    for (const budget of BUDGETS) await figures(bench, `${name}, ${budget} KiB`, texts, budget << 10);
  }
  await alone(bench, sets.mixed);
  // on one thread it does not matter how many documents a batch has
  const model = await openModel(defaultModelDir(), { threads: 1 });
  await padding(bench, model, sets.labelled);
  await model.close();
  await flow(
    bench,
    labelled.filter(({ bytes }) => bytes.length > 0),
  );
}

async function arrangements(texts: readonly Text[], tokens: number): Promise<Record<string, Arrangement>> {
  const all = [...texts.keys()];
  const lengthOf = (place: number): number => texts[place]?.bytes.length ?? 0;
  const windows = Array.from({ length: Math.ceil(all.length / WINDOW) }, (_, i) =>
    all.slice(i * WINDOW, (i + 1) * WINDOW),
  );
  const cut = (places: readonly number[]): number[][] => {
    const batches: number[][] = [];
    let longest = 0;
    for (const place of places) {
      const open = batches.at(-1);
      longest = Math.max(longest, lengthOf(place) + 1);
      if (open !== undefined && (open.length + 1) * longest <= tokens) {
        open.push(place);
      } else {
        batches.push([place]);
        longest = lengthOf(place) + 1;
      }
    }
    return batches;
  };
  const sorted = (window: readonly number[]): number[] => [...window].sort((a, b) => lengthOf(b) - lengthOf(a));
  const batches: number[][] = [];
  const note = ({ values }: Batch<Document>): number =>
    batches.push(values.map(({ source }) => source.position.ordinal));
  await drain(documents(texts).pipe(similarityBatch({ maxBytes: tokens, window: { documents: WINDOW } }), tap(note)));
  return {
    similarityBatch: batches,
    'source order': windows.flatMap(cut),
    'sorted by length': windows.flatMap((window) => cut(sorted(window))),
  };
}

async function figures(bench: Bench, name: string, texts: readonly Text[], tokens: number): Promise<void> {
  const { similarityBatch: own = [], ...peers } = await arrangements(texts, tokens);
  const signed = new Signer().sign(packDocuments(texts.map(({ bytes }) => bytes)));
  const measures: Record<string, { readonly unit: string; of(batches: Arrangement): number }> = {
    padding: { unit: 'of content', of: (batches) => padded(texts, batches) / content(texts, batches) - 1 },
    'budget used': { unit: 'of budget', of: (batches) => padded(texts, batches) / (batches.length * tokens) },
    'mean similarity': { unit: 'Jaccard', of: (batches) => mean(batches.map((one) => meanSimilarity(signed, one))) },
    'compressed one by one': {
      unit: 'of content',
      of: (batches) => compressed(texts, batches) / content(texts, batches),
    },
    'alike pairs in one batch': { unit: 'of pairs', of: (batches) => together(texts, batches) },
  };
  for (const [measure, { unit, of }] of Object.entries(measures)) {
    for (const [peer, batches] of Object.entries(peers)) {
      bench.report({ case: `${name}: ${measure}`, value: of(own), unit, peer, peerValue: of(batches) });
    }
  }
}

/** Signing, grouping and packing, against signing in this thread. */
async function alone(bench: Bench, texts: readonly Text[]): Promise<void> {
  const bytes = texts.reduce((sum, text) => sum + text.bytes.length, 0);
  const signer = new Signer({ banding: { bands: 20, rows: 5 } });
  await bench.compare({
    case: 'the operator alone, CPU time',
    measure: { unit: 'MB/s', of: (seconds) => bytes / seconds / 1e6 },
    run: () => drain(documents(texts).pipe(similarityBatch())),
    peer: { name: 'signing', run: () => signer.sign(packDocuments(texts.map((text) => text.bytes))) },
  });
}

/** Every document is computed as long as the longest of its batch; of each arrangement some batches, evenly chosen. */
async function padding(bench: Bench, model: EntropyModel, texts: readonly Text[]): Promise<void> {
  const chosen = Object.entries(await arrangements(texts, 16 << 10)).map(([name, batches]) => {
    const total = content(texts, batches);
    const step = Math.max(1, Math.round(total / MODEL_BYTES));
    const some = batches.filter((_, i) => i % step === step >> 1);
    return { name, some, bytes: content(texts, some), seconds: [] as number[] };
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const { some, seconds } of chosen) seconds.push(await time(() => computePadded(model, texts, some), 'wall'));
  }
  const [own, ...peers] = chosen.map(({ name, bytes, seconds }) => ({ name, speed: bytes / median(seconds) }));
  for (const { name, speed } of peers) {
    const figure = { case: 'padded documents, 16 KiB', value: own?.speed ?? Number.NaN, unit: 'B/s' };
    bench.report({ ...figure, peer: name, peerValue: speed });
  }
}

async function computePadded(model: EntropyModel, texts: readonly Text[], batches: Arrangement): Promise<void> {
  for (const batch of batches) {
    const longest = padded(texts, [batch]) / batch.length;
    const rows = batch.map((place) => {
      const row = new Uint8Array(longest);
      row.set(texts[place]?.bytes ?? row);
      return row;
    });
    await Promise.all(
      rows.map(async (row) => {
        for await (const _ of model.encode(row));
      }),
    );
  }
}

/** The operators as they are used: the model computes each document in its own length. */
async function flow(bench: Bench, texts: readonly Text[]): Promise<void> {
  const few = texts.slice(0, Math.round((texts.length * MODEL_BYTES) / content(texts, [[...texts.keys()]])));
  const bytes = content(few, [[...few.keys()]]);
  const segments = (): Observable<Segment> => documents(few).pipe(pretokenize());
  const runs = {
    with: () => drain(segments().pipe(similarityBatch({ maxBytes: 16 << 10 }), embed({ device: 'cpu' }))),
    without: () => drain(segments().pipe(embed({ device: 'cpu' }))),
  };
  const seconds = { with: [] as number[], without: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const which of ['with', 'without'] as const) seconds[which].push(await time(runs[which], 'wall'));
  }
  bench.report({
    case: 'embed on the CPU, not padded',
    value: bytes / median(seconds.with),
    unit: 'B/s',
    peer: 'without similarityBatch',
    peerValue: bytes / median(seconds.without),
  });
}

function documents(texts: readonly Text[]): Observable<Document> {
  return pull(function* () {
    for (const [ordinal, { bytes }] of texts.entries()) {
      yield [{ id: String(ordinal), source: { split: '0', uri: 'texts', position: { ordinal } }, bytes, meta: {} }];
    }
  });
}

const lengths = (texts: readonly Text[], batch: readonly number[]): number[] =>
  batch.map((place) => texts[place]?.bytes.length ?? 0);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const content = (texts: readonly Text[], batches: Arrangement): number =>
  sum(batches.map((batch) => sum(lengths(texts, batch))));

const padded = (texts: readonly Text[], batches: Arrangement): number =>
  sum(batches.map((batch) => batch.length * Math.max(...lengths(texts, batch))));

/** By Zstandard, each batch by itself. */
function compressed(texts: readonly Text[], batches: Arrangement): number {
  const wholes = batches.map((batch) => Buffer.concat(batch.map((place) => texts[place]?.bytes ?? Buffer.alloc(0))));
  return sum(wholes.map((whole) => zstdCompressSync(whole).length));
}

/** Of the batches that have pairs. */
function mean(values: readonly (number | undefined)[]): number {
  const known = values.filter((value) => value !== undefined);
  return sum(known) / known.length;
}

/** The share of the pairs of one cluster that are in one batch. */
function together(texts: readonly Text[], batches: Arrangement): number {
  const clusters = new Map<number, number[]>();
  for (const [i, batch] of batches.entries()) {
    for (const place of batch) {
      const cluster = texts[place]?.cluster;
      if (cluster !== undefined) clusters.set(cluster, [...(clusters.get(cluster) ?? []), i]);
    }
  }
  const pairs = [...clusters.values()].flatMap((places) =>
    places.flatMap((a, i) => places.slice(i + 1).map((b) => (a === b ? 1 : 0))),
  );
  return sum(pairs) / pairs.length;
}

function plainTexts(): Text[] {
  const folder = process.env['SLUICE_TEXTS'] ?? path.join(import.meta.dirname, '../samples/novel');
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt'));
  const next = randomNumbers(1);
  const uniform = (): number => (next() + 0.5) / 2 ** 32;
  return files.sort().flatMap((file) => {
    const whole = readFileSync(path.join(folder, file));
    const texts: Text[] = [];
    for (let at = 0; at < whole.length; ) {
      const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
      const end = at + Math.ceil(MEAN * Math.exp(normal - 0.5));
      texts.push({ bytes: whole.subarray(at, end) });
      at = end;
    }
    return texts;
  });
}

function shuffled(texts: readonly Text[]): Text[] {
  const next = randomNumbers(2);
  return texts
    .map((text) => ({ text, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ text }) => text);
}
