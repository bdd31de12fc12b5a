import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { divideCharacters } from '../src/operators/pretokenize/text/units/characters.ts';
import { divideBySegmenter } from '../src/operators/pretokenize/text/units/segmenter.ts';
import { byteLevelUnits } from '../src/operators/pretokenize/text/units/tokens.ts';
import { loadTokenizer, type Pattern, saveTokenizer, trainBpe } from '../src/tokenizers/index.ts';
import { libraryEncoder } from '../test/tokenizers/fixtures.ts';
import { type Bench, type Measure, time } from './harness.ts';

const MB = 1e6;
const root = path.join(import.meta.dirname, '..');
/** Some novels where there are any; else what comes with the repository, again and again. */
const BOOKS = path.join(root, '../shared/data/books');
const SAMPLES = path.join(root, 'samples/novel');

const megabytes = (bytes: number): Measure => ({ unit: 'MB/s', of: (seconds) => bytes / seconds / MB });

function texts(): Uint8Array[] {
  const folder = existsSync(BOOKS) ? BOOKS : SAMPLES;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => new Uint8Array(readFileSync(path.join(folder, name))));
  return existsSync(BOOKS) ? files : Array.from({ length: 50 }, () => files).flat();
}

/**
 * Byte-level BPE with 32,000 tokens learnt from the texts, against the library of Hugging Face in JavaScript, which reads the
 * same file; and text in units against the tokenizer alone. MB of UTF-8 for a CPU second of one thread.
 */
export default async function tokenizer(bench: Bench): Promise<void> {
  const all = texts();
  const bytes = all.reduce((sum, text) => sum + text.length, 0);
  const part = all[0]?.subarray(0, 100_000) ?? new Uint8Array(0);
  const partText = new TextDecoder().decode(part);
  for (const pattern of ['gpt2', 'cl100k'] as const) {
    const made = await training(bench, pattern, all, bytes);
    const json = saveTokenizer(made);
    const own = loadTokenizer(json);
    const library = libraryEncoder(json);
    if (!same(own.encode(part), library(partText))) throw new Error('the two make different tokens of the same text');
    await bench.compare({
      case: `encode, ${pattern}`,
      measure: megabytes(bytes),
      run: () => all.map((text) => own.encode(text)),
      peer: { name: '@huggingface/tokenizers', measure: megabytes(part.length), run: () => library(partText) },
    });
    const uncached = loadTokenizer(json, { cacheBytes: 0 });
    const merges = bytes - all.reduce((sum, text) => sum + uncached.encode(text).length, 0);
    await bench.compare({
      case: `merges, no word seen before, ${pattern}`,
      measure: { unit: 'M merges/s', of: (seconds) => merges / seconds / 1e6 },
      run: () => all.map((text) => uncached.encode(text)),
    });
    const blanks = ' '.repeat(100_000);
    const blankBytes = new TextEncoder().encode(blanks);
    await bench.compare({
      case: `100,000 blanks, ${pattern}`,
      measure: { unit: 'ms', of: (seconds) => seconds * 1e3 },
      run: () => own.encode(blankBytes),
      warmUp: 1,
      peer: { name: '@huggingface/tokenizers', run: () => library(blanks) },
    });
    if (pattern !== 'gpt2') continue;
    const divide = byteLevelUnits(own);
    await bench.compare({
      case: 'segments of tokens',
      measure: megabytes(bytes),
      run: () => all.map((text) => divide(text, budget())),
      peer: { name: 'encode alone', run: () => all.map((text) => own.encode(text)) },
    });
  }
  await bench.compare({
    case: 'segments of characters',
    measure: megabytes(bytes),
    run: () => all.map((text) => divideCharacters(text, budget())),
  });
  const segmenter = new Intl.Segmenter('und', { granularity: 'word' });
  const words = divideBySegmenter('words', 1 << 24);
  await bench.compare({
    case: 'segments of words',
    measure: megabytes(part.length),
    run: () => words(part, budget()),
    peer: { name: 'Intl.Segmenter alone', run: () => Array.from(segmenter.segment(new TextDecoder().decode(part))) },
  });
}

const budget = (): Budget => new Budget({ decodedBytes: 2 ** 32, members: 1, depth: 1 });

const same = (own: Uint32Array, other: readonly number[]): boolean =>
  own.length === other.length && other.every((id, at) => id === own[at]);

async function training(bench: Bench, pattern: Pattern, all: readonly Uint8Array[], bytes: number) {
  const seconds: number[] = [];
  const train = () => trainBpe(all, { vocabSize: 32_000, pattern, specialTokens: ['<|endoftext|>'] });
  const { tokenizer: made } = await train();
  for (let round = 0; round < 5; round++) seconds.push(await time(train, 'cpu'));
  bench.report({ case: `train 32,000 tokens, ${pattern}`, value: bytes / Math.min(...seconds) / MB, unit: 'MB/s' });
  return made;
}
