/** Values at equal distances from a sequence whose length is not known: at most so many, at least half as many once there were. */
export class ThinnedSample<T> {
  values: T[] = [];
  readonly #most: number;
  #step = 1;
  #seen = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(value: T): void {
    if (this.#seen++ % this.#step !== 0) return;
    this.values.push(value);
    if (this.values.length <= this.#most) return;
    this.values = this.values.filter((_, i) => i % 2 === 0);
    this.#step *= 2;
  }
}
