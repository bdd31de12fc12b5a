import type { TextOut } from './textOut.ts';
import type { XmlReader } from './xml.ts';

/** Properties, field codes, what was moved away, and copies for older programs: none of it is read. */
const SKIPPED: ReadonlySet<string> = new Set([
  'pPr',
  'rPr',
  'tblPr',
  'sectPr',
  'instrText',
  'delText',
  'moveFrom',
  'Fallback',
]);
const BREAKS: Readonly<Record<string, string>> = { tab: '\t', br: '\n', cr: '\n', noBreakHyphen: '\u2011' };

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
    if (this.#skipped > 0 || SKIPPED.has(name)) {
      this.#skipped++;
      return;
    }
    if (name === 't') this.#inText = true;
    else if (name === 'tbl') this.#tables++;
    else if (name === 'tr' && this.#tables === 1) this.#cells = 0;
    else if (name === 'tc' && this.#tables === 1) {
      if (this.#cells++ > 0) this.#out.add('\t');
      this.#inCell = false;
    } else if (Object.hasOwn(BREAKS, name)) this.#out.add(this.#tables > 0 ? ' ' : (BREAKS[name] ?? ''));
    else if (name === 'p' && this.#tables > 0) {
      if (this.#inCell) this.#out.add(' ');
      this.#inCell = true;
    }
  }

  close(name: string): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    if (name === 't') this.#inText = false;
    else if (name === 'tbl') this.#tables--;
    else if (name === 'tr' && this.#tables === 1) this.#out.add('\n');
    else if (name === 'p' && this.#tables === 0) this.#out.add('\n');
  }

  text(text: string): void {
    if (this.#inText && this.#skipped === 0) this.#out.add(text);
  }
}
