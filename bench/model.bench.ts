import { type CpuModel, defaultModelDir, type EntropyModel, openModel } from 'sluice/model';
import { modelFolder } from '../test/model/modelFolder.ts';
import { type Bench, median, time } from './harness.ts';
import { sgemm } from './model/ceiling.ts';
import { anonymousMegabytes } from './model/memory.ts';
import { products } from './model/products.ts';
import { Torch } from './model/torch.ts';
import { computeAll, documentOf, flopOf, idsOf, naturalLengths, RELEASED } from './model/work.ts';

const ROUNDS = 5;
const THREADS = [1, 2];
const SEQUENCES = [512, 2048];
const BATCHES = [1, 4];
const LONG = 16_384;
/** Rounds of more tokens than this are warm by themselves. */
const WARM_TOKENS = 4096;
/** Rows of a padded batch of the peer, in the order of arrival. */
const PADDED_ROWS = 4;
const DOCUMENTS = 12;

/**
 * The entropy model in the released shape: bytes a second against PyTorch on the same machine and the same weights, the
 * fraction of the machine's own matrix product that it reaches, 7-bit integer weights, memory; and the embedded model.
 * All take turns; medians of 5 rounds, on the wall.
 */
export default async function model(bench: Bench): Promise<void> {
  const dir = modelFolder(RELEASED);
  await memory(bench, dir);
  for (const threads of THREADS) {
    const torch = await Torch.open(dir, threads);
    if (torch !== undefined) {
      const name = `1024^3 sgemm of PyTorch, ${threads} thread${threads === 1 ? '' : 's'}`;
      bench.report({ case: name, value: torch.sgemm, unit: 'GFLOP/s' });
    }
    const own = await openModel(dir, { threads });
    await agree(own, torch);
    await shapes(bench, own, torch, threads);
    await long(bench, own, threads);
    if (threads === 1) await integers(bench, own, dir);
    else await lengths(bench, own, torch, threads);
    await own.close();
    torch?.close();
  }
  await embedded(bench);
}

/** Peer and candidate compute the same: a speed that is not of the same work says nothing. */
async function agree(own: CpuModel, torch: Torch | undefined): Promise<void> {
  const bytes = documentOf(700);
  const [theirs, { entropies }] = [await torch?.entropies(idsOf(bytes)), await own.referenceTokens(idsOf(bytes))];
  const worst = theirs?.reduce((most, value, i) => Math.max(most, Math.abs(value - (entropies[i] ?? 0))), 0) ?? 0;
  if (worst > 1e-3) throw new Error(`PyTorch and sluice differ by ${worst} nats`);
}

async function shapes(bench: Bench, own: CpuModel, torch: Torch | undefined, threads: number): Promise<void> {
  const rate = await sgemm(threads);
  for (const tokens of SEQUENCES) {
    for (const batch of BATCHES) {
      const documents = Array.from({ length: batch }, (_, i) => documentOf(tokens, i));
      const ids = documents.map(idsOf);
      const [times, peerTimes, rates]: [number[], number[], number[]] = [[], [], []];
      for (let round = tokens * batch > WARM_TOKENS ? 0 : -1; round < ROUNDS; round++) {
        const seconds = await time(() => computeAll(own, documents), 'wall');
        const peer = await torch?.seconds(ids);
        const ceiling = await rate();
        if (round < 0) continue;
        times.push(seconds);
        if (peer !== undefined) peerTimes.push(peer);
        rates.push(ceiling);
      }
      const name = `sequence ${tokens}, batch ${batch}, ${threads} thread${threads === 1 ? '' : 's'}`;
      const bytes = tokens * batch;
      bench.report({
        case: name,
        value: bytes / median(times),
        unit: 'B/s',
        ...(torch === undefined ? {} : { peer: `PyTorch ${torch.version}`, peerValue: bytes / median(peerTimes) }),
      });
      bench.report({
        case: `${name}, of 1024^3 sgemm`,
        value: (batch * flopOf(own.config, tokens)) / median(times) / 1e9,
        unit: 'GFLOP/s',
        ceiling: Math.max(...rates),
      });
    }
  }
}

/** One document of many pieces: keys and values are carried from each to the next. */
async function long(bench: Bench, own: CpuModel, threads: number): Promise<void> {
  const rate = await sgemm(threads);
  const documents = [documentOf(LONG)];
  const [times, rates]: [number[], number[]] = [[], []];
  for (let round = 0; round < 3; round++) {
    times.push(await time(() => computeAll(own, documents), 'wall'));
    rates.push(await rate());
  }
  const name = `one document of ${LONG}, ${threads} thread${threads === 1 ? '' : 's'}`;
  bench.report({ case: name, value: LONG / median(times), unit: 'B/s' });
  const flop = flopOf(own.config, LONG);
  bench.report({
    case: `${name}, of sgemm`,
    value: flop / median(times) / 1e9,
    unit: 'GFLOP/s',
    ceiling: Math.max(...rates),
  });
}

