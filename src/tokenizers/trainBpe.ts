import { PipelineError } from '../errors.ts';
import { requireOptions } from '../knownOptions.ts';
import { AddedTokenFinder } from './addedTokens.ts';
import { BpeTokenizer } from './bpeTokenizer.ts';
import { BYTES_BY_CHARACTER, unspelled } from './byteAlphabet.ts';
import { learnMerges } from './learnMerges.ts';
import { PATTERNS, type Pattern } from './patterns.ts';
import { requireBytes } from './requireBytes.ts';
import { WordCounts } from './wordCounts.ts';
import { wordEndOf } from './words.ts';

export interface TrainOptions {
  /** Tokens at most, special tokens and the 256 bytes among them. */
  readonly vocabSize: number;
  /** How often a pair must occur to be merged. Default: 2. */
  readonly minFrequency?: number | undefined;
  /** How text is divided into words. Default: `gpt2`. */
  readonly pattern?: Pattern | undefined;
  /** Tokens outside of the merges, such as `<|endoftext|>`; they get the first ids. Default: none. */
  readonly specialTokens?: readonly string[] | undefined;
  /**
   * Bytes of memory that training takes, at least 1 MiB. Where the distinct words would need more, the rarest are dropped
   * (see {@link Trained.droppedWords}). Default: 1 GiB, enough for some ten million bytes of distinct words.
   */
  readonly maxMemory?: number | undefined;
}

const OPTIONS = { vocabSize: true, minFrequency: true, pattern: true, specialTokens: true, maxMemory: true } as const;

/** What training made. */
export interface Trained {
  readonly tokenizer: BpeTokenizer;
  /** Distinct words that were learnt from. */
  readonly words: number;
  /** Words that were dropped because memory did not suffice; those that came again after that count again. */
  readonly droppedWords: number;
  /** Occurrences of dropped words. */
  readonly droppedOccurrences: number;
}

/** Longer words are learnt from in pieces: a run of a million blanks teaches no more than one of 4,096. */
const LONGEST = 4096;

/**
 * Trains a byte-level BPE tokenizer (Sennrich et al. 2016): the most frequent pair of neighbours within words becomes a
 * token, and so on until there are `vocabSize` tokens or no pair is frequent enough. Special tokens have the first ids, then
 * the 256 bytes, in the order of the characters that stand for them in files; ties go to the pair of lowest ids. Texts and
 * options decide the result, whatever the machine. Special tokens that stand in the texts are left out.
 *
 *     const { tokenizer } = await trainBpe([await readFile('book.txt')], { vocabSize: 8192 });
 *     await writeFile('tokenizer.json', saveTokenizer(tokenizer));
 *
 * @param texts each by itself: no word reaches from one into the next
 * @throws PipelineError `BAD_OPTION`, `UNKNOWN_OPTION`
 */
export async function trainBpe(
  texts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: TrainOptions,
): Promise<Trained> {
  requireOptions('trainBpe', options, OPTIONS);
  const { vocabSize, minFrequency, pattern, specialTokens, maxMemory } = settled(options);
  const encoder = new TextEncoder();
  const added = specialTokens.map((content, id) => ({ id, content, special: true }));
  const finder = new AddedTokenFinder(added);
  const words = new WordCounts(maxMemory);
  const wordEnd = wordEndOf(pattern);
  for await (const bytes of texts) {
    requireBytes('trainBpe', bytes);
    for (let from = 0; from < bytes.length; ) {
      const found = finder.next(bytes, from);
      const to = found?.start ?? bytes.length;
      for (let at = from; at < to; ) {
        const end = wordEnd(bytes, at, to);
        // a byte alone has no pair
        for (; end - at > 1; at += LONGEST) words.add(bytes, at, Math.min(end, at + LONGEST));
        at = end;
      }
      from = found?.end ?? bytes.length;
    }
  }
  const first = [
    ...specialTokens.map((content) => encoder.encode(content)),
    ...BYTES_BY_CHARACTER.map((byte) => Uint8Array.of(byte)),
  ];
  const { tokens, merges } = learnMerges(words, first, { vocabSize, least: minFrequency });
  return {
    tokenizer: new BpeTokenizer({ tokens, merges, pattern, added, wholeWords: false }),
    words: words.count,
    droppedWords: words.dropped,
    droppedOccurrences: words.droppedOccurrences,
  };
}

function settled(options: TrainOptions) {
  const { vocabSize, minFrequency = 2, pattern = 'gpt2', specialTokens = [], maxMemory = 2 ** 30 } = options;
  const refuse = (message: string): never => {
    throw new PipelineError(`trainBpe: ${message}`, { code: 'BAD_OPTION' });
  };
  if (!PATTERNS.includes(pattern)) refuse(`pattern is '${pattern}', and there are ${PATTERNS.join(', ')}`);
  const least = 256 + specialTokens.length;
  if (!Number.isSafeInteger(vocabSize) || vocabSize < least || vocabSize > 1 << 21) {
    refuse(`vocabSize is ${vocabSize}; it must be a whole number of ${least} to ${1 << 21}`);
  }
  if (!Number.isSafeInteger(minFrequency) || minFrequency < 1) {
    refuse(`minFrequency is ${minFrequency}; it must be a whole number of at least 1`);
  }
  if (!Number.isSafeInteger(maxMemory) || maxMemory < 1 << 20) {
    refuse(`maxMemory is ${maxMemory}; it must be a whole number of at least ${1 << 20}`);
  }
  if (new Set(specialTokens).size !== specialTokens.length) refuse('a special token is there twice');
  for (const token of specialTokens) {
    const length = new TextEncoder().encode(token).length;
    // what files write for other bytes would be the same text
    const ambiguous = unspelled(token) !== undefined && unspelled(token)?.length !== length;
    if (length < 2 || ambiguous || !token.isWellFormed()) refuse(`'${token}' cannot be a special token`);
  }
  return { vocabSize, minFrequency, pattern, specialTokens, maxMemory };
}
