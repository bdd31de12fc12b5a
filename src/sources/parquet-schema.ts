import { type FileMetaData, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet';
import { didYouMean } from '../suggest.ts';
import { type Column, kindName, type ScalarKind, type Table } from './columns.ts';
import { Failure } from './failure.ts';
import { chunkRange } from './parquet-fetch.ts';

/** How the stored values of a column become values of its kind; all of it exact. */
type Conversion =
  | 'same'
  | 'text'
  | 'bigint'
  | 'uint32'
  | 'uint64'
  | 'decimal'
  | 'days'
  | 'milliseconds'
  | 'microseconds'
  | 'nanoseconds'
  /** A struct of `bytes` and `path`, or a part of them. */
  | 'file'
  /** Bytes, or text, that are a file or its path by themselves. */
  | 'fileBytes'
  | 'filePath';

export interface PhysicalColumn extends Column {
  readonly conversion: Conversion;
  /** Digits behind the point of a decimal. */
  readonly scale: number;
}

const CODECS = new Set(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD']);

/** Digits behind the point: more than any decimal has. */
const MAX_SCALE = 1024;

interface Leaf {
  readonly element: SchemaElement;
  readonly list: boolean;
}

const isList = ({ converted_type: converted, logical_type: logical }: SchemaElement): boolean =>
  converted === 'LIST' || logical?.type === 'LIST';

/**
 * The one stored column below a top-level column: itself, or the element of a list (a repeated column, or a LIST group
 * with two or three levels). Undefined for structs, maps and lists of them.
 */
function leafOf(tree: SchemaTree): Leaf | undefined {
  const [middle, ...others] = tree.children;
  if (middle === undefined) return { element: tree.element, list: tree.element.repetition_type === 'REPEATED' };
  if (others.length > 0 || !isList(tree.element) || middle.element.repetition_type !== 'REPEATED') return undefined;
  const [inner, ...more] = middle.children;
  if (inner === undefined) return { element: middle.element, list: true };
  if (more.length > 0 || inner.children.length > 0 || inner.element.repetition_type === 'REPEATED') return undefined;
  return { element: inner.element, list: true };
}

/** A struct that is a file, or a list of them: any of `bytes`, `path` and `url`, whatever there is besides. */
function fileStruct(tree: SchemaTree): { readonly list: boolean } | undefined {
  const list = isList(tree.element);
  const [middle] = tree.children;
  // The repeated group of a list is its element by itself where it has several members.
  const struct = !list ? tree : middle?.children.length === 1 ? middle.children[0] : middle;
  const members = struct?.children.filter(({ element }) => ['bytes', 'path', 'url'].includes(element.name)) ?? [];
  const plain = members.every(
    ({ element, children }) =>
      element.type === 'BYTE_ARRAY' && element.repetition_type !== 'REPEATED' && children.length === 0,
  );
  const repeated = list && middle?.element.repetition_type === 'REPEATED';
  const once = !list && tree.element.repetition_type !== 'REPEATED';
  return members.length > 0 && plain && (repeated || once) ? { list } : undefined;
}

function storedAs({ element, list }: Leaf): string {
  const { type, converted_type: converted, logical_type: logical } = element;
  const name = logical?.type ?? converted ?? type ?? 'nothing';
  // the older annotations are called INT_64 and the like
  const shown = `${name}`.toLowerCase().replace(/^(u?int)_/, '$1');
  return list ? `list of ${shown}` : shown;
}

function timeUnit({ converted_type: converted, logical_type: logical, type }: SchemaElement): Conversion | undefined {
  if (type === 'INT96') return 'nanoseconds';
  if (converted === 'DATE' || logical?.type === 'DATE') return 'days';
  if (logical?.type === 'TIMESTAMP') {
    return logical.unit === 'MILLIS' ? 'milliseconds' : logical.unit === 'MICROS' ? 'microseconds' : 'nanoseconds';
  }
  if (converted === 'TIMESTAMP_MILLIS') return 'milliseconds';
  return converted === 'TIMESTAMP_MICROS' ? 'microseconds' : undefined;
}

/** The exact way from what is stored to a kind; undefined where there is none. */
function conversionTo(kind: ScalarKind, element: SchemaElement): Conversion | undefined {
  const { type, converted_type: converted, logical_type: logical } = element;
  const decimal = converted === 'DECIMAL' || logical?.type === 'DECIMAL';
  const unsigned = converted?.startsWith('UINT_') || (logical?.type === 'INTEGER' && !logical.isSigned);
  const bytes = type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY';
  switch (kind) {
    case 'string':
      if (decimal) return 'decimal';
      return type === 'BYTE_ARRAY' ? 'text' : undefined;
    case 'binary':
      return bytes ? 'same' : undefined;
    case 'bool':
      return type === 'BOOLEAN' ? 'same' : undefined;
    case 'double':
      if (decimal) return undefined;
      if (type === 'INT32') return unsigned ? 'uint32' : 'same';
      return type === 'DOUBLE' || type === 'FLOAT' ? 'same' : undefined;
    case 'int32':
      return type === 'INT32' && !decimal && !unsigned ? 'same' : undefined;
    case 'int64':
      if (decimal) return undefined;
      if (type === 'INT96') return 'bigint';
      if (type === 'INT64') return unsigned ? 'uint64' : 'bigint';
      return type === 'INT32' && !unsigned ? 'bigint' : undefined;
    case 'timestamp':
      return timeUnit(element);
    case 'file':
      if (type !== 'BYTE_ARRAY' || decimal) return undefined;
      return converted === 'UTF8' || logical?.type === 'STRING' ? 'filePath' : 'fileBytes';
  }
}

const ALL_KINDS: readonly ScalarKind[] = ['string', 'int32', 'int64', 'double', 'bool', 'timestamp', 'binary'];

function physical(column: Column, trees: readonly SchemaTree[], file: string): PhysicalColumn {
  const tree = trees.find((candidate) => candidate.element.name === column.name);
  if (tree === undefined) {
    const names = trees.map((candidate) => candidate.element.name);
    throw new Failure('MISSING_COLUMN', `'${file}' has no column '${column.name}'`, didYouMean(column.name, names));
  }
  const struct = fileStruct(tree);
  if (column.kind === 'file' && struct?.list === column.list) return { ...column, conversion: 'file', scale: 0 };
  const leaf = leafOf(tree);
  if (leaf === undefined) {
    throw new Failure(
      'WRONG_TYPE',
      `column '${column.name}' of '${file}' is a struct, a map or a list of lists`,
      struct === undefined
        ? 'Only scalars, files (structs with bytes, path or url) and lists of them can be read.'
        : `It can be read as '${kindName({ kind: 'file', list: struct.list, nullable: false })}'.`,
    );
  }
  const kinds = column.or === undefined ? [column.kind] : [column.kind, column.or];
  const kind = kinds.find((candidate) => conversionTo(candidate, leaf.element) !== undefined) ?? column.kind;
  const conversion = leaf.list === column.list ? conversionTo(kind, leaf.element) : undefined;
  if (conversion === undefined) {
    const fitting = ALL_KINDS.filter((candidate) => conversionTo(candidate, leaf.element) !== undefined);
    const names = fitting.map((candidate) => `'${kindName({ kind: candidate, list: leaf.list, nullable: false })}'`);
    throw new Failure(
      'WRONG_TYPE',
      `column '${column.name}' of '${file}' is declared ${kindName(column)} but holds ${storedAs(leaf)}`,
      names.length === 0 ? undefined : `It can be read as ${names.join(' or ')}.`,
    );
  }
  const { scale = 0 } = leaf.element;
  if (!(scale >= 0 && scale <= MAX_SCALE)) {
    throw new Failure('CORRUPT_FOOTER', `column '${column.name}' of '${file}' has decimals of scale ${scale}`);
  }
  return { ...column, kind, conversion, scale };
}

/**
 * Matches a table against a file's schema.
 *
 * @throws Failure `MISSING_COLUMN`, `WRONG_TYPE`.
 */
export function physicalTable(
  table: Table,
  metadata: FileMetaData,
  file: string,
): { text: PhysicalColumn; columns: PhysicalColumn[] } {
  const trees = parquetSchema(metadata).children;
  const text = physical({ ...table.text, nullable: false }, trees, file);
  return { text, columns: table.columns.map((column) => physical(column, trees, file)) };
}

/** What some columns of a row group take. */
interface GroupSize {
  readonly rows: number;
  /** Bytes, of each column as it is stored or unpacked, whatever is more. */
  readonly bytes: number;
  readonly values: number;
  /** Bytes of memory that their values take as JavaScript has them, besides the bytes themselves. */
  readonly objects: number;
}

/** Rows of a row group at most: no writer counts further. */
const MOST_ROWS = 2 ** 31 - 1;

/** Memory for a text, or for any other value: an object and places for it in several arrays (measured: docs/memory.md). */
const TEXT_OBJECT = 256;
const OBJECT = 64;

/** @throws Failure `CORRUPT_FOOTER` */
export function rowsOf(metadata: FileMetaData, group: number): number {
  const rows = Number(metadata.row_groups[group]?.num_rows ?? 0);
  if (rows >= 0 && rows <= MOST_ROWS) return rows;
  throw new Failure('CORRUPT_FOOTER', `row group ${group} cannot have ${rows} rows`, 'Copy the file again.');
}

/**
 * Size of some columns in a row group, as the footer says.
 *
 * @throws Failure `UNKNOWN_CODEC`, `ENCRYPTED`, `TRUNCATED`, `CORRUPT_FOOTER`.
 */
export function groupSize(
  metadata: FileMetaData,
  group: number,
  columns: ReadonlySet<string>,
  size: number,
): GroupSize {
  const rows = rowsOf(metadata, group);
  let [bytes, values, objects] = [0, 0, 0];
  for (const chunk of metadata.row_groups[group]?.columns ?? []) {
    const { meta_data: meta } = chunk;
    if (meta === undefined || chunk.crypto_metadata !== undefined) {
      throw new Failure('ENCRYPTED', 'its columns are encrypted', 'Decrypt the file first.');
    }
    if (!columns.has(meta.path_in_schema[0] ?? '')) continue;
    if (!CODECS.has(meta.codec)) {
      throw new Failure('UNKNOWN_CODEC', `it is compressed with ${meta.codec}`, `Known are ${[...CODECS].join(', ')}.`);
    }
    const { start, end } = chunkRange(meta);
    if (!(start >= 0 && end >= start && end <= size)) {
      throw new Failure('TRUNCATED', 'a column lies beyond its end', 'Copy the file again.');
    }
    const own = Math.max(Number(meta.num_values ?? 0), rows);
    bytes += Math.max(Number(meta.total_uncompressed_size ?? 0), end - start);
    values += own;
    objects += own * (meta.type === 'BYTE_ARRAY' || meta.type === 'FIXED_LEN_BYTE_ARRAY' ? TEXT_OBJECT : OBJECT);
  }
  return { rows, bytes, values, objects };
}

/**
 * Takes the meaning off every stored column, so that values come out as they are stored: the reader's own conversions
 * make floats of decimals, text of untyped bytes, and cut timestamps. Lists keep theirs, for they shape the rows.
 */
export function withoutLogicalTypes(metadata: FileMetaData): FileMetaData {
  const schema = metadata.schema.map((element) => {
    if (element.type === undefined) return element;
    const { converted_type: _converted, logical_type: _logical, ...stored } = element;
    return stored;
  });
  return { ...metadata, schema };
}
