import type { Content } from './htmlMain.ts';
import { LINE, LIST, OTHER, PARAGRAPH, PREFORMATTED } from './htmlTraits.ts';
import { attribute, type Element, visit } from './htmlTree.ts';
import { TextWriter } from './textWriter.ts';

/** Numbers of items of the lists that are open; 0 in those without numbers. */
type Numbers = { next: number; readonly ordered: boolean }[];

function startOf(list: Element): number {
  const start = Number.parseInt(attribute(list, 'start') ?? '', 10);
  return Number.isSafeInteger(start) ? start : 1;
}

function markOf(item: Element, numbers: Numbers): string {
  const list = numbers.at(-1);
  if (list === undefined || !list.ordered) return '-';
  const own = Number.parseInt(attribute(item, 'value') ?? '', 10);
  if (Number.isSafeInteger(own)) list.next = own;
  return `${list.next++}.`;
}

/** Writes what single elements stand for. Returns whether what is in them is text too. */
function enterOther(element: Element, writer: TextWriter, numbers: Numbers): boolean {
  switch (element.tagName) {
    case 'br':
      writer.line();
      return true;
    case 'img':
      writer.text(attribute(element, 'alt') ?? '');
      return true;
    case 'li':
      writer.item(markOf(element, numbers));
      return true;
    case 'tr':
      writer.row();
      return true;
    case 'td':
    case 'th':
      writer.cell();
      return true;
    case 'q':
      writer.text('“');
      return true;
    case 'math': {
      const alternative = attribute(element, 'alttext');
      if (alternative !== undefined) writer.text(alternative);
      return alternative === undefined;
    }
    default:
      return element.tagName === 'table';
  }
}

const EFFECTS = PARAGRAPH | LINE | PREFORMATTED | LIST | OTHER;

/** The text of a page as a reader sees it. */
export function contentText({ roots, isLeftOut }: Content): string {
  const writer = new TextWriter();
  const numbers: Numbers = [];
  let preformatted = 0;
  const apart = (effect: number): void => {
    if ((effect & PARAGRAPH) !== 0 || ((effect & LIST) !== 0 && numbers.length === 0)) writer.break(2);
    else if ((effect & LINE) !== 0) writer.break(1);
  };
  for (const root of roots) {
    writer.break(2);
    visit(root, {
      enter(element) {
        if (isLeftOut(element)) return false;
        const effect = element.traits & EFFECTS;
        if (effect === 0) return true;
        apart(effect);
        if ((effect & LIST) !== 0) {
          numbers.push({ next: startOf(element), ordered: element.tagName === 'ol' });
          writer.openList();
        }
        if ((effect & PREFORMATTED) !== 0) preformatted++;
        return (effect & OTHER) === 0 || enterOther(element, writer, numbers);
      },
      leave(element) {
        const effect = element.traits & EFFECTS;
        if (effect === 0) return;
        if ((effect & LIST) !== 0) {
          numbers.pop();
          writer.closeList();
        }
        if ((effect & PREFORMATTED) !== 0) preformatted--;
        if ((effect & OTHER) !== 0) {
          if (element.tagName === 'q') writer.text('”');
          if (element.tagName === 'table') writer.closeTable();
        }
        apart(effect);
      },
      text(value) {
        if (preformatted > 0) writer.verbatim(value);
        else writer.text(value);
      },
    });
  }
  return writer.toString();
}
