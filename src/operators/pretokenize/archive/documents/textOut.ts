import type { Budget } from '../../budget.ts';

/** Characters that are gathered before they are charged. */
const CHARGED = 16 << 10;

/** Text that grows: charged as it does, since a few bytes of a table may name a great deal of it. */
export class TextOut {
  readonly #budget: Budget;
  /** What is there as UTF-8; it ends in no white space. */
  readonly #pieces: Uint8Array[] = [];
  #text = '';
  /** Characters of text at which the next piece is made. */
  #most = CHARGED;
  #pending = 0;
  #charged = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add(text: string): void {
    if (text === '') return;
    this.count(text.length);
    this.#text += text;
    if (this.#text.length >= this.#most) this.#encode();
  }

  /** Makes a piece of the text up to its last character that is no white space. */
  #encode(): void {
    const text = this.#text.trimEnd();
    // white space that goes on and on is not looked at again for every few characters
    this.#text = this.#text.slice(text.length);
    this.#most = CHARGED + 2 * this.#text.length;
    if (text === '') return;
    let start = 0;
    if (this.#pieces.length === 0) while (text[start] === '\n') start++;
    this.#pieces.push(Buffer.from(text.slice(start)));
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
    this.#encode();
    const bytes = Buffer.concat(this.#pieces);
    const { length } = bytes;
    this.#budget.take(length - this.#charged, 'the text of the document');
    this.#charged = length;
    this.#pending = 0;
    return bytes;
  }
}
