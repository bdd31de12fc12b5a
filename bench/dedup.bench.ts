import { lastValueFrom, reduce } from 'rxjs';
import { pull } from '../src/flow/index.ts';
import { packDocuments } from '../src/lsh/documentBatch.ts';
import { Signer } from '../src/lsh/signer.ts';
import { type DedupOptions, dedup } from '../src/operators/index.ts';
import type { Document } from '../src/records.ts';
import { sharedPool } from '../src/run/pool.ts';
import { labelledDocuments } from '../test/lsh/nearDuplicates.ts';
import { randomNumbers } from '../test/lsh/texts.ts';
import { type Bench, min } from './harness.ts';

const DOCUMENTS = 40_000;
const BYTES = 2048;
const BATCH = 512;
const ROUNDS = 9;

/**
 * Documents for a second of the operator with one worker thread, from documents in memory to those that it keeps: of
 * 2 KB of words in any order, so that all are kept and the window fills. The peer only signs them, already packed, on one
 * thread. Once by the clock, which needs two cores that nobody else uses; once in CPU time of the busier of the two threads,
 * which is what bounds the operator where there are two such cores.
 */
export default async function dedupBench(bench: Bench): Promise<void> {
  const documents = unlikeDocuments();
  const signer = new Signer();
  const batches = Array.from({ length: Math.ceil(DOCUMENTS / BATCH) }, (_, i) =>
    packDocuments(documents.slice(i * BATCH, (i + 1) * BATCH).map(({ bytes }) => bytes)),
  );
  const sign = (): void => {
    for (const batch of batches) signer.sign(batch);
  };
  sharedPool().resize(1);
  const cases: Record<string, DedupOptions> = {
    'near, a window of 100,000': {},
    'near, by exact Jaccard': { verify: 'jaccard' },
    'equal bytes alone': { near: false },
  };
  for (const [name, options] of Object.entries(cases)) {
    const own: Seconds[] = [];
    const peer: Seconds[] = [];
    for (let round = -2; round < ROUNDS; round++) {
      const [ofOwn, ofPeer] = [await secondsOf(() => keepAll(documents, options)), await secondsOf(async () => sign())];
      if (round < 0) continue;
      own.push(ofOwn);
      peer.push(ofPeer);
    }
    for (const clock of ['wall', 'busier'] as const) {
      const speed = (rounds: readonly Seconds[]): number => DOCUMENTS / min(rounds.map((seconds) => seconds[clock]));
      bench.report({
        case: clock === 'wall' ? name : `${name}: busier thread`,
        value: speed(own),
        unit: 'documents/s',
        peer: 'signing alone',
        peerValue: speed(peer),
      });
    }
  }
}

interface Seconds {
  readonly wall: number;
  /** CPU time of this thread or of all others, whichever is more. */
  readonly busier: number;
}

async function secondsOf(run: () => Promise<void>): Promise<Seconds> {
  const [start, all, own] = [performance.now(), process.cpuUsage(), process.threadCpuUsage()];
  await run();
  const wall = (performance.now() - start) / 1e3;
  const sum = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;
  const here = sum(process.threadCpuUsage(own));
  return { wall, busier: Math.max(here, sum(process.cpuUsage(all)) - here) };
}

async function keepAll(documents: readonly Document[], options: DedupOptions): Promise<void> {
  const kept = await lastValueFrom(
    flowOf(documents).pipe(
      dedup(options),
      reduce((count) => count + 1, 0),
    ),
  );
  if (kept !== DOCUMENTS) throw new Error(`dedup kept ${kept} of ${DOCUMENTS} documents that are not alike`);
}

const flowOf = (documents: readonly Document[]) => pull(() => inChunks(documents));

function* inChunks(documents: readonly Document[]): Generator<readonly Document[]> {
  for (let at = 0; at < documents.length; at += BATCH) yield documents.slice(at, at + BATCH);
}

/** Words of the labelled set in any order. */
function unlikeDocuments(): Document[] {
  const words = labelledDocuments().flatMap(({ text }) => text.split(/\s+/));
  const next = randomNumbers(1);
  return Array.from({ length: DOCUMENTS }, (_, ordinal) => {
    let text = '';
    while (text.length < BYTES) text += `${words[next() % words.length]} `;
    const bytes = new Uint8Array(Buffer.from(text)).subarray(0, BYTES);
    return { id: `texts#${ordinal}`, source: { split: '00000', uri: 'texts', position: { ordinal } }, bytes, meta: {} };
  });
}
