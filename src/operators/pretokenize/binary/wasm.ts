import { ByteView, Malformed } from './byteView.ts';
import { type FunctionStart, type Layout, labelName, type Region, requireSections } from './regions.ts';

/** Section ids (WebAssembly core specification 3.0, 5.5.2). */
const SECTIONS = [
  'custom',
  'type',
  'import',
  'function',
  'table',
  'memory',
  'global',
  'export',
  'start',
  'element',
  'code',
  'data',
  'data_count',
  'tag',
] as const;
const CUSTOM = 0;
const IMPORT = 2;
const CODE = 10;
/** Version of core modules; components have another, and sections of their own. */
const CORE = 1;
const HEADER = 8;
/** Subsection of the custom section `name` that names functions. */
const FUNCTION_NAMES = 1;

interface Section {
  readonly id: number;
  readonly name: string;
  /** First byte of its id. */
  readonly start: number;
  /** First byte behind its size, and behind its name where it is custom. */
  readonly content: number;
  readonly end: number;
}

export const isWasm = ([a, b, c, d]: Uint8Array): boolean => a === 0 && b === 0x61 && c === 0x73 && d === 0x6d;

/** Reads numbers and names one after the other, up to an end. */
class Cursor {
  readonly #view: ByteView;
  readonly #end: number;
  at: number;

  constructor(view: ByteView, at: number, end: number) {
    this.#view = view;
    this.at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.at >= this.#end;
  }

  byte(): number {
    if (this.done) throw new Malformed(`what begins before byte ${this.#end} goes on behind it`);
    return this.#view.u8(this.at++);
  }

  /** An unsigned LEB128 number of 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80 && value <= 0xffffffff) return value;
      if (byte < 0x80) break;
    }
    throw new Malformed(`the number before byte ${this.at} is too large`);
  }

  /** Passes so many bytes, and returns where they begin. */
  skip(bytes: number): number {
    const { at } = this;
    if (at + bytes > this.#end) throw new Malformed(`${bytes} bytes at ${at} are not there`);
    this.at += bytes;
    return at;
  }

  name(): string {
    const length = this.number();
    const at = this.skip(length);
    return this.#view.name(at, at + length);
  }
}

/**
 * Sections of a WebAssembly module.
 * @throws Malformed
 */
export function wasmLayout(bytes: Uint8Array): Layout {
  const view = new ByteView(bytes, true);
  const version = view.u32(4);
  const sections = readSections(view);
  return {
    regions: [{ start: 0, end: HEADER, label: 'wasm_header' }, ...sections.map((one) => regionOf(one, version))],
    meta: {
      format: 'wasm',
      object_type: version === CORE ? 'module' : 'component',
      arch: 'wasm',
      endianness: 'little',
    },
    functions: () => (version === CORE ? functionsOf(view, sections) : []),
  };
}

function readSections(view: ByteView): Section[] {
  const sections: Section[] = [];
  const cursor = new Cursor(view, HEADER, view.length);
  while (!cursor.done) {
    const start = cursor.at;
    const id = cursor.byte();
    const size = cursor.number();
    const content = cursor.skip(size);
    const inner = new Cursor(view, content, content + size);
    const name = id === CUSTOM ? inner.name() : '';
    sections.push({ id, name, start, content: inner.at, end: content + size });
    requireSections(sections.length);
  }
  return sections;
}

function regionOf({ id, name, start, end, content }: Section, version: number): Region {
  const kind = (version === CORE || id === CUSTOM ? SECTIONS[id] : undefined) ?? `${id}`;
  return {
    start,
    end,
    label: id === CUSTOM ? `wasm_section_custom_${labelName(name)}` : `wasm_section_${kind}`,
    meta: { name: id === CUSTOM ? name : kind, type: kind, offset: start, size: end - content },
    executable: version === CORE && id === CODE,
  };
}

/** Bodies of functions, with the names that the custom section `name` has for them. */
function* functionsOf(view: ByteView, sections: readonly Section[]): Generator<FunctionStart> {
  const code = sections.find(({ id }) => id === CODE);
  if (code === undefined) return;
  const names = functionNames(view, sections);
  const first = importedFunctions(view, sections);
  const cursor = new Cursor(view, code.content, code.end);
  try {
    const count = cursor.number();
    for (let index = 0; index < count; index++) {
      const at = cursor.at;
      cursor.skip(cursor.number());
      yield { at, name: names.get(first + index) ?? '' };
    }
  } catch (error) {
    // bodies that cannot be told apart stay in one piece with the last that can
    if (!(error instanceof Malformed)) throw error;
  }
}

function functionNames(view: ByteView, sections: readonly Section[]): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  const section = sections.find(({ id, name }) => id === CUSTOM && name === 'name');
  if (section === undefined) return found;
  const cursor = new Cursor(view, section.content, section.end);
  try {
    while (!cursor.done) {
      const kind = cursor.byte();
      const size = cursor.number();
      const at = cursor.skip(size);
      if (kind !== FUNCTION_NAMES) continue;
      const names = new Cursor(view, at, at + size);
      for (let left = names.number(); left > 0; left--) found.set(names.number(), names.name());
    }
  } catch (error) {
    // names are a courtesy: those up to the damage count
    if (!(error instanceof Malformed)) throw error;
  }
  return found;
}

/** Functions that are imported, which come first in the numbering. */
function importedFunctions(view: ByteView, sections: readonly Section[]): number {
  const section = sections.find(({ id }) => id === IMPORT);
  if (section === undefined) return 0;
  const cursor = new Cursor(view, section.content, section.end);
  let functions = 0;
  try {
    for (let left = cursor.number(); left > 0; left--) {
      cursor.name();
      cursor.name();
      const kind = cursor.byte();
      if (kind === 0) functions++;
      skipDescription(cursor, kind);
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  return functions;
}

/** Passes what is said of an import: the type of a function, a table, a memory, a global or a tag. */
function skipDescription(cursor: Cursor, kind: number): void {
  if (kind === 0) cursor.number();
  else if (kind === 3) cursor.skip(2);
  else if (kind === 4) {
    cursor.byte();
    cursor.number();
  } else if (kind === 1 || kind === 2) {
    if (kind === 1) cursor.byte();
    const limits = cursor.byte();
    cursor.number();
    if ((limits & 1) !== 0) cursor.number();
  } else throw new Malformed(`an import is of kind ${kind}`);
}
