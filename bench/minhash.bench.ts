import library from 'minhash';
import { type DocumentBatch, packDocuments } from '../src/lsh/documentBatch.ts';
import { FirstByKey } from '../src/lsh/firstByKey.ts';
import { Signer, type SignerOptions } from '../src/lsh/signer.ts';
import { UnionFind } from '../src/lsh/unionFind.ts';
import { labelledDocuments } from '../test/lsh/nearDuplicates.ts';
import { randomNumbers } from '../test/lsh/texts.ts';
import { type Bench, time } from './harness.ts';
import { hashFloor } from './minhash/hashFloor.ts';
import { PythonPeers } from './minhash/pythonPeers.ts';

const ROUNDS = 9;
/** Turns of the text in one round of a fast candidate: some 20 ms. */
const TURNS = 10;
/** Texts for the slow ones. */
const FEW = 64;
/** Mean length of a text; the logarithm has a standard deviation of 1, as among pages of the web. */
const MEAN = 2038;
const banding = { bands: 20, rows: 5 };
/** Where the scheme ran at 700 MB/s, the hash that it was measured with ran at 1,189 alone. */
const OF_STUDIED = 700 / 1189;

interface Candidate {
  readonly bytes: number;
  /** CPU seconds of a round. */
  seconds(): Promise<number>;
}

/**
 * MB of text for a CPU second of one thread, from bytes to 20 band keys by 100 components over shingles of five bytes,
 * documents of 2 KB on average in batches. Peers: the arithmetic of two Python libraries in plain numpy, and the npm package. The
 * ceiling is the share of the hash alone that a study found at the limit of instructions on its machine; it is taken of the
 * study's hash, compiled as well as can be. The hash in use takes a multiplication less. All take turns, and the best of 9
 * rounds counts.
 */
export default async function minhash(bench: Bench): Promise<void> {
  const texts = someTexts();
  const documents = texts.map((text) => new Uint8Array(Buffer.from(text)));
  const batch = packDocuments(documents);
  const few = texts.slice(0, FEW);
  const floor = await hashFloor(batch.bytes);
  const ready = signing(batch, {});
  const candidates: Record<string, Candidate> = {
    'hash alone': repeated(batch.bytes.length, floor.own),
    'hash of the study alone': repeated(batch.bytes.length, floor.studied),
    'bytes to band keys': ready,
    'separate bytes to band keys': repeated(batch.bytes.length, packing(documents)),
    'strings to band keys': repeated(batch.bytes.length, packing(texts)),
    'shingles of 8 bytes': signing(batch, { shingle: { of: 'bytes', length: 8 } }),
    'shingles of 24 bytes': signing(batch, { shingle: { of: 'bytes', length: 24 } }),
    'shingles of 5 words': signing(batch, { shingle: { of: 'words', length: 5 } }),
    '14 bands of 8': signing(batch, { components: 112, banding: { bands: 14, rows: 8 } }),
    'npm minhash': { bytes: size(few), seconds: () => time(() => few.map(npmBands), 'cpu') },
  };
  const python = await PythonPeers.open(few);
  if (python === undefined) process.stderr.write('minhash: no python3 with numpy here: its two peers are left out\n');
  else {
    for (const peer of ['datatrove', 'datasketch'] as const) {
      candidates[`${peer} in numpy`] = { bytes: size(few), seconds: () => python.seconds(peer) };
    }
  }
  const speeds = await megabytesPerSecond(candidates);
  python?.close();

  const unit = 'MB/s';
  const own = speeds['bytes to band keys'] ?? 0;
  const studied = speeds['hash of the study alone'] ?? 0;
  bench.report({ case: 'hash of the study alone', value: studied, unit });
  bench.report({ case: 'bytes to band keys', value: own, unit, ceiling: studied * OF_STUDIED });
  for (const peer of ['hash alone', 'datatrove in numpy', 'datasketch in numpy', 'npm minhash']) {
    const peerValue = speeds[peer];
    if (peerValue !== undefined) bench.report({ case: 'bytes to band keys', value: own, unit, peer, peerValue });
  }
  const against = (name: string, peer: string): void => {
    bench.report({ case: name, value: speeds[name] ?? 0, unit, peer, peerValue: speeds[peer] ?? null });
  };
  against('separate bytes to band keys', 'bytes to band keys');
  against('strings to band keys', 'separate bytes to band keys');
  const index = await microsecondsPerDocument();
  bench.report({ case: 'a million documents, band by band', value: index, unit: 'us/document' });
  for (const name of ['shingles of 8 bytes', 'shingles of 24 bytes', 'shingles of 5 words', '14 bands of 8']) {
    against(name, 'bytes to band keys');
  }
}

