import { type DefaultTreeAdapterTypes, defaultTreeAdapter, parse } from 'parse5';
import { Failure } from '../../../../sources/failure.ts';

export type Element = DefaultTreeAdapterTypes.Element;
type Node = DefaultTreeAdapterTypes.ChildNode;
export type Parent = DefaultTreeAdapterTypes.Document | Element;

/** Elements that a page may have besides one for every two characters, which is more than tags can spell. */
const SPARE = 1000;

/**
 * Parses HTML as browsers do (the WHATWG standard): anything is HTML.
 *
 * @throws Failure `DECODED_TOO_LARGE` where elements multiply: formatting that is never closed is opened anew in every
 *   paragraph, so that a page of n tags may become n^2 elements
 */
export function parseHtml(html: string): DefaultTreeAdapterTypes.Document {
  const most = SPARE + Math.floor(html.length / 2);
  let elements = 0;
  const createElement: typeof defaultTreeAdapter.createElement = (name, namespace, attributes) => {
    elements++;
    if (elements > most) {
      throw new Failure(
        'DECODED_TOO_LARGE',
        `${html.length} characters of HTML become more than ${most} elements`,
        'The page is made to fill memory, or its tags are never closed; keep its bytes with { markup: { html: "keep" } }.',
      );
    }
    return defaultTreeAdapter.createElement(name, namespace, attributes);
  };
  return parse(html, { treeAdapter: { ...defaultTreeAdapter, createElement } });
}

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
export function visit(root: Parent, visitor: Visitor): void {
  const open: { readonly element: Element | undefined; readonly nodes: readonly Node[]; at: number }[] = [
    { element: undefined, nodes: root.childNodes, at: 0 },
  ];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const node = top.nodes[top.at++];
    if (node === undefined) {
      open.pop();
      if (top.element !== undefined) visitor.leave(top.element);
    } else if ('value' in node) {
      visitor.text(node.value);
    } else if ('tagName' in node && visitor.enter(node)) {
      open.push({ element: node, nodes: node.childNodes, at: 0 });
    }
  }
}

/** The first child of a name. */
export function childOf(parent: Parent | undefined, name: string): Element | undefined {
  return parent?.childNodes.find((node): node is Element => 'tagName' in node && node.tagName === name);
}
