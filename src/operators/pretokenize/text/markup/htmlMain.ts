import { attribute, type Element, type Parent, visit } from './htmlTree.ts';

/** Elements that have no text for a reader. */
const UNSEEN: ReadonlySet<string> = new Set(
  'applet area audio base button canvas datalist embed frame frameset head iframe input link meta noembed noframes noscript object option optgroup param script select source style svg template textarea title track video'.split(
    ' ',
  ),
);

/** What surrounds the content of a page, by its element, its role (WAI-ARIA 1.2), or the words of its class and id. */
const AROUND: ReadonlySet<string> = new Set(['nav', 'aside', 'footer', 'menu', 'dialog']);
const AROUND_ROLES: ReadonlySet<string> = new Set(
  'alert alertdialog banner complementary contentinfo dialog menu menubar navigation search tablist toolbar'.split(' '),
);
const AROUND_WORDS =
  /(?:^|[\s_-])(?:ads?|advert\w*|banner|breadcrumbs?|consent|cookies?|footer|masthead|menu|modal|nav|navbar|navigation|newsletter|overlay|pager|pagination|popup|promo|recommended|related|share|sharing|sidebar|skip|social|sponsored|subscribe|toc|toolbar)(?:[\s_-]|$)/i;
const BLOCKS: ReadonlySet<string> = new Set(['div', 'section', 'ul', 'ol', 'dl', 'table', 'form', 'header']);

/** Share of the text of a page that its marked content holds at least: `main` may be there and empty. */
const LEAST_SHARE = 0.25;
/** Share of the text of a block that is text of links, from which on it leads elsewhere. */
const DENSE = 0.6;
const DENSE_LINKS = 3;

interface Extent {
  /** Characters, those of links, and links. */
  text: number;
  linked: number;
  links: number;
}

/** Whether an element is seen by nobody: scripts, controls, what is hidden. */
export const isUnseen = (element: Element): boolean =>
  UNSEEN.has(element.tagName) ||
  attribute(element, 'hidden') !== undefined ||
  attribute(element, 'aria-hidden') === 'true';

const isContent = (element: Element): boolean =>
  element.tagName === 'main' || element.tagName === 'article' || attribute(element, 'role') === 'main';

/** What is taken of a page. */
export interface Content {
  readonly roots: readonly Parent[];
  isLeftOut(element: Element): boolean;
}

/** Measures every element that is seen. */
function extents(root: Parent): ReadonlyMap<Parent, Extent> {
  const all = new Map<Parent, Extent>();
  const open: Extent[] = [{ text: 0, linked: 0, links: 0 }];
  all.set(root, open[0] as Extent);
  let within = 0;
  visit(root, {
    enter(element) {
      if (isUnseen(element)) return false;
      const extent = { text: 0, linked: 0, links: 0 };
      if (element.tagName === 'a') {
        within++;
        extent.links = 1;
      }
      open.push(extent);
      all.set(element, extent);
      return true;
    },
    leave(element) {
      if (element.tagName === 'a') within--;
      const extent = open.pop();
      const parent = open.at(-1);
      if (extent === undefined || parent === undefined) return;
      parent.text += extent.text;
      parent.linked += extent.linked;
      parent.links += extent.links;
    },
    text(value) {
      const extent = open.at(-1);
      const length = value.trim().length;
      if (extent === undefined) return;
      extent.text += length;
      if (within > 0) extent.linked += length;
    },
  });
  return all;
}

/** Outermost elements that say they are the content: `main` where there is one with text in it, else all `article`. */
function marked(root: Parent, measured: ReadonlyMap<Parent, Extent>): readonly Element[] {
  const mains: Element[] = [];
  const articles: Element[] = [];
  visit(root, {
    enter(element) {
      if (!measured.has(element)) return false;
      if (element.tagName === 'article') articles.push(element);
      else if (isContent(element)) mains.push(element);
      return !isContent(element);
    },
    leave() {},
    text() {},
  });
  const total = measured.get(root)?.text ?? 0;
  for (const elements of [mains, articles]) {
    const text = elements.reduce((sum, element) => sum + (measured.get(element)?.text ?? 0), 0);
    if (text > 0 && text >= LEAST_SHARE * total) return elements;
  }
  return [];
}

/** Whether an element surrounds the content, as far as the element itself tells. */
function isAround(element: Element, inContent: boolean): boolean {
  const { tagName } = element;
  if (AROUND.has(tagName) || AROUND_ROLES.has(attribute(element, 'role') ?? '')) return true;
  if (tagName === 'header') return !inContent;
  return (
    BLOCKS.has(tagName) &&
    (AROUND_WORDS.test(attribute(element, 'class') ?? '') || AROUND_WORDS.test(attribute(element, 'id') ?? ''))
  );
}

/**
 * Tells the content of a page from what surrounds it: the elements that say they are it (`main`, `article`), or the whole
 * page; without navigation, headers, footers, asides and dialogs, by element, role or class; and without blocks that are
 * mostly links. A rule that would leave out more than half of what is there is not applied.
 */
export function mainContent(page: Parent): Content {
  const measured = extents(page);
  const elements = marked(page, measured);
  const roots = elements.length === 0 ? [page] : elements;
  const total = roots.reduce((sum, root) => sum + (measured.get(root)?.text ?? 0), 0);
  const around = new Set<Element>();
  const dense = new Set<Element>();
  let left = total;
  let sparse = total;
  for (const root of roots) {
    visit(root, {
      enter(element) {
        const extent = measured.get(element);
        if (extent === undefined) return false;
        if (extent.text * 2 < total && isAround(element, elements.length > 0)) {
          around.add(element);
          left -= extent.text;
          sparse -= extent.text;
          return false;
        }
        if (BLOCKS.has(element.tagName) && extent.links >= DENSE_LINKS && extent.linked > DENSE * extent.text) {
          dense.add(element);
          sparse -= extent.text;
          return false;
        }
        return true;
      },
      leave() {},
      text() {},
    });
  }
  const dropAround = left * 2 >= total;
  const dropDense = sparse * 2 >= left;
  return {
    roots,
    isLeftOut: (element) =>
      isUnseen(element) || (dropAround && around.has(element)) || (dropDense && dense.has(element)),
  };
}
