import { AROUND, BLOCK, CONTENT, LINK } from './htmlTraits.ts';
import { attribute, type Element, type Page, visit } from './htmlTree.ts';

/** What surrounds the content of a page besides, by its role (WAI-ARIA 1.2), or the words of its class and id. */
const AROUND_ROLES: ReadonlySet<string> = new Set(
  'alert alertdialog banner complementary contentinfo dialog menu menubar navigation search tablist toolbar'.split(' '),
);
const AROUND_WORDS =
  /(?:^|[\s_-])(?:ads?|advert\w*|banner|breadcrumbs?|consent|cookies?|footer|masthead|menu|modal|nav|navbar|navigation|newsletter|overlay|pager|pagination|popup|promo|recommended|related|share|sharing|sidebar|skip|social|sponsored|subscribe|toc|toolbar)(?:[\s_-]|$)/i;

/** Share of the text of a page that its marked content holds at least: `main` may be there and empty. */
const LEAST_SHARE = 0.25;
/** Share of the text of a block that is text of links, from which on it leads elsewhere. */
const DENSE = 0.6;
const DENSE_LINKS = 3;

/** What is taken of a page. */
export interface Content {
  readonly roots: readonly (Page | Element)[];
  isLeftOut(element: Element): boolean;
}

interface Measured {
  /** Characters of the page. */
  readonly text: number;
  /** What is seen, each element before those in it. */
  readonly elements: readonly Element[];
  /** Outermost elements that say they are the content. */
  readonly mains: readonly Element[];
  readonly articles: readonly Element[];
}

/** Measures every element that is seen. */
function measure(page: Page): Measured {
  const open: Element[] = [];
  const elements: Element[] = [];
  const mains: Element[] = [];
  const articles: Element[] = [];
  let links = 0;
  let contents = 0;
  let total = 0;
  visit(page, {
    enter(element) {
      if (element.unseen) return false;
      if ((element.traits & LINK) !== 0) links++;
      if (isContent(element) && contents++ === 0) (element.tagName === 'article' ? articles : mains).push(element);
      open.push(element);
      element.first = elements.push(element);
      return true;
    },
    leave(element) {
      open.pop();
      element.next = elements.length;
      if ((element.traits & LINK) !== 0) links--;
      if (isContent(element)) contents--;
      const parent = open.at(-1);
      if (parent === undefined) {
        total += element.text;
        return;
      }
      parent.text += element.text;
      parent.linked += element.linked;
      parent.links += element.links;
    },
    text(value) {
      const element = open.at(-1);
      if (element === undefined) return;
      const length = trimmedLength(value);
      element.text += length;
      if (links > 0) element.linked += length;
    },
  });
  return { text: total, elements, mains, articles };
}

/** Whether a character is one that `trim` leaves, at a glance. */
const isInk = (unit: number): boolean => unit > 0x20 && unit < 0x80;

const trimmedLength = (text: string): number =>
  isInk(text.charCodeAt(0)) && isInk(text.charCodeAt(text.length - 1)) ? text.length : text.trim().length;

const isContent = (element: Element): boolean =>
  (element.traits & CONTENT) !== 0 || (element.attrs.length > 0 && attribute(element, 'role') === 'main');

const textOf = (elements: readonly Element[]): number => elements.reduce((sum, { text }) => sum + text, 0);

/** Whether an element surrounds the content, as far as the element itself tells. */
function isAround(element: Element, inContent: boolean): boolean {
  const { tagName, traits, attrs } = element;
  if ((traits & AROUND) !== 0 || (tagName === 'header' && !inContent)) return true;
  const block = (traits & BLOCK) !== 0;
  if (attrs.length === 0) return false;
  return attrs.some(
    ({ name, value }) =>
      (name === 'role' && AROUND_ROLES.has(value)) ||
      (block && (name === 'class' || name === 'id') && AROUND_WORDS.test(value)),
  );
}

/**
 * Tells the content of a page from what surrounds it: the elements that say they are it (`main`, `article`), or the whole
 * page; without navigation, headers, footers, asides and dialogs, by element, role or class; and without blocks that are
 * mostly links. A rule that would leave out more than half of what is there is not applied.
 */
export function mainContent(page: Page): Content {
  const { text, elements, mains, articles } = measure(page);
  const marked = [mains, articles].find((elements) => textOf(elements) > 0 && textOf(elements) >= LEAST_SHARE * text);
  const roots = marked ?? [page];
  const total = marked === undefined ? text : textOf(marked);
  const around = new Set<Element>();
  const dense = new Set<Element>();
  let left = total;
  let sparse = total;
  for (const root of marked ?? [{ first: 0, next: elements.length }]) {
    for (let at = root.first; at < root.next; ) {
      const element = elements[at++];
      if (element === undefined) break;
      if (element.text * 2 < total && isAround(element, marked !== undefined)) {
        around.add(element);
        left -= element.text;
        sparse -= element.text;
        at = element.next;
      } else if (element.links < DENSE_LINKS) {
        // nothing within can be dense
        if (element.text === 0) at = element.next;
      } else if (element.linked > DENSE * element.text && (element.traits & BLOCK) !== 0) {
        dense.add(element);
        sparse -= element.text;
        at = element.next;
      }
    }
  }
  const dropAround = left * 2 >= total;
  const dropDense = sparse * 2 >= left;
  return {
    roots,
    isLeftOut: (element) => element.unseen || (dropAround && around.has(element)) || (dropDense && dense.has(element)),
  };
}
