import { Cells } from './cells.ts';
import type { DocumentPart, NewText } from './documentPart.ts';
import { Paragraphs } from './paragraphs.ts';
import { type Parts, resolvePart } from './parts.ts';
import { readXml } from './xml.ts';

/** The parts that a part refers to, by the ids that it gives them (ECMA-376, part 2, relationships). */
async function relations(parts: Parts, from: string): Promise<ReadonlyMap<string, string>> {
  const slash = from.lastIndexOf('/') + 1;
  const name = `${from.slice(0, slash)}_rels/${from.slice(slash)}.rels`;
  const found = new Map<string, string>();
  if (!parts.has(name)) return found;
  await parts.read(name, (bytes) =>
    readXml(bytes, name, {
      open(element, attribute) {
        const [id, target] = [attribute('Id'), attribute('Target')];
        if (element !== 'Relationship' || id === undefined || target === undefined) return;
        if (attribute('TargetMode') === 'External') return;
        found.set(id, resolvePart(from, target));
        // the kind of a relation is the last step of what names it
        found.set(`type:${attribute('Type')?.split('/').at(-1) ?? ''}`, resolvePart(from, target));
      },
    }),
  );
  return found;
}

async function mainPart(parts: Parts, otherwise: string): Promise<string> {
  return (await relations(parts, '')).get('type:officeDocument') ?? otherwise;
}

/** The body of a Word document, then its footnotes and endnotes. */
export async function* wordText(parts: Parts, newText: NewText): AsyncGenerator<DocumentPart> {
  const main = await mainPart(parts, 'word/document.xml');
  const related = await relations(parts, main);
  const notes = ['footnotes', 'endnotes'].map((kind) => related.get(`type:${kind}`));
  for (const part of [main, ...notes]) {
    if (part === undefined || (part !== main && !parts.has(part))) continue;
    const out = newText();
    await parts.read(part, (bytes) => readXml(bytes, part, new Paragraphs(out)));
    yield { label: part === main ? 'text' : 'notes', meta: { part }, bytes: out.bytes() };
  }
}

/** What a part lists in order: ids of relations, with the names that it gives them. */
async function listed(parts: Parts, part: string, element: string): Promise<{ id: string; name: string }[]> {
  const found: { id: string; name: string }[] = [];
  await parts.read(part, (bytes) =>
    readXml(bytes, part, {
      open(name, attribute) {
        // slides have an id of their own besides that of their relation
        if (name === element) found.push({ id: attribute('r:id') ?? '', name: attribute('name') ?? '' });
      },
    }),
  );
  return found;
}

/** The slides of a presentation in the order in which they are shown. */
export async function* slideText(parts: Parts, newText: NewText): AsyncGenerator<DocumentPart> {
  const main = await mainPart(parts, 'ppt/presentation.xml');
  const related = await relations(parts, main);
  let slide = 0;
  for (const { id } of await listed(parts, main, 'sldId')) {
    const part = related.get(id);
    slide++;
    if (part === undefined) continue;
    const out = newText();
    await parts.read(part, (bytes) => readXml(bytes, part, new Paragraphs(out)));
    yield { label: 'slide', meta: { slide, part }, bytes: out.bytes() };
  }
}

/** The sheets of a workbook in its order, as lines of values apart by tabs: what is stored, not how it is shown. */
export async function* sheetText(parts: Parts, newText: NewText): AsyncGenerator<DocumentPart> {
  const main = await mainPart(parts, 'xl/workbook.xml');
  const related = await relations(parts, main);
  const strings = await sharedStrings(parts, related.get('type:sharedStrings'), newText);
  for (const { id, name } of await listed(parts, main, 'sheet')) {
    const part = related.get(id);
    if (part === undefined || !parts.has(part)) continue;
    const out = newText();
    await parts.read(part, (bytes) => readXml(bytes, part, new Cells(out, strings)));
    yield { label: 'sheet', meta: { sheet: name, part }, bytes: out.bytes() };
  }
}

/** Strings that cells name by number, phonetic guides left out. */
async function sharedStrings(parts: Parts, part: string | undefined, newText: NewText): Promise<readonly string[]> {
  const strings: string[] = [];
  if (part === undefined || !parts.has(part)) return strings;
  const charged = newText();
  let string = '';
  let inText = false;
  let phonetic = 0;
  await parts.read(part, (bytes) =>
    readXml(bytes, part, {
      open(name) {
        if (name === 'rPh') phonetic++;
        if (name === 't') inText = phonetic === 0;
      },
      close(name) {
        if (name === 'rPh') phonetic--;
        if (name === 't') inText = false;
        if (name !== 'si') return;
        charged.count(string.length);
        strings.push(string);
        string = '';
      },
      text(text) {
        if (inText) string += text;
      },
    }),
  );
  return strings;
}