async function lengths(bench: Bench, own: CpuModel, torch: Torch | undefined, threads: number): Promise<void> {
  const documents = naturalLengths(DOCUMENTS).map((length, i) => documentOf(length + 1, i));
  const bytes = documents.reduce((sum, { length }) => sum + length, 0);
  const flop = documents.reduce((sum, { length }) => sum + flopOf(own.config, length + 1), 0);
  const rate = await sgemm(threads);
  const [times, single, padded, rates]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let round = 0; round < 3; round++) {
    times.push(await time(() => computeAll(own, documents), 'wall'));
    rates.push(await rate());
    if (torch === undefined) continue;
    single.push(await sum(documents, ({ length }, i) => torch.seconds([idsOf(documents[i] ?? documentOf(length))])));
    padded.push(await sum(batchesOf(documents), (rows) => torch.seconds(rows)));
  }
  const name = `${DOCUMENTS} documents, log-normal lengths, median 700, ${threads} thread${threads === 1 ? '' : 's'}`;
  for (const [peer, seconds] of [
    ['PyTorch, one at a time', single],
    [`PyTorch, ${PADDED_ROWS} padded`, padded],
  ] as const) {
    bench.report({
      case: name,
      value: bytes / median(times),
      unit: 'B/s',
      ...(torch === undefined ? {} : { peer, peerValue: bytes / median(seconds) }),
    });
  }
  bench.report({
    case: `${name}, of sgemm`,
    value: flop / median(times) / 1e9,
    unit: 'GFLOP/s',
    ceiling: Math.max(...rates),
  });
}

/** Rows in order of arrival, each filled up with zeros to the longest of its batch. */
function batchesOf(documents: readonly Uint8Array[]): number[][][] {
  const batches: number[][][] = [];
  for (let at = 0; at < documents.length; at += PADDED_ROWS) {
    const rows = documents.slice(at, at + PADDED_ROWS).map(idsOf);
    const longest = Math.max(...rows.map(({ length }) => length));
    batches.push(rows.map((ids) => [...ids, ...new Array<number>(longest - ids.length).fill(0)]));
  }
  return batches;
}

async function sum<T>(items: readonly T[], of: (item: T, index: number) => Promise<number>): Promise<number> {
  let total = 0;
  for (const [i, item] of items.entries()) total += await of(item, i);
  return total;
}

async function integers(bench: Bench, own: CpuModel, dir: string): Promise<void> {
  const int8 = await openModel(dir, { threads: 1, weights: 'int8' });
  for (const tokens of SEQUENCES) {
    await faster(bench, `int8 weights, sequence ${tokens}, 1 thread`, tokens, int8, own);
  }
  await int8.close();
  const { f32, int8: bytes, int4 } = await products();
  const peer = { name: 'f32', run: f32 };
  const measure = { unit: 'products/s', of: (seconds: number) => 1 / seconds };
  const common = { measure, peer, clock: 'wall', statistic: 'median' } as const;
  await bench.compare({ case: 'one product, int8 weights', run: bytes, ...common });
  await bench.compare({ case: 'one product, int4 weights', run: int4, ...common });
}

async function faster(bench: Bench, name: string, tokens: number, one: EntropyModel, other: EntropyModel) {
  const documents = [documentOf(tokens)];
  await bench.compare({
    case: name,
    measure: { unit: 'B/s', of: (seconds) => tokens / seconds },
    clock: 'wall',
    statistic: 'median',
    warmUp: 1,
    run: () => computeAll(one, documents),
    peer: { name: 'f32 weights', run: () => computeAll(other, documents) },
  });
}

async function embedded(bench: Bench): Promise<void> {
  const own = await openModel(defaultModelDir(), { threads: 1 });
  const rate = await sgemm(1);
  for (const tokens of SEQUENCES) {
    const documents = Array.from({ length: 16 }, (_, i) => documentOf(tokens, i));
    const [times, rates]: [number[], number[]] = [[], []];
    await computeAll(own, documents);
    for (let round = 0; round < ROUNDS; round++) {
      times.push(await time(() => computeAll(own, documents), 'wall'));
      rates.push(await rate());
    }
    const bytes = tokens * documents.length;
    bench.report({
      case: `embedded model, 16 documents of ${tokens}, 1 thread`,
      value: bytes / median(times),
      unit: 'B/s',
    });
    bench.report({
      case: `embedded model, ${tokens}, of sgemm`,
      value: (documents.length * flopOf(own.config, tokens)) / median(times) / 1e9,
      unit: 'GFLOP/s',
      ceiling: Math.max(...rates),
    });
  }
  await own.close();
}

/** Anonymous memory (not shared with a file) of a process with two workers. */
async function memory(bench: Bench, dir: string): Promise<void> {
  for (const bytes of [512, 1024, 8192]) {
    for (const { name, value } of anonymousMegabytes(dir, bytes)) {
      bench.report({ case: `2 workers, 8 documents of ${bytes} bytes: ${name}`, value, unit: 'MB' });
    }
  }
}