/** Keys of 20 bands looked up and joined, one band at a time; one document in eight has been there before. */
async function microsecondsPerDocument(): Promise<number> {
  const documents = 1_000_000;
  const next = randomNumbers(2);
  const keys = Uint32Array.from({ length: 2 * documents }, next);
  for (let i = 8; i < documents; i += 8) keys.copyWithin(2 * i, i, i + 2);
  const band = new FirstByKey(documents);
  const sets = new UnionFind(documents);
  let best = Number.POSITIVE_INFINITY;
  for (let round = -1; round < ROUNDS; round++) {
    const seconds = await time(() => {
      band.clear();
      for (let i = 0; i < documents; i++) {
        const first = band.first(i, keys[2 * i] ?? 0, keys[2 * i + 1] ?? 0);
        if (first !== i) sets.join(first, i);
      }
    }, 'cpu');
    if (round >= 0) best = Math.min(best, seconds);
  }
  return (banding.bands * best * 1e6) / documents;
}

/** The labelled documents, cut anew. */
function someTexts(): string[] {
  const whole = labelledDocuments()
    .map(({ text }) => text)
    .join('\n');
  const next = randomNumbers(1);
  const uniform = (): number => (next() + 0.5) / 2 ** 32;
  const texts: string[] = [];
  for (let at = 0; at < whole.length; ) {
    const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const end = at + Math.ceil(MEAN * Math.exp(normal - 0.5));
    // a string of its own, not a part of the whole
    texts.push(Buffer.from(whole.slice(at, end)).toString());
    at = end;
  }
  return texts;
}

function signing(batch: DocumentBatch, options: SignerOptions): Candidate {
  const signer = new Signer({ banding, ...options });
  return repeated(batch.bytes.length, () => signer.sign(batch));
}

function packing(documents: readonly (Uint8Array | string)[]): () => unknown {
  const signer = new Signer({ banding });
  let buffer: ArrayBuffer | undefined;
  return () => {
    const batch = packDocuments(documents, buffer);
    buffer = batch.bytes.buffer;
    return signer.sign(batch);
  };
}

/** As many turns before it are not counted: memory was given back while another process had its round. */
function repeated(bytes: number, run: () => unknown): Candidate {
  const turns = (count: number) => (): void => {
    for (let turn = 0; turn < count; turn++) run();
  };
  return {
    bytes: TURNS * bytes,
    seconds: () => {
      turns(TURNS)();
      return time(turns(TURNS), 'cpu');
    },
  };
}

/** Shingles of five characters, and band keys as its index makes them. */
function npmBands(text: string): string[] {
  const hash = new library.Minhash({ numPerm: banding.bands * banding.rows });
  for (let at = 0; at + 5 <= text.length; at++) hash.update(text.slice(at, at + 5));
  return Array.from({ length: banding.bands }, (_, band) =>
    hash.hashvalues.slice(band * banding.rows, (band + 1) * banding.rows).join('.'),
  );
}

const size = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

async function megabytesPerSecond(candidates: Readonly<Record<string, Candidate>>): Promise<Record<string, number>> {
  const best: Record<string, number> = {};
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, { bytes, seconds }] of Object.entries(candidates)) {
      const speed = bytes / (await seconds()) / 1e6;
      if (round >= 0) best[name] = Math.max(best[name] ?? 0, speed);
    }
  }
  return best;
}
