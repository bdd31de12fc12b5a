import { ByteTable } from './byteTable.ts';

/** Memory of training for each byte of a distinct word, and for each word: symbols, pairs, where they occur, tables. */
const PER_BYTE = 96;
const PER_WORD = 48;

/**
 * How often each distinct word occurs. Where they would need more than the memory that is set, the rarest are dropped, all
 * of a count together, until half of it is free; a word that comes again is counted from there (lossy counting).
 */
export class WordCounts {
  #table = new ByteTable();
  #counts = new Float64Array(1024);
  readonly #memory: number;
  /** Words that were dropped, and how often they had occurred. */
  dropped = 0;
  droppedOccurrences = 0;

  /** @param memory bytes that training may take */
  constructor(memory: number) {
    this.#memory = memory;
  }

  get count(): number {
    return this.#table.count;
  }

  /** Bytes of all distinct words. */
  get bytes(): number {
    return this.#table.bytes;
  }

  word(number: number): Uint8Array {
    return this.#table.key(number);
  }

  occurrences(number: number): number {
    return this.#counts[number] ?? 0;
  }

  add(bytes: Uint8Array, from: number, to: number): void {
    const number = this.#table.add(bytes, from, to);
    if (number === this.#counts.length) {
      const counts = new Float64Array(2 * number);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    this.#counts[number] = (this.#counts[number] ?? 0) + 1;
    if (PER_BYTE * this.#table.bytes + PER_WORD * this.#table.count > this.#memory) this.#drop();
  }

  #drop(): void {
    const costs = new Map<number, number>();
    for (let number = 0; number < this.count; number++) {
      const cost = PER_BYTE * this.word(number).length + PER_WORD;
      const times = this.occurrences(number);
      costs.set(times, (costs.get(times) ?? 0) + cost);
    }
    let free = this.#memory - PER_BYTE * this.bytes - PER_WORD * this.count;
    let least = 0;
    for (const [times, cost] of [...costs].sort(([a], [b]) => a - b)) {
      if (free >= this.#memory / 2) break;
      free += cost;
      least = times;
    }
    const kept = new ByteTable();
    const counts = new Float64Array(this.#counts.length);
    for (let number = 0; number < this.count; number++) {
      const times = this.occurrences(number);
      if (times > least) {
        const word = this.word(number);
        counts[kept.add(word, 0, word.length)] = times;
      } else {
        this.dropped++;
        this.droppedOccurrences += times;
      }
    }
    this.#table = kept;
    this.#counts = counts;
  }
}
