import type { Budget } from '../../budget.ts';

/** Characters that are gathered before they are charged. */
const CHARGED = 16 << 10;

/** Text that grows: charged as it does, since a few bytes of a table may name a great deal of it. */
export class TextOut {
  readonly #budget: Budget;
  readonly #pieces: string[] = [];
  #pending = 0;
  #charged = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add(text: string): void {
    if (text === '') return;
    this.count(text.length);
    this.#pieces.push(text);
  }

  /** Charges characters that are held elsewhere until this text ends. */
  count(length: number): void {
    this.#pending += length;
    if (this.#pending < CHARGED) return;
    this.#budget.take(this.#pending, 'the text of the document');
    this.#charged += this.#pending;
    this.#pending = 0;
  }

  /** As UTF-8, without empty lines around it; charged by its bytes from now on. */
  bytes(): Uint8Array {
    const text = this.#pieces.join('').trimEnd();
    let start = 0;
    while (text[start] === '\n') start++;
    const bytes = Buffer.from(start === 0 ? text : text.slice(start));
    const { length } = bytes;
    this.#budget.take(length - this.#charged, 'the text of the document');
    this.#charged = length;
    this.#pending = 0;
    return bytes;
  }
}
