import { BYTES_BY_CHARACTER } from '../../src/tokenizers/byteAlphabet.ts';
import type { Merge } from '../../src/tokenizers/mergeTable.ts';

/** Byte-level BPE in the fewest words, as it is defined: for comparison. */
export function naiveMerges(words: ReadonlyMap<string, number>, vocabSize: number, least: number): Merge[] {
  const tokens = BYTES_BY_CHARACTER.map((byte) => String.fromCharCode(byte));
  let cut = [...words].map(([word, times]) => ({ symbols: [...word].map((byte) => tokens.indexOf(byte)), times }));
  const merges: Merge[] = [];
  while (tokens.length < vocabSize) {
    const counts = new Map<string, number>();
    for (const { symbols, times } of cut) {
      for (let at = 0; at + 1 < symbols.length; at++) {
        const pair = `${symbols[at]} ${symbols[at + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + times);
      }
    }
    const ranked = [...counts].map(
      ([pair, times]) => [times, ...pair.split(' ').map(Number)] as [number, number, number],
    );
    const [best] = ranked.sort((a, b) => b[0] - a[0] || a[1] - b[1] || a[2] - b[2]);
    if (best === undefined || best[0] < least) break;
    const [, left, right] = best;
    const bytes = tokens[left]! + tokens[right]!;
    if (!tokens.includes(bytes)) tokens.push(bytes);
    const merge = { left, right, id: tokens.indexOf(bytes) };
    merges.push(merge);
    cut = cut.map(({ symbols, times }) => ({ symbols: merged(symbols, merge), times }));
  }
  return merges;
}

function merged(symbols: readonly number[], { left, right, id }: Merge): number[] {
  const into: number[] = [];
  for (let at = 0; at < symbols.length; at++) {
    if (symbols[at] === left && symbols[at + 1] === right) {
      into.push(id);
      at++;
    } else into.push(symbols[at]!);
  }
  return into;
}

/** Applies merges to one word: always the leftmost of the lowest rank. */
export function naiveEncode(symbols: readonly number[], merges: readonly Merge[]): number[] {
  const ranks = new Map(merges.map(({ left, right }, rank) => [`${left} ${right}`, rank]));
  let now = [...symbols];
  for (;;) {
    let best = Number.POSITIVE_INFINITY;
    let where = -1;
    for (let at = 0; at + 1 < now.length; at++) {
      const rank = ranks.get(`${now[at]} ${now[at + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < best) [best, where] = [rank, at];
    }
    if (where === -1) return now;
    now = [...now.slice(0, where), merges[best]!.id, ...now.slice(where + 2)];
  }
}
