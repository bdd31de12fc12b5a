import type { MergeTable } from './mergeTable.ts';

/** Symbols up to which looking through all pairs again after each merge is faster than a heap. */
const FEW = 40;
const NEVER = 0x7fffffff;

const ranks = new Int32Array(FEW);

/**
 * Applies the merges to the symbols of one word, in their order and each from left to right, and returns how many are left;
 * they stand at the beginning of `symbols` then. In O(n log n): a run of a million blanks takes no longer for each than ten.
 */
export function mergeWord(symbols: Int32Array, count: number, table: MergeTable): number {
  if (count < 2) return count;
  return count <= FEW ? mergeFew(symbols, count, table) : mergeMany(symbols, count, table);
}

function mergeFew(symbols: Int32Array, count: number, table: MergeTable): number {
  const { entries } = table;
  const rankAt = (at: number): number => {
    const found = table.find(symbols[at] ?? 0, symbols[at + 1] ?? 0);
    return found === -1 ? NEVER : (entries[found] ?? NEVER);
  };
  let left = count;
  for (let at = 0; at < left - 1; at++) ranks[at] = rankAt(at);
  for (;;) {
    let best = NEVER;
    let where = -1;
    for (let at = 0; at < left - 1; at++) {
      const rank = ranks[at] ?? NEVER;
      if (rank < best) {
        best = rank;
        where = at;
      }
    }
    if (where === -1) return left;
    const found = table.find(symbols[where] ?? 0, symbols[where + 1] ?? 0);
    symbols[where] = entries[found + 1] ?? 0;
    left--;
    for (let at = where + 1; at < left; at++) {
      symbols[at] = symbols[at + 1] ?? 0;
      ranks[at] = ranks[at + 1] ?? NEVER;
    }
    if (where > 0) ranks[where - 1] = rankAt(where - 1);
    if (where < left - 1) ranks[where] = rankAt(where);
  }
}

/** Keys of the heap are `rank * POSITIONS + position`; with ranks below 2^27 an f64 holds them exactly. */
const POSITIONS = 2 ** 26;

/** Symbols of the longest word that {@link mergeWord} takes. */
export const LONGEST_WORD = POSITIONS >> 2;

function mergeMany(symbols: Int32Array, count: number, table: MergeTable): number {
  const { entries } = table;
  const next = Int32Array.from({ length: count }, (_, at) => at + 1);
  const previous = Int32Array.from({ length: count }, (_, at) => at - 1);
  const heap = new Float64Array(2 * count);
  let size = 0;

  const push = (at: number, behind: number): void => {
    const found = table.find(symbols[at] ?? 0, symbols[behind] ?? 0);
    if (found === -1) return;
    const key = (entries[found] ?? 0) * POSITIONS + at;
    let hole = size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent] ?? 0;
      if (above <= key) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = key;
  };
  const pop = (): number => {
    const top = heap[0] ?? 0;
    const key = heap[--size] ?? 0;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++;
      if (key <= (heap[child] ?? 0)) break;
      heap[hole] = heap[child] ?? 0;
      hole = child;
    }
    heap[hole] = key;
    return top;
  };

  for (let at = 0; at + 1 < count; at++) push(at, at + 1);
  while (size > 0) {
    const key = pop();
    const rank = Math.floor(key / POSITIONS);
    const at = key - rank * POSITIONS;
    const behind = next[at] ?? count;
    // a symbol that was merged into the one before it has no successor any more
    if (behind === 0 || behind >= count) continue;
    const found = table.find(symbols[at] ?? 0, symbols[behind] ?? 0);
    if (found === -1 || entries[found] !== rank) continue;
    symbols[at] = entries[found + 1] ?? 0;
    const after = next[behind] ?? count;
    next[at] = after;
    next[behind] = 0;
    if (after < count) {
      previous[after] = at;
      push(at, after);
    }
    const before = previous[at] ?? -1;
    if (before >= 0) push(before, at);
  }
  let left = 0;
  for (let at = 0; at < count; at = next[at] ?? count) symbols[left++] = symbols[at] ?? 0;
  return left;
}
