/** First in, first out, in a ring that doubles when full: O(1) at both ends, and a value taken out is let go at once. */
export class Deque<T> {
  #ring: (T | undefined)[] = new Array(16);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(value: T): void {
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size++) & (this.#ring.length - 1)] = value;
  }

  /** The oldest value, left in place; undefined when empty. */
  peek(): T | undefined {
    return this.#ring[this.#head];
  }

  /** Takes out the oldest value. Call it only while `size` is above 0. */
  shift(): T {
    // a T by the condition above, which leaves values free to be undefined themselves
    const value = this.#ring[this.#head] as T;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#size--;
    return value;
  }

  clear(): void {
    this.#ring = new Array(16);
    this.#head = 0;
    this.#size = 0;
  }

  #grow(): void {
    const ring: (T | undefined)[] = new Array(this.#size * 2);
    for (let i = 0; i < this.#size; i++) ring[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}
