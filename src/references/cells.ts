import type { Meta, MetaValue } from '../records.ts';
import { Failure } from '../sources/failure.ts';
import { shownReference } from './reference.ts';

/** One file that a row holds or points to. */
export interface Cell {
  readonly column: string;
  /** Place in the column's list; 0 where it is none. */
  readonly index: number;
  readonly bytes: Uint8Array | null;
  readonly text: string | null;
}

/**
 * The files of a column: a `FileRef` or an object like one, text, bytes, a list of any of these, or null. Text is one
 * reference, whatever it looks like. Entries that are null, or have neither bytes nor text, are none.
 *
 * @throws Failure `WRONG_REFERENCE`
 */
export function cellsOf(column: string, value: MetaValue): Cell[] {
  const values: readonly MetaValue[] = isList(value) ? value : [value];
  return values.flatMap((one, index) => {
    const file = fileOf(one);
    return file === undefined ? [] : [{ column, index, ...file }];
  });
}

/** A column without the bytes of files: of each its path remains, or null. What is no file stays as it is. */
export function withoutBytes(value: MetaValue): MetaValue {
  if (isList(value)) return value.map(withoutBytes);
  try {
    const { text = null } = fileOf(value) ?? {};
    return text === null ? null : referenceName(text);
  } catch (error) {
    if (error instanceof Failure) return value;
    throw error;
  }
}

/** What is kept of a reference beside its file: all of it, but of `data:` its content. */
export const referenceName = (text: string): string => (/^data:/i.test(text) ? shownReference(text) : text);

/** The own value of a name. */
export const own = (meta: Meta, name: string): MetaValue | undefined =>
  Object.hasOwn(meta, name) ? meta[name] : undefined;

function fileOf(value: MetaValue): Pick<Cell, 'bytes' | 'text'> | undefined {
  if (value === null) return undefined;
  if (typeof value === 'string') return { bytes: null, text: value };
  if (value instanceof Uint8Array) return { bytes: value, text: null };
  if (typeof value !== 'object' || isList(value) || value instanceof Date) throw wrong(value);
  const [bytes = null, path = null, url = null] = ['bytes', 'path', 'url'].map((name) => own(value, name));
  const text = path ?? url;
  if (bytes !== null && !(bytes instanceof Uint8Array)) throw wrong(bytes);
  if (text !== null && typeof text !== 'string') throw wrong(text);
  if (!['bytes', 'path', 'url'].some((name) => Object.hasOwn(value, name))) throw wrong(value);
  return bytes === null && text === null ? undefined : { bytes, text };
}

function wrong(value: MetaValue): Failure {
  const kind =
    value instanceof Date
      ? 'a time'
      : isList(value)
        ? 'a list in a list'
        : typeof value === 'object'
          ? 'an object'
          : `a ${typeof value}`;
  return new Failure(
    'WRONG_REFERENCE',
    `${kind} points to no file`,
    "Declare the column 'file' or 'list<file>': paths, URLs, or objects with bytes, path or url.",
  );
}

function isList(value: MetaValue): value is readonly MetaValue[] {
  return Array.isArray(value);
}
