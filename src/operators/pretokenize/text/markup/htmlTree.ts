import { type DefaultTreeAdapterTypes, defaultTreeAdapter, parse } from 'parse5';
import { Failure } from '../../../../sources/failure.ts';
import { LINK, traitsOf, UNSEEN } from './htmlTraits.ts';

type Node = DefaultTreeAdapterTypes.ChildNode;
export type Page = DefaultTreeAdapterTypes.Document;

/** An element of a page, and what is measured of it. */
export interface Element extends DefaultTreeAdapterTypes.Element {
  /** By its name: bits of htmlTraits.ts. */
  readonly traits: number;
  /** It is shown to nobody. */
  readonly unseen: boolean;
  /** Characters of text in it, and how many of them are text of links. */
  text: number;
  linked: number;
  /** Links in it, and whether it is one. */
  links: number;
  /** Places of the first and behind the last element in it, among all that are seen. */
  first: number;
  next: number;
}

/** Elements that a page may have besides one for every two characters, which is more than tags can spell. */
const SPARE = 1000;

/** Elements of the page that is being parsed, and how many it may have. */
let elements = 0;
let most = 0;

/** One for all pages: the parser is twice as slow with one that is made anew. */
const treeAdapter: typeof defaultTreeAdapter = {
  ...defaultTreeAdapter,
  createElement(tagName, namespaceURI, attrs): Element {
    if (++elements > most) {
      throw new Failure(
        'DECODED_TOO_LARGE',
        `the HTML becomes more than ${most} elements`,
        'The page is made to fill memory, or its tags are never closed; keep its bytes with { markup: { html: "keep" } }.',
      );
    }
    const traits = traitsOf(tagName);
    return {
      nodeName: tagName,
      tagName,
      attrs,
      namespaceURI,
      childNodes: [],
      parentNode: null,
      traits,
      unseen: (traits & UNSEEN) !== 0 || (attrs.length > 0 && attrs.some(isHiding)),
      text: 0,
      linked: 0,
      links: (traits & LINK) === 0 ? 0 : 1,
      first: 0,
      next: 0,
    };
  },
};

/**
 * Parses HTML as browsers do (the WHATWG standard): anything is HTML.
 *
 * @throws Failure `DECODED_TOO_LARGE` where elements multiply: formatting that is never closed is opened anew in every
 *   paragraph, so that a page of n tags may become n^2 elements
 */
export function parseHtml(html: string): Page {
  elements = 0;
  most = SPARE + Math.floor(html.length / 2);
  return parse(html, { treeAdapter });
}

const isHiding = ({ name, value }: { readonly name: string; readonly value: string }): boolean =>
  name === 'hidden' || (name === 'aria-hidden' && value === 'true');

/** Whether a node is an element; all of a page are made above. */
const isElement = (node: Node): node is Element => 'tagName' in node;

export function attribute({ attrs }: Element, name: string): string | undefined {
  for (const attr of attrs) if (attr.name === name) return attr.value;
  return undefined;
}

/** What is done with the elements and texts below one, in their order. */
export interface Visitor {
  /** False where nothing within is visited; it is not left then. */
  enter(element: Element): boolean;
  leave(element: Element): void;
  text(value: string): void;
}

/** Visits what is below an element, however deep. */
export function visit(root: Page | Element, visitor: Visitor): void {
  const open: Element[] = [];
  const places: number[] = [];
  let nodes: readonly Node[] = root.childNodes;
  let at = 0;
  for (;;) {
    const node = nodes[at++];
    if (node === undefined) {
      const element = open.pop();
      if (element === undefined) return;
      visitor.leave(element);
      at = places.pop() ?? 0;
      nodes = (open.at(-1) ?? root).childNodes;
    } else if (isElement(node)) {
      if (!visitor.enter(node)) continue;
      open.push(node);
      places.push(at);
      nodes = node.childNodes;
      at = 0;
    } else if ('value' in node) {
      visitor.text(node.value);
    }
  }
}

/** The first child of a name. */
export function childOf(parent: Page | Element | undefined, name: string): Element | undefined {
  return parent?.childNodes.filter(isElement).find(({ tagName }) => tagName === name);
}
