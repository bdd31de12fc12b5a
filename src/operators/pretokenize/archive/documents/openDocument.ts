import { Failure } from '../../../../sources/failure.ts';
import { cellText } from './cells.ts';
import type { DocumentPart, NewText } from './documentPart.ts';
import type { DocumentKind } from './kinds.ts';
import type { Parts } from './parts.ts';
import type { TextOut } from './textOut.ts';
import { readXml, type XmlReader } from './xml.ts';

const CONTENT = 'content.xml';
const MANIFEST = 'META-INF/manifest.xml';
/** Remarks, what was deleted, notes of a speaker, footnotes: no part of the main text. */
const SKIPPED: ReadonlySet<string> = new Set(['annotation', 'tracked-changes', 'notes', 'note', 'shapes', 'forms']);
/** Repetitions of a cell or row that are believed: empty ones fill sheets to their edges. */
const MOST_REPEATED = 1024;

type Attribute = (name: string) => string | undefined;

const count = (stated: string | undefined): number => Math.min(MOST_REPEATED, Math.max(1, Number(stated) || 1));

/** Text of OpenDocument content (OASIS ODF 1.3): paragraphs on lines, rows of tables on one with cells apart by tabs. */
class Content implements XmlReader {
  readonly #kind: DocumentKind;
  readonly #newText: NewText;
  readonly parts: DocumentPart[] = [];
  #out: TextOut | undefined;
  #name = '';
  #skipped = 0;
  #paragraphs = 0;
  #tables = 0;
  #cell = '';
  #row: string[] = [];
  #empty = 0;
  #repeated = 1;

  constructor(kind: DocumentKind, newText: NewText) {
    this.#kind = kind;
    this.#newText = newText;
    if (kind === 'odt') this.#out = newText();
  }

  open(name: string, attribute: Attribute): void {
    if (this.#skipped > 0 || SKIPPED.has(name)) {
      this.#skipped++;
      return;
    }
    switch (name) {
      case 'page':
        if (this.#kind === 'odp') this.#begin(attribute('name'));
        return;
      case 'table':
        if (this.#kind === 'ods' && this.#tables === 0) this.#begin(attribute('name'));
        this.#tables++;
        return;
      case 'table-row':
        if (this.#tables === 1) this.#row = [];
        this.#empty = 0;
        return;
      case 'table-cell':
      case 'covered-table-cell':
        if (this.#tables !== 1) return;
        this.#cell = '';
        this.#repeated = count(attribute('number-columns-repeated'));
        return;
      case 'p':
      case 'h':
        if (this.#paragraphs++ === 0 && this.#tables > 0 && this.#cell !== '') this.#cell += ' ';
        return;
      case 's':
        this.#add(' '.repeat(count(attribute('c'))));
        return;
      case 'tab':
        this.#add('\t');
        return;
      case 'line-break':
        this.#add('\n');
        return;
    }
  }

  close(name: string): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    if (name === 'page' && this.#kind === 'odp') this.end();
    else if (name === 'p' || name === 'h') {
      if (--this.#paragraphs === 0 && this.#tables === 0) this.#out?.add('\n');
    } else if (name === 'table') {
      if (--this.#tables === 0 && this.#kind === 'ods') this.end();
    } else if (this.#tables === 1 && (name === 'table-cell' || name === 'covered-table-cell')) this.#endCell();
    else if (this.#tables === 1 && name === 'table-row' && this.#row.length > 0)
      this.#out?.add(`${this.#row.join('\t')}\n`);
  }

  text(text: string): void {
    if (this.#paragraphs > 0 && this.#skipped === 0) this.#add(text.replace(/[\t\n\r ]+/g, ' '));
  }

  /** Ends the part at hand. */
  end(): void {
    if (this.#out === undefined) return;
    const label = { ods: 'sheet', odp: 'slide' }[this.#kind as string] ?? 'text';
    const meta =
      this.#kind === 'ods' ? { sheet: this.#name } : this.#kind === 'odp' ? { slide: this.parts.length + 1 } : {};
    this.parts.push({ label, meta: { ...meta, part: CONTENT }, bytes: this.#out.bytes() });
    this.#out = undefined;
  }

  #begin(name: string | undefined): void {
    this.end();
    this.#name = name ?? '';
    this.#out = this.#newText();
  }

  #add(text: string): void {
    if (this.#tables > 0) {
      this.#out?.count(text.length);
      this.#cell += text;
    } else if (this.#paragraphs > 0) this.#out?.add(text);
  }

  /** Empty cells count only where another follows. */
  #endCell(): void {
    const value = cellText(this.#cell);
    if (value === '') {
      this.#empty += this.#repeated;
      return;
    }
    this.#out?.count(this.#empty + this.#repeated * value.length);
    for (; this.#empty > 0; this.#empty--) this.#row.push('');
    for (let times = 0; times < this.#repeated; times++) this.#row.push(value);
  }
}

/** @throws Failure `ENCRYPTED` where its manifest says so */
export async function openDocumentText(
  kind: DocumentKind,
  parts: Parts,
  newText: NewText,
): Promise<readonly DocumentPart[]> {
  if (parts.has(MANIFEST)) {
    await parts.read(MANIFEST, (bytes) => {
      if (!Buffer.from(bytes).includes('encryption-data')) return;
      throw new Failure('ENCRYPTED', 'the document is encrypted', 'Save it again without a password.');
    });
  }
  const content = new Content(kind, newText);
  await parts.read(CONTENT, (bytes) => readXml(bytes, CONTENT, content));
  content.end();
  return content.parts;
}
