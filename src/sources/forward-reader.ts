import type { OpenFile } from './open-file.ts';
import { concat } from './parts.ts';

/**
 * Reads ranges of a remote file in one request, so long as each begins no earlier than the one before. Holds the bytes
 * from the last range's start on that have come.
 */
export class ForwardReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #end: number;
  #held: Uint8Array[] = [];
  /** Offsets of the first held byte and of the next one to come. */
  #from: number;
  #to: number;

  constructor(file: OpenFile, start: number, end: number) {
    this.#chunks = file.stream(start, end)[Symbol.asyncIterator]();
    this.#from = start;
    this.#to = start;
    this.#end = end;
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    if (start < this.#from || end > this.#end) throw new Error(`bytes ${start} to ${end} lie outside what is read`);
    this.#drop(start);
    while (this.#to < end) {
      const { done, value } = await this.#chunks.next();
      if (done === true) throw new Error('the file ends too early');
      this.#held.push(value);
      this.#to += value.length;
      this.#drop(start);
    }
    const [only] = this.#held;
    const all = only !== undefined && this.#held.length === 1 ? only : concat(this.#held, this.#to - this.#from);
    this.#held = [all];
    return all.subarray(start - this.#from, end - this.#from);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #drop(before: number): void {
    for (let first = this.#held[0]; first !== undefined && this.#from + first.length <= before; first = this.#held[0]) {
      this.#held.shift();
      this.#from += first.length;
    }
  }
}
