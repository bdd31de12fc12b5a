/**
 * What other seeds of the signatures would do on the labelled near-duplicates: for each one, how many pairs below a
 * similarity of 0.3 become candidates and how many were to be expected, and the share found of the pairs from 0.55 on.
 *
 *   node --conditions=sluice-source tools/wasm/vetSeeds.ts [seed...]
 */
import { readFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';
import { candidateProbability } from '../../src/lsh/sCurve.ts';
import { labelledDocuments, labelledPairs } from '../../test/lsh/nearDuplicates.ts';

const SOURCE = 'tools/wasm/minhash.as.ts';
const [TEXT, SIGNATURE, KEYS, DONE, AGAIN] = [0x6_0000, 0xa_4000, 0x1a_4000, 1, 2];
const source = readFileSync(new URL(`../../${SOURCE}`, import.meta.url), 'utf8');
const seedLine = /const SEED: u32 = ([^;]*);/;
const documents = labelledDocuments();
const texts = documents.map(({ text }) => Buffer.from(text));
const numbers = new Map(documents.map(({ id }, i) => [id, i]));
const known = new Map(labelledPairs().map(({ a, b, jaccard }) => [pair(numbers.get(a), numbers.get(b)), jaccard]));
const similarities = allSimilarities();

const seeds = process.argv.slice(2);
if (seeds.length === 0) seeds.push(seedLine.exec(source)?.[1] ?? '', ...generated(15));
for (const seed of seeds) {
  const exports = await compiled(source.replace(seedLine, `const SEED: u32 = ${seed};`));
  const parts = [
    { bands: 20, rows: 5 },
    { bands: 25, rows: 4 },
  ].map((banding) => {
    const candidates = candidatesOf(exports, banding);
    const unlike = [...candidates].filter((key) => !known.has(key)).length;
    const expected = similarities.reduce((sum, s) => sum + (s < 0.3 ? candidateProbability(s, banding) : 0), 0);
    const alike = [...known].filter(([, jaccard]) => jaccard >= 0.55);
    const found = alike.filter(([key]) => candidates.has(key)).length / alike.length;
    return `${banding.bands}x${banding.rows}: ${unlike} unlike (${expected.toFixed(0)} expected), ${found.toFixed(4)} of the alike`;
  });
  process.stdout.write(`${seed}  ${parts.join('; ')}\n`);
}

function pair(a = 0, b = 0): number {
  return Math.min(a, b) * documents.length + Math.max(a, b);
}

function generated(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `0x${(Math.imul(i + 1, 0x9e3779b9) >>> 0).toString(16)}`);
}

/** Exact similarities of all pairs that share a shingle, by an inverted index. */
function allSimilarities(): Float64Array {
  const count = documents.length;
  const sizes: number[] = [];
  const holders = new Map<number, number[]>();
  for (const [i, text] of texts.entries()) {
    const shingles = new Set(Array.from({ length: Math.max(0, text.length - 4) }, (_, at) => text.readUIntLE(at, 5)));
    sizes.push(shingles.size);
    for (const shingle of shingles) {
      const list = holders.get(shingle);
      if (list === undefined) holders.set(shingle, [i]);
      else list.push(i);
    }
  }
  const both = new Float64Array(count * count);
  for (const list of holders.values()) {
    for (const [at, a] of list.entries()) for (const b of list.slice(at + 1)) both[a * count + b] += 1;
  }
  return both.map((common, at) => {
    const sum = (sizes[Math.floor(at / count)] ?? 0) + (sizes[at % count] ?? 0);
    return common === 0 ? 0 : common / (sum - common);
  });
}

async function compiled(text: string) {
  let binary = new Uint8Array();
  const memory = ['--initialMemory=64', '--maximumMemory=64'];
  const { error } = await asc.main(
    [SOURCE, '-O3', '--noAssert', '--runtime=stub', ...memory, '--enable=simd,bulk-memory', '--outFile', 'out.wasm'],
    {
      readFile: (file: string) => (file === SOURCE ? text : null),
      writeFile: (file: string, content: Uint8Array) => {
        if (file === 'out.wasm') binary = content;
      },
      listFiles: () => [],
    },
  );
  if (error) throw error;
  return new WebAssembly.Instance(new WebAssembly.Module(binary), {}).exports;
}

function candidatesOf(exports: Awaited<ReturnType<typeof compiled>>, { bands, rows }: { bands: number; rows: number }) {
  const { memory, configure, begin, read, end, write } = exports;
  const bytes = new Uint8Array(memory.buffer);
  configure(false, 5, bands * rows, bands, rows);
  const buckets = new Map<string, number[]>();
  const candidates = new Set<number>();
  for (const [i, text] of texts.entries()) {
    bytes.set(text, TEXT);
    begin();
    read(TEXT, text.length);
    let state = end();
    if (state === AGAIN) {
      read(TEXT, text.length);
      state = end();
    }
    if (state !== DONE) continue;
    write(SIGNATURE, KEYS);
    for (let band = 0; band < bands; band++) {
      const key = `${band} ${new BigUint64Array(memory.buffer, KEYS, bands)[band]}`;
      const bucket = buckets.get(key) ?? [];
      for (const other of bucket) candidates.add(pair(other, i));
      buckets.set(key, [...bucket, i]);
    }
  }
  return candidates;
}
