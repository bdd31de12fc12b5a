import type { Node, Tree, TreeCursor } from 'web-tree-sitter';
import type { NodeKinds, Role } from './nodeKinds.ts';

/** Something at the outermost level of a source. Offsets count UTF-16 code units. */
export interface Item {
  readonly role: Exclude<Role, 'container'> | 'gap';
  readonly start: number;
  /** White space at the end not counted. */
  end: number;
  /** Kind of the node; empty for a gap. */
  readonly kind: string;
  /** Whether the parser met something that it could not read. */
  hasError: boolean;
  /** What a definition defines. */
  readonly name?: string | undefined;
  /** Kind of the definition that is wrapped, by decorators or `export`. */
  readonly inner?: string | undefined;
}

/** Containers in one another that are opened. */
const DEPTH = 64;
const LONGEST_NAME = 200;
/** Kinds of nodes that are names themselves. */
const NAME = /(?:^|_)(?:name|identifier)$/;
/** Fields that lead from a definition to what is defined. */
const STEPS = ['declaration', 'definition', 'declarator'] as const;
/** What an `impl` of Rust is for; a trait may stand before it. */
const IMPL = 'impl_item';

/** Numbers of fields in a grammar; null for those that it has not. */
interface Fields {
  readonly name: number | null;
  /** That of what an `impl` is for, in Rust alone. */
  readonly type: number | null;
  readonly steps: readonly number[];
}

function fieldsOf({ language }: Tree, kinds: NodeKinds): Fields {
  return {
    name: language.fieldIdForName('name'),
    type: kinds.has(IMPL) ? language.fieldIdForName('type') : null,
    steps: STEPS.map((step) => language.fieldIdForName(step)).filter((field) => field !== null),
  };
}

/** The items of a tree, in order, with all that is not white space in one of them. */
export function itemsOf(tree: Tree, text: string, kinds: NodeKinds): Item[] {
  const walk = new Walk(text, kinds, fieldsOf(tree, kinds), tree.rootNode.hasError);
  const cursor = tree.walk();
  try {
    walk.children(cursor, 0);
  } finally {
    cursor.delete();
  }
  walk.gap(text.length);
  return walk.items;
}

class Walk {
  readonly items: Item[] = [];
  readonly #text: string;
  readonly #kinds: NodeKinds;
  readonly #fields: Fields;
  readonly #errors: boolean;
  /** Everything before is in an item, or white space. */
  #at = 0;

  constructor(text: string, kinds: NodeKinds, fields: Fields, errors: boolean) {
    this.#text = text;
    this.#kinds = kinds;
    this.#fields = fields;
    this.#errors = errors;
  }

  children(cursor: TreeCursor, depth: number): void {
    if (!cursor.gotoFirstChild()) return;
    do this.#visit(cursor, depth);
    while (cursor.gotoNextSibling());
    cursor.gotoParent();
  }

  /** Takes what is left before `until`, where no node stands, as a gap. */
  gap(until: number): void {
    const start = this.#skipSpace(this.#at, until);
    if (start < until) this.#pushGap(start, this.#trim(start, until), false);
    this.#at = Math.max(this.#at, until);
  }

  #visit(cursor: TreeCursor, depth: number): void {
    const { startIndex, endIndex } = cursor;
    if (endIndex <= this.#at || endIndex === startIndex) return;
    let kind = cursor.nodeType;
    let role: Role | undefined = this.#kinds.get(kind);
    if (role === 'container' && depth < DEPTH) {
      this.children(cursor, depth + 1);
      return;
    }
    this.gap(startIndex);
    const start = this.#skipSpace(this.#at, endIndex);
    this.#at = endIndex;
    if (start === endIndex) return;
    const end = this.#trim(start, endIndex);
    let node: Node | null = null;
    if (role === undefined && kind === 'expression_statement') {
      // a name space in TypeScript is a statement that holds one
      node = cursor.currentNode.firstNamedChild;
      kind = node?.type ?? kind;
      role = this.#kinds.get(kind);
      if (role !== 'definition') role = undefined;
    }
    const hasError = this.#errors && cursor.currentNode.hasError;
    if (role === 'definition') {
      this.items.push({ role, start, end, kind, hasError, ...this.#definition(node ?? cursor.currentNode) });
    } else if (role === undefined || role === 'container') {
      this.#pushGap(start, end, hasError);
    } else {
      this.items.push({ role, start, end, kind, hasError });
    }
  }

  /** One gap for all tokens and statements beside each other: broken code may have a million of them. */
  #pushGap(start: number, end: number, hasError: boolean): void {
    const last = this.items.at(-1);
    if (last?.role !== 'gap') this.items.push({ role: 'gap', start, end, kind: '', hasError });
    else {
      last.end = end;
      last.hasError ||= hasError;
    }
  }

  /** What a definition defines, where its grammar says so: its `name`, or that of what it declares. */
  #definition(outer: Node): Pick<Item, 'name' | 'inner'> {
    const { name, type, steps } = this.#fields;
    const named = (owner: Node) => (name === null ? null : owner.childForFieldId(name));
    let node = outer;
    let inner: string | undefined;
    for (let step = 0; step < 8; step++) {
      const own = named(node);
      if (own !== null) return { name: this.#named(own), inner };
      let next = type !== null && node.type === IMPL ? node.childForFieldId(type) : null;
      for (const field of steps) next ??= node.childForFieldId(field);
      if (next !== null && step === 0 && this.#isDefinition(next)) inner = next.type;
      const children = next === null ? node.namedChildren : [];
      next ??= children.find((child) => named(child) !== null || this.#isDefinition(child)) ?? null;
      if (next === null) {
        const found = NAME.test(node.type) ? node : children.find((child) => NAME.test(child.type));
        return found === undefined ? { inner } : { name: this.#named(found), inner };
      }
      node = next;
    }
    return { inner };
  }

  #isDefinition(node: Node): boolean {
    return this.#kinds.get(node.type) === 'definition';
  }

  #named({ startIndex, endIndex }: Node): string {
    return this.#text.slice(startIndex, Math.min(endIndex, startIndex + LONGEST_NAME));
  }

  #skipSpace(from: number, until: number): number {
    let at = from;
    while (at < until && isSpace(this.#text.charCodeAt(at))) at++;
    return at;
  }

  #trim(start: number, end: number): number {
    let at = end;
    while (at > start && isSpace(this.#text.charCodeAt(at - 1))) at--;
    return at;
  }
}

/** Blanks, line ends, and the byte-order mark. */
const isSpace = (unit: number): boolean =>
  unit === 0x20 || (unit >= 0x09 && unit <= 0x0d) || unit === 0xfeff || unit === 0xa0;
