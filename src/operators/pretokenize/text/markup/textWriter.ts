/** Levels of lists that are shown by indentation; deeper ones stand where the last of these does. */
const MAX_INDENT = 8;

/** Writes text as a reader sees it: white space collapsed, blocks apart, lists marked. */
export class TextWriter {
  readonly #parts: string[] = [];
  #length = 0;
  #begun = false;
  /** Line ends before the next text. */
  #breaks = 0;
  /** Line ends that the text so far ends with. */
  #ended = 0;
  #gap = '';
  /** What the cell of a table has so far. */
  #cell: 'none' | 'empty' | 'text' | 'lines' = 'none';
  #depth = 0;
  #mark = '';

  /** Characters so far. */
  get length(): number {
    return this.#length;
  }

  /** Text in which white space only separates words. */
  text(text: string): void {
    // most texts between blocks are this
    if (text === '\n') {
      if (this.#gap === '') this.#gap = ' ';
      return;
    }
    const collapsed = /[\t\n\f\r]| {2}/.test(text) ? text.replace(/[\t\n\f\r ]+/g, ' ') : text;
    const begin = collapsed.startsWith(' ') ? 1 : 0;
    const end = collapsed.endsWith(' ') ? collapsed.length - 1 : collapsed.length;
    if (begin === 1 && this.#gap === '') this.#gap = ' ';
    if (begin >= end) return;
    this.#flush();
    this.#push(begin === 0 && end === collapsed.length ? collapsed : collapsed.slice(begin, end));
    if (end < collapsed.length) this.#gap = ' ';
  }

  /** Text in which every character counts. */
  verbatim(text: string): void {
    if (text === '') return;
    this.#flush();
    this.#push(text);
    this.#ended = text.endsWith('\n\n') ? 2 : text.endsWith('\n') ? 1 : 0;
  }

  /** The next text stands on another line: behind an empty one where `lines` is 2. */
  break(lines: 1 | 2): void {
    if (this.#cell === 'empty') return;
    this.#breaks = Math.max(this.#breaks, lines);
  }

  /** A line end that counts, however many there are. */
  line(): void {
    if (!this.#begun) return;
    this.#breaks = Math.min(this.#breaks + 1, 2);
  }

  /** The next cell begins a row. */
  row(): void {
    this.#cell = 'none';
    this.#gap = '';
    this.break(1);
  }

  /** The next text stands in another cell of its row: behind a tab, or on another line where cells have lines themselves. */
  cell(): void {
    if (this.#cell === 'lines') this.#breaks = Math.max(this.#breaks, 1);
    else if (this.#cell !== 'none') {
      this.#breaks = this.#cell === 'empty' ? this.#breaks : 0;
      this.#gap = this.#gap.startsWith('\t') ? `${this.#gap}\t` : '\t';
    }
    this.#cell = 'empty';
  }

  closeTable(): void {
    this.#cell = 'lines';
    this.#gap = '';
  }

  openList(): void {
    this.#depth++;
  }

  closeList(): void {
    this.#depth--;
    this.#mark = '';
  }

  /** The next text begins an item. */
  item(mark: string): void {
    this.break(1);
    this.#mark = `${mark} `;
  }

  toString(): string {
    return this.#parts.join('');
  }

  #flush(): void {
    if (this.#cell === 'empty') this.#cell = 'text';
    else if (this.#cell === 'text' && this.#breaks > 0) this.#cell = 'lines';
    const depth = Math.min(this.#depth, MAX_INDENT) - 1;
    if (this.#breaks > 0 || !this.#begun) {
      if (this.#begun) this.#push('\n'.repeat(Math.max(0, this.#breaks - this.#ended)));
      if (depth >= 0) this.#push('  '.repeat(this.#mark === '' ? depth + 1 : depth));
      this.#push(this.#mark);
      this.#mark = '';
      if (this.#gap.startsWith('\t')) this.#push(this.#gap);
    } else {
      this.#push(this.#gap);
    }
    this.#begun = true;
    this.#breaks = 0;
    this.#ended = 0;
    this.#gap = '';
  }

  #push(text: string): void {
    if (text === '') return;
    this.#parts.push(text);
    this.#length += text.length;
  }
}
