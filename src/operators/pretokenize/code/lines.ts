import type { TextBytes } from './textBytes.ts';

/** Lines and columns of places in a source, both from 0; columns count bytes. Places are to be asked for in order. */
export class Lines {
  readonly #source: TextBytes;
  #row = 0;
  /** Byte at which the line begins. */
  #line = 0;
  #index = 0;

  constructor(source: TextBytes) {
    this.#source = source;
  }

  at(index: number): readonly [row: number, column: number] {
    const passed = this.#source.text.slice(this.#index, index);
    let last = -1;
    for (let end = passed.indexOf('\n'); end !== -1; end = passed.indexOf('\n', end + 1)) {
      this.#row++;
      last = end;
    }
    if (last !== -1) this.#line = this.#source.at(this.#index + last + 1);
    this.#index = index;
    return [this.#row, this.#source.at(index) - this.#line];
  }
}
