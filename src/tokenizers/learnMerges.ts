import { ByteTable } from './byteTable.ts';
import type { Merge } from './mergeTable.ts';
import { PairCounts } from './pairCounts.ts';
import type { WordCounts } from './wordCounts.ts';

export interface Learned {
  readonly tokens: readonly Uint8Array[];
  readonly merges: readonly Merge[];
}

/**
 * Learns merges from counted words: again and again the most frequent pair, and of pairs as frequent the one of the lowest
 * ids, becomes one token. Counts are kept up to date where a merge changes them.
 *
 * @param first the tokens that are there before, the 256 bytes among them
 * @param vocabSize tokens at most
 * @param least how often a pair must occur
 */
export function learnMerges(
  words: WordCounts,
  first: readonly Uint8Array[],
  { vocabSize, least }: { readonly vocabSize: number; readonly least: number },
): Learned {
  const tokens = [...first];
  const byBytes = new ByteTable();
  const ids: number[] = [];
  const byteIds = new Int32Array(256);
  for (const [id, token] of tokens.entries()) {
    ids[byBytes.add(token, 0, token.length)] = id;
    if (token.length === 1) byteIds[token[0] ?? 0] = id;
  }
  const { symbols, starts, lengths } = symbolsOf(words, byteIds);
  const pairs = new PairCounts();
  for (let word = 0; word < words.count; word++) {
    const start = starts[word] ?? 0;
    const times = words.occurrences(word);
    for (let at = start; at + 1 < start + (lengths[word] ?? 0); at++) {
      pairs.rise(symbols[at] ?? 0, symbols[at + 1] ?? 0, times, word);
    }
  }
  pairs.settle();

  const merges: Merge[] = [];
  const places: number[] = [];
  while (tokens.length < vocabSize) {
    const pair = pairs.top(Math.max(1, least));
    if (pair === -1) break;
    const left = pairs.left(pair);
    const right = pairs.right(pair);
    const token = Buffer.concat([tokens[left] ?? new Uint8Array(0), tokens[right] ?? new Uint8Array(0)]);
    // two pairs may make the same bytes; they make the same token then
    const known = byBytes.find(token, 0, token.length);
    const id = known === -1 ? tokens.length : (ids[known] ?? 0);
    if (known === -1) {
      tokens.push(new Uint8Array(token));
      ids[byBytes.add(token, 0, token.length)] = id;
    }
    merges.push({ left, right, id });
    pairs.takeWords(pair, places);
    for (const word of places) {
      const start = starts[word] ?? 0;
      const end = start + (lengths[word] ?? 0);
      const times = words.occurrences(word);
      let into = start;
      for (let at = start; at < end; ) {
        if (symbols[at] !== left || at + 1 >= end || symbols[at + 1] !== right) {
          symbols[into++] = symbols[at++] ?? 0;
          continue;
        }
        pairs.fall(left, right, times);
        if (into > start) {
          const before = symbols[into - 1] ?? 0;
          pairs.fall(before, left, times);
          pairs.rise(before, id, times, word);
        }
        at += 2;
        if (at < end) {
          const after = symbols[at] ?? 0;
          pairs.fall(right, after, times);
          pairs.rise(id, after, times, word);
        }
        symbols[into++] = id;
      }
      lengths[word] = into - start;
    }
    pairs.settle();
  }
  return { tokens, merges };
}

function symbolsOf(words: WordCounts, byteIds: Int32Array) {
  const symbols = new Int32Array(words.bytes);
  const starts = new Float64Array(words.count);
  const lengths = new Int32Array(words.count);
  let at = 0;
  for (let word = 0; word < words.count; word++) {
    const bytes = words.word(word);
    starts[word] = at;
    lengths[word] = bytes.length;
    for (const byte of bytes) symbols[at++] = byteIds[byte] ?? 0;
  }
  return { symbols, starts, lengths };
}
