import type { TextOut } from './textOut.ts';
import type { XmlReader } from './xml.ts';

const SKIPPED = 0;
const TEXT = 1;
const PARAGRAPH = 2;
const TABLE = 3;
const ROW = 4;
const CELL = 5;
const BREAK = 6;
const BREAKS: ReadonlyMap<string, string> = new Map([
  ['tab', '\t'],
  ['br', '\n'],
  ['cr', '\n'],
  ['noBreakHyphen', '\u2011'],
]);
/** What elements are for; one look-up for each, as there are very many. */
const ROLES: ReadonlyMap<string, number> = new Map([
  // properties, field codes, what was moved away, copies for older programs: none of it is read
  ...['pPr', 'rPr', 'tblPr', 'sectPr', 'instrText', 'delText', 'moveFrom', 'Fallback'].map(
    (name) => [name, SKIPPED] as const,
  ),
  ...[...BREAKS.keys()].map((name) => [name, BREAK] as const),
  ['t', TEXT],
  ['p', PARAGRAPH],
  ['tbl', TABLE],
  ['tr', ROW],
  ['tc', CELL],
]);

/**
 * Paragraphs of WordprocessingML and DrawingML (ECMA-376, parts 17 and 21): each on a line, rows of a table on one, cells
 * apart by tabs.
 */
export class Paragraphs implements XmlReader {
  readonly #out: TextOut;
  #skipped = 0;
  #tables = 0;
  #inText = false;
  /** Something has been written of the cell at hand. */
  #inCell = false;
  #cells = 0;

  constructor(out: TextOut) {
    this.#out = out;
  }

  open(name: string): void {
    if (this.#skipped > 0) {
      this.#skipped++;
      return;
    }
    switch (ROLES.get(name)) {
      case SKIPPED:
        this.#skipped++;
        return;
      case TEXT:
        this.#inText = true;
        return;
      case PARAGRAPH:
        if (this.#tables === 0) return;
        if (this.#inCell) this.#out.add(' ');
        this.#inCell = true;
        return;
      case TABLE:
        this.#tables++;
        return;
      case ROW:
        if (this.#tables === 1) this.#cells = 0;
        return;
      case CELL:
        if (this.#tables !== 1) return;
        if (this.#cells++ > 0) this.#out.add('\t');
        this.#inCell = false;
        return;
      case BREAK:
        this.#out.add(this.#tables > 0 ? ' ' : (BREAKS.get(name) ?? ''));
    }
  }

  close(name: string): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    switch (ROLES.get(name)) {
      case TEXT:
        this.#inText = false;
        return;
      case PARAGRAPH:
        if (this.#tables === 0) this.#out.add('\n');
        return;
      case TABLE:
        this.#tables--;
        return;
      case ROW:
        if (this.#tables === 1) this.#out.add('\n');
    }
  }

  text(text: string): void {
    if (this.#inText && this.#skipped === 0) this.#out.add(text);
  }
}
