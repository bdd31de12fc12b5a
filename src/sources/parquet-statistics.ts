import type { FileMetaData, ParquetParsers } from 'hyparquet';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import type { Table } from './columns.ts';
import type { Footer } from './parquet-footer.ts';
import type { PhysicalColumn } from './parquet-schema.ts';
import { type Bounds, mayPass } from './where.ts';

/** Leaves least and greatest values as they are stored: text may be cut inside a character there, times rounded. */
export const STORED: Partial<ParquetParsers> = {
  stringFromBytes: (bytes) => bytes,
  dateFromDays: (days) => days,
  timestampFromMilliseconds: (time) => time,
  timestampFromMicroseconds: (time) => time,
  timestampFromNanoseconds: (time) => time,
};

type Extreme = Exclude<Bounds['least'], undefined>;

/**
 * The stored extreme of a column in the form that its values have; undefined where their orders differ: decimals are
 * compared as text, and INT96 has no order. All these conversions keep the order of what they convert.
 */
function converted(column: PhysicalColumn, value: unknown): Extreme | undefined {
  switch (column.conversion) {
    case 'same':
      return typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
    case 'text':
      return value instanceof Uint8Array ? value : undefined;
    case 'uint32':
      return typeof value === 'number' ? value : undefined;
    case 'bigint':
    case 'uint64':
      return typeof value === 'number' ? BigInt(value) : typeof value === 'bigint' ? value : undefined;
    case 'days':
      return typeof value === 'number' ? value * 86_400_000 : undefined;
    case 'milliseconds':
      return typeof value === 'bigint' ? Number(value) : undefined;
    case 'microseconds':
      return typeof value === 'bigint' ? Number(value / 1000n) : undefined;
    case 'nanoseconds':
      return typeof value === 'bigint' ? Number(value / 1_000_000n) : undefined;
    default:
      return undefined;
  }
}

/** Conversions whose stored values have but one natural order, that of signed numbers. */
const SIGNED: readonly string[] = ['same', 'bigint', 'days', 'milliseconds', 'microseconds', 'nanoseconds'];

/**
 * What the footer says about a column in a row group. The older pair of extremes counts for signed integers alone: text and
 * unsigned numbers were once compared as signed ones.
 */
function boundsOf(metadata: FileMetaData, group: number, column: PhysicalColumn, ordered: () => Orders): Bounds {
  const { num_rows: rows = 0n, columns = [] } = metadata.row_groups[group] ?? {};
  const leaf = columns.findIndex(({ meta_data: meta }) => meta?.path_in_schema[0] === column.name);
  const meta = columns[leaf]?.meta_data;
  const { statistics } = meta ?? {};
  // Below a list or a struct there are other numbers of values, and of nulls, than rows.
  if (meta === undefined || statistics === undefined || meta.path_in_schema.length > 1 || column.list) {
    return { rows: Number(rows) };
  }
  const nulls = statistics.null_count === undefined ? undefined : Number(statistics.null_count);
  const counts = { rows: Number(rows), nulls };
  const signed = SIGNED.includes(column.conversion);
  const { min_value: least, max_value: greatest, min, max } = statistics;
  if (least !== undefined && greatest !== undefined) {
    if (meta.type === 'INT96' || !(signed || ordered()[leaf] === true)) return counts;
    return { ...counts, least: converted(column, least), greatest: converted(column, greatest) };
  }
  if (!signed || (meta.type !== 'INT32' && meta.type !== 'INT64')) return counts;
  return { ...counts, least: converted(column, min), greatest: converted(column, max) };
}

/** By leaf column: whether the extremes are in the order that its type defines. */
type Orders = readonly boolean[];

/** Format: parquet.thrift, `FileMetaData.column_orders`. */
function columnOrders(tail: Uint8Array): Orders {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const end = tail.length - 8;
  const { field_7: orders } = deserializeTCompactProtocol({ view, offset: end - view.getUint32(end, true) });
  if (!Array.isArray(orders)) return [];
  return orders.map((order: unknown) => typeof order === 'object' && order !== null && 'field_1' in order);
}

/**
 * Tells which row groups may hold rows that fulfil the conditions of a table, by what the footer says of them. Where it says
 * nothing, or nothing sure, they may.
 */
export function mayMatch(
  { where }: Table,
  columns: readonly PhysicalColumn[],
  { metadata, tail }: Footer,
): (group: number) => boolean {
  let orders: Orders | undefined;
  const ordered = (): Orders => {
    orders ??= columnOrders(tail);
    return orders;
  };
  return (group) =>
    where.every(({ column: index, conditions }) => {
      const column = columns[index];
      return column === undefined || mayPass(conditions, boundsOf(metadata, group, column, ordered));
    });
}
