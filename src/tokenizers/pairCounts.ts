import { hash } from './mergeTable.ts';

const NONE = -1;

function longer<A extends Int32Array | Float64Array>(array: A): A {
  const larger = array instanceof Int32Array ? new Int32Array(2 * array.length) : new Float64Array(2 * array.length);
  larger.set(array);
  // the same kind of array as it was
  return larger as A;
}

/**
 * How often each pair of tokens stands in the words, and in which words; the most frequent is found through a heap whose
 * counts may be out of date, which shows when they come to its top.
 */
export class PairCounts {
  #count = 0;
  #left = new Int32Array(1024);
  #right = new Int32Array(1024);
  #times = new Float64Array(1024);
  /** First place in a list of words of each pair. */
  #heads = new Int32Array(1024);
  /** The round in which a pair last became more frequent. */
  #rounds = new Int32Array(1024);
  /** Number of a pair and 1; 0 where there is none. */
  #slots = new Int32Array(4096);
  #words = new Int32Array(4096);
  #next = new Int32Array(4096);
  #places = 0;
  #free = NONE;
  #heapTimes = new Float64Array(1024);
  #heapPairs = new Int32Array(1024);
  #heapSize = 0;
  #round = 1;
  #risen: number[] = [];

  left(pair: number): number {
    return this.#left[pair] ?? 0;
  }

  right(pair: number): number {
    return this.#right[pair] ?? 0;
  }

  /** Adds occurrences of a pair in a word, which {@link top} knows of after {@link settle}. */
  rise(left: number, right: number, by: number, word: number): void {
    const pair = this.#pairOf(left, right);
    this.#times[pair] = (this.#times[pair] ?? 0) + by;
    const head = this.#heads[pair] ?? NONE;
    if (head === NONE || this.#words[head] !== word) this.#heads[pair] = this.#place(word, head);
    if (this.#rounds[pair] !== this.#round) {
      this.#rounds[pair] = this.#round;
      this.#risen.push(pair);
    }
  }

  fall(left: number, right: number, by: number): void {
    const pair = this.#pairOf(left, right);
    this.#times[pair] = (this.#times[pair] ?? 0) - by;
  }

  /** Makes what has risen known. */
  settle(): void {
    for (const pair of this.#risen) this.#push(pair);
    this.#risen = [];
    this.#round++;
  }

  /** Takes out the most frequent pair, of several the one of the lowest ids; -1 where none occurs `least` times. */
  top(least: number): number {
    while (this.#heapSize > 0) {
      const times = this.#heapTimes[0] ?? 0;
      const pair = this.#heapPairs[0] ?? 0;
      this.#pop();
      const now = this.#times[pair] ?? 0;
      if (now === times && now >= least) return pair;
      if (now >= least) this.#push(pair);
    }
    return NONE;
  }

  /** The words that a pair may stand in, each once or more; they are forgotten. */
  takeWords(pair: number, into: number[]): void {
    into.length = 0;
    let place = this.#heads[pair] ?? NONE;
    this.#heads[pair] = NONE;
    while (place !== NONE) {
      into.push(this.#words[place] ?? 0);
      const next = this.#next[place] ?? NONE;
      this.#next[place] = this.#free;
      this.#free = place;
      place = next;
    }
  }

  #place(word: number, next: number): number {
    let place = this.#free;
    if (place === NONE) {
      place = this.#places++;
      if (place === this.#words.length) {
        this.#words = longer(this.#words);
        this.#next = longer(this.#next);
      }
    } else {
      this.#free = this.#next[place] ?? NONE;
    }
    this.#words[place] = word;
    this.#next[place] = next;
    return place;
  }

  #pairOf(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(left, right) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const pair = (this.#slots[slot] ?? 0) - 1;
      if (pair === -1) break;
      if (this.#left[pair] === left && this.#right[pair] === right) return pair;
    }
    const pair = this.#count++;
    if (pair === this.#left.length) {
      this.#left = longer(this.#left);
      this.#right = longer(this.#right);
      this.#times = longer(this.#times);
      this.#heads = longer(this.#heads);
      this.#rounds = longer(this.#rounds);
    }
    this.#left[pair] = left;
    this.#right[pair] = right;
    this.#heads[pair] = NONE;
    this.#slots[slot] = pair + 1;
    if (2 * this.#count > this.#slots.length) this.#rehash();
    return pair;
  }

  #rehash(): void {
    this.#slots = new Int32Array(2 * this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let pair = 0; pair < this.#count; pair++) {
      let slot = hash(this.left(pair), this.right(pair)) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = pair + 1;
    }
  }

  /** Whether the first entry comes before the second: more often, else by the ids. */
  #before(times: number, pair: number, otherTimes: number, other: number): boolean {
    if (times !== otherTimes) return times > otherTimes;
    const left = this.left(pair) - this.left(other);
    return left === 0 ? this.right(pair) < this.right(other) : left < 0;
  }

  #push(pair: number): void {
    const times = this.#times[pair] ?? 0;
    if (times <= 0) return;
    if (this.#heapSize === this.#heapPairs.length) {
      this.#heapTimes = longer(this.#heapTimes);
      this.#heapPairs = longer(this.#heapPairs);
    }
    let hole = this.#heapSize++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = this.#heapPairs[parent] ?? 0;
      const aboveTimes = this.#heapTimes[parent] ?? 0;
      if (!this.#before(times, pair, aboveTimes, above)) break;
      this.#heapPairs[hole] = above;
      this.#heapTimes[hole] = aboveTimes;
      hole = parent;
    }
    this.#heapPairs[hole] = pair;
    this.#heapTimes[hole] = times;
  }

  #pop(): void {
    const size = --this.#heapSize;
    const pairs = this.#heapPairs;
    const times = this.#heapTimes;
    const last = pairs[size] ?? 0;
    const lastTimes = times[size] ?? 0;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      const beside = child + 1;
      if (beside < size && this.#before(times[beside] ?? 0, pairs[beside] ?? 0, times[child] ?? 0, pairs[child] ?? 0)) {
        child = beside;
      }
      if (!this.#before(times[child] ?? 0, pairs[child] ?? 0, lastTimes, last)) break;
      pairs[hole] = pairs[child] ?? 0;
      times[hole] = times[child] ?? 0;
      hole = child;
    }
    pairs[hole] = last;
    times[hole] = lastTimes;
  }
}
