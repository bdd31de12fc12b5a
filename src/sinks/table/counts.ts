/** Counts by name, as files and commits list them. */
export type Counts = { readonly [name: string]: number };

/** Sums of counts. */
export class Tally<C extends Counts> {
  readonly #none: C;
  #sums: Record<keyof C, number>;

  /** @param none what is counted, all 0 */
  constructor(none: C) {
    this.#none = none;
    this.#sums = { ...none };
  }

  add(counts: C): void {
    const sums = this.#sums;
    for (const name in counts) sums[name] += counts[name] ?? 0;
  }

  /** The sums so far, which are 0 from here on. */
  take(): C {
    const sums = this.#sums;
    this.#sums = { ...this.#none };
    return sums as C;
  }
}
