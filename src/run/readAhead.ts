import type { Source, Split } from '../sources/source.ts';

/** Has a source fetch splits before their turn, within its limits. */
export class SplitsAhead {
  readonly #source: Source<unknown>;
  readonly #splits: readonly Split[];
  readonly #signal: AbortSignal;
  /** Splits that were begun or fetched; all others lie behind them. */
  #next = 0;
  #waiting: { readonly place: number; readonly bytes: number }[] = [];

  /** @param splits those that are still to be done, in order */
  constructor(source: Source<unknown>, splits: readonly Split[], signal: AbortSignal) {
    this.#source = source;
    this.#splits = splits;
    this.#signal = signal;
  }

  /** The split at this place has its turn: those behind it may be fetched. */
  reached(place: number): void {
    const { ahead } = this.#source;
    if (ahead === undefined) return;
    this.#waiting = this.#waiting.filter((split) => split.place > place);
    this.#next = Math.max(this.#next, place + 1);
    for (let split = this.#splits[this.#next]; split !== undefined; split = this.#splits[this.#next]) {
      const bytes = this.#waiting.reduce((sum, { bytes: own }) => sum + own, split.bytes);
      if (this.#waiting.length >= ahead.splits || bytes > ahead.bytes) return;
      this.#waiting.push({ place: this.#next++, bytes: split.bytes });
      // A split that cannot be fetched is asked for again when it is read; that is where its error belongs.
      ahead.fetch(split, this.#signal).catch(() => {});
    }
  }
}
