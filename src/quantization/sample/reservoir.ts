/** Rows that were drawn, by rising priority. */
export interface DrawnRows {
  readonly columns: number;
  /** f32[n, columns]. */
  readonly rows: Float32Array<ArrayBuffer>;
  /** f64[n], in [0, 1). */
  readonly priorities: Float64Array<ArrayBuffer>;
  /** How many rows they were drawn from. */
  readonly seen: number;
}

/**
 * Draws rows of a stream evenly: every row has a priority that a hash makes of the seed, the stream's name and its number,
 * and those of the least priorities stay. So a sample of several streams is that of the samples of each (bottom-k sampling,
 * Cohen and Kaplan, PODC 2007), whichever was drawn first, and the same rows are drawn wherever the work is done.
 *
 *     const reservoir = new Reservoir(128, 1024, streamKey(0, 'shard 7'));
 *     for (const rows of blocks) reservoir.add(rows);
 *     const { rows } = reservoir.drawn();
 */
export class Reservoir {
  readonly columns: number;
  readonly #capacity: number;
  readonly #key: number;
  #seen = 0;
  #held = 0;
  #rows = new Float32Array(0);
  #priorities = new Float64Array(0);
  /** Slots as a heap, the largest priority first. */
  #heap = new Int32Array(0);

  /** @param capacity rows to keep at most */
  constructor(columns: number, capacity: number, key = 0) {
    this.columns = columns;
    this.#capacity = capacity;
    this.#key = key;
  }

  /** Rows f32[n, columns], which are copied where they are drawn. */
  add(rows: Float32Array): void {
    const { columns } = this;
    for (let at = 0; at < rows.length; at += columns) {
      this.#offer(priorityOf(this.#key, this.#seen++), rows, at);
    }
  }

  /** What another reservoir has drawn, of another stream. */
  merge({ rows, priorities, seen }: DrawnRows): void {
    for (let i = 0; i < priorities.length; i++) this.#offer(priorities[i] ?? 1, rows, i * this.columns);
    this.#seen += seen;
  }

  drawn(): DrawnRows {
    const { columns } = this;
    const order = Array.from(this.#heap.subarray(0, this.#held)).sort(
      (a, b) => (this.#priorities[a] ?? 0) - (this.#priorities[b] ?? 0) || a - b,
    );
    const rows = new Float32Array(order.length * columns);
    for (const [i, slot] of order.entries()) {
      rows.set(this.#rows.subarray(slot * columns, (slot + 1) * columns), i * columns);
    }
    return {
      columns,
      rows,
      priorities: Float64Array.from(order, (slot) => this.#priorities[slot] ?? 0),
      seen: this.#seen,
    };
  }

  #offer(priority: number, rows: Float32Array, at: number): void {
    if (this.#held === this.#capacity) {
      if (!(priority < (this.#priorities[this.#heap[0] ?? 0] ?? 0))) return;
      const slot = this.#heap[0] ?? 0;
      this.#put(slot, priority, rows, at);
      this.#sink(0);
      return;
    }
    const slot = this.#held;
    if (slot === this.#heap.length) this.#grow();
    this.#put(slot, priority, rows, at);
    this.#heap[slot] = slot;
    this.#held++;
    this.#rise(slot);
  }

  #put(slot: number, priority: number, rows: Float32Array, at: number): void {
    this.#rows.set(rows.subarray(at, at + this.columns), slot * this.columns);
    this.#priorities[slot] = priority;
  }

  #grow(): void {
    const slots = Math.min(this.#capacity, Math.max(64, 2 * this.#heap.length));
    const [rows, priorities, heap] = [this.#rows, this.#priorities, this.#heap];
    this.#rows = new Float32Array(slots * this.columns);
    this.#rows.set(rows);
    this.#priorities = new Float64Array(slots);
    this.#priorities.set(priorities);
    this.#heap = new Int32Array(slots);
    this.#heap.set(heap);
  }

  #at(place: number): number {
    return this.#priorities[this.#heap[place] ?? 0] ?? 0;
  }

  #swap(a: number, b: number): void {
    const slot = this.#heap[a] ?? 0;
    this.#heap[a] = this.#heap[b] ?? 0;
    this.#heap[b] = slot;
  }

  #rise(from: number): void {
    for (let place = from; place > 0; ) {
      const parent = (place - 1) >> 1;
      if (this.#at(parent) >= this.#at(place)) return;
      this.#swap(parent, place);
      place = parent;
    }
  }

  #sink(from: number): void {
    for (let place = from; ; ) {
      const left = 2 * place + 1;
      if (left >= this.#held) return;
      const child = left + 1 < this.#held && this.#at(left + 1) > this.#at(left) ? left + 1 : left;
      if (this.#at(place) >= this.#at(child)) return;
      this.#swap(place, child);
      place = child;
    }
  }
}

/** A key for {@link Reservoir} of a seed and the name of a stream: 32 bits. */
export function streamKey(seed: number, name: string): number {
  let key = mixed(seed);
  for (let i = 0; i < name.length; i++) key = mixed(key ^ name.charCodeAt(i));
  return key;
}

/** 53 bits of the row's number and the key, evenly spread over [0, 1). */
function priorityOf(key: number, ordinal: number): number {
  const low = mixed(key ^ mixed(ordinal));
  const high = mixed(low ^ Math.floor(ordinal / 2 ** 32) ^ 0x9e37_79b9);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit of the number. */
function mixed(number: number): number {
  let bits = number | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return bits ^ (bits >>> 16);
}
