import type { Content } from './htmlMain.ts';
import { attribute, type Element, visit } from './htmlTree.ts';
import { TextWriter } from './textWriter.ts';

/** Elements that stand apart from what is before and behind them: by an empty line, or by a line end. */
const PARAGRAPHS: ReadonlySet<string> = new Set(
  'article aside blockquote dl figure footer form h1 h2 h3 h4 h5 h6 header hr main nav p pre section table'.split(' '),
);
const LINES: ReadonlySet<string> = new Set(
  'address body caption center dd details dialog dir div dt fieldset figcaption hgroup html legend li listing menu ol search summary tbody tfoot thead tr ul xmp'.split(
    ' ',
  ),
);
const PREFORMATTED: ReadonlySet<string> = new Set(['pre', 'listing', 'xmp', 'plaintext']);
const LISTS: ReadonlySet<string> = new Set(['ul', 'ol', 'menu', 'dir']);

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

/** The text of a page as a reader sees it. */
export function contentText({ roots, isLeftOut }: Content): string {
  const writer = new TextWriter();
  const numbers: Numbers = [];
  let preformatted = 0;
  const apart = ({ tagName }: Element, list: boolean): void => {
    if (PARAGRAPHS.has(tagName) || (list && numbers.length === 0)) writer.break(2);
    else if (LINES.has(tagName)) writer.break(1);
  };
  for (const root of roots) {
    writer.break(2);
    visit(root, {
      enter(element) {
        const { tagName } = element;
        if (isLeftOut(element)) return false;
        const list = LISTS.has(tagName);
        apart(element, list);
        if (list) {
          numbers.push({ next: startOf(element), ordered: tagName === 'ol' });
          writer.openList();
        } else if (PREFORMATTED.has(tagName)) preformatted++;
        else if (tagName === 'br') writer.line();
        else if (tagName === 'img') writer.text(attribute(element, 'alt') ?? '');
        else if (tagName === 'li') writer.item(markOf(element, numbers));
        else if (tagName === 'tr') writer.row();
        else if (tagName === 'td' || tagName === 'th') writer.cell();
        else if (tagName === 'q') writer.text('“');
        else if (tagName === 'math') {
          const alternative = attribute(element, 'alttext');
          if (alternative !== undefined) writer.text(alternative);
          return alternative === undefined;
        } else return tagName !== 'annotation' && tagName !== 'annotation-xml';
        return true;
      },
      leave(element) {
        const { tagName } = element;
        const list = LISTS.has(tagName);
        if (list) {
          numbers.pop();
          writer.closeList();
        } else if (PREFORMATTED.has(tagName)) preformatted--;
        else if (tagName === 'table') writer.closeTable();
        else if (tagName === 'q') writer.text('”');
        apart(element, list);
      },
      text(value) {
        if (preformatted > 0) writer.verbatim(value);
        else writer.text(value);
      },
    });
  }
  return writer.toString();
}
