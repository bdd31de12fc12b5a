import type { TextOut } from './textOut.ts';
import type { XmlReader } from './xml.ts';

/** Columns that a sheet can have. */
const COLUMNS = 16_384;

/** A value on one line, in one column. */
export const cellText = (text: string): string => text.replace(/[\t\n\r]+/g, ' ');

/** Number of a column by its letters, from 0. */
function columnOf(reference: string | undefined): number | undefined {
  const letters = /^[A-Za-z]{1,3}/.exec(reference ?? '')?.[0];
  if (letters === undefined) return undefined;
  const number = [...letters.toUpperCase()].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return number < COLUMNS ? number : undefined;
}

/** Rows of SpreadsheetML (ECMA-376, part 18): those with values, each value in its column. */
export class Cells implements XmlReader {
  readonly #out: TextOut;
  readonly #strings: readonly string[];
  /** Column that is written next. */
  #next = 0;
  #at = 0;
  #type: string | undefined;
  #value = '';
  #inValue = false;
  #phonetic = 0;
  /** Something has been written of the row. */
  #begun = false;

  constructor(out: TextOut, strings: readonly string[]) {
    this.#out = out;
    this.#strings = strings;
  }

  open(name: string, attribute: (name: string) => string | undefined): void {
    if (name === 'row') {
      this.#next = 0;
      this.#at = -1;
      this.#begun = false;
    } else if (name === 'c') {
      this.#at = columnOf(attribute('r')) ?? this.#at + 1;
      this.#type = attribute('t');
      this.#value = '';
    } else if (name === 'rPh') this.#phonetic++;
    else if (name === 'v' || name === 't') this.#inValue = this.#phonetic === 0;
  }

  close(name: string): void {
    if (name === 'v' || name === 't') this.#inValue = false;
    else if (name === 'rPh') this.#phonetic--;
    else if (name === 'c') this.#write();
    else if (name === 'row' && this.#begun) this.#out.add('\n');
  }

  text(text: string): void {
    if (this.#inValue) this.#value += text;
  }

  #write(): void {
    const value = cellText(this.#read());
    if (value === '') return;
    this.#out.add('\t'.repeat(Math.max(0, this.#at - this.#next)));
    this.#out.add(value);
    this.#next = Math.max(this.#at, this.#next);
    this.#begun = true;
  }

  #read(): string {
    if (this.#type === 's') return this.#strings[Number(this.#value)] ?? '';
    if (this.#type === 'b') return this.#value === '1' ? 'TRUE' : 'FALSE';
    return this.#value;
  }
}
