import { Failure } from '../failure.ts';
import {
  bit,
  corruptBatch,
  FLOATS,
  half,
  integersOf,
  type NumbersOf,
  numbers,
  offsets,
  SIGNED,
  UNSIGNED,
} from './numbers.ts';
import type { ArrowBatch, ArrowIndices, ArrowType } from './types.ts';

/** A list's elements: [start, end) of another vector. */
export interface ListValue {
  readonly items: ArrowVector;
  readonly start: number;
  readonly end: number;
}

/** A struct's members, all of the same row. */
export interface StructValue {
  readonly row: number;
  readonly members: ReadonlyMap<string, ArrowVector>;
}

/** As it is stored: numbers, views of bytes (text and decimals too), lists, structs. */
export type StoredValue = number | bigint | boolean | Uint8Array | ListValue | StructValue;

/** Values of a column, each of them safe to ask for: whatever a file says about lengths was checked. */
export interface ArrowVector {
  readonly length: number;
  isNull(row: number): boolean;
  /** Of what is not null. */
  at(row: number): StoredValue;
}

/** Dictionaries by their number, each a vector or several behind one another. */
export type Dictionaries = ReadonlyMap<bigint, readonly ArrowVector[]>;

/** The place in a batch's nodes and buffers at which a column begins. */
export interface Place {
  node: number;
  buffer: number;
  variadic: number;
}

/** Moves a place behind a column. */
export function passColumn(type: ArrowType, batch: ArrowBatch, place: Place): void {
  place.node++;
  switch (type.kind) {
    case 'null':
      return;
    case 'bytes':
      place.buffer += 3;
      return;
    case 'views':
      place.buffer += 2 + (batch.variadic[place.variadic++] ?? 0);
      return;
    case 'list':
      place.buffer += 2;
      passColumn(type.item, batch, place);
      return;
    case 'listView':
      place.buffer += 3;
      passColumn(type.item, batch, place);
      return;
    case 'fixedList':
      place.buffer += 1;
      passColumn(type.item, batch, place);
      return;
    case 'map':
      place.buffer += 2;
      passColumn(type.entries, batch, place);
      return;
    case 'struct':
      place.buffer += 1;
      for (const member of type.members) passColumn(member.type, batch, place);
      return;
    case 'union':
      place.buffer += type.dense ? 2 : 1;
      for (const member of type.members) passColumn(member.type, batch, place);
      return;
    case 'runs':
      throw new Failure('UNSUPPORTED_ARROW', 'it holds run-end encoded columns', 'Write the file anew without them.');
    default:
      place.buffer += 2;
  }
}

/** Builds the vectors of a batch out of its buffers. */
export class VectorBuilder {
  readonly #batch: ArrowBatch;
  readonly #buffers: ReadonlyMap<number, Uint8Array>;
  readonly #dictionaries: Dictionaries;

  /** @param buffers Those of the columns that are to be built, by their number; none shares bytes with a growing one. */
  constructor(batch: ArrowBatch, buffers: ReadonlyMap<number, Uint8Array>, dictionaries: Dictionaries) {
    this.#batch = batch;
    this.#buffers = buffers;
    this.#dictionaries = dictionaries;
  }

  /** @throws Failure `CORRUPT_BATCH`, `UNSUPPORTED_ARROW` */
  build(type: ArrowType, place: Place): ArrowVector {
    const node = this.#batch.nodes[place.node++];
    if (node === undefined) throw corruptBatch('it describes fewer columns than the schema');
    const { length, nulls } = node;
    if (type.kind === 'null') return { length, isNull: () => true, at: () => false };
    // Unions have no nulls of their own.
    const validity = type.kind === 'union' ? undefined : this.#buffer(place);
    if (validity !== undefined && nulls > 0 && validity.length * 8 < length) {
      throw corruptBatch(`a bitmap of ${validity.length} bytes is too short for ${length} values`);
    }
    const isNull = validity === undefined || nulls === 0 ? () => false : (row: number) => !bit(validity, row);
    const { at, isNull: also } = this.#values(type, length, place, isNull);
    return { length, at, isNull: also === undefined ? isNull : (row) => isNull(row) || also(row) };
  }

  #buffer(place: Place): Uint8Array {
    const buffer = this.#buffers.get(place.buffer++);
    if (buffer === undefined) throw corruptBatch('it has fewer buffers than its columns need');
    return buffer;
  }

  #values(
    type: ArrowType,
    length: number,
    place: Place,
    isNull: (row: number) => boolean,
  ): { at: (row: number) => StoredValue; isNull?: (row: number) => boolean } {
    switch (type.kind) {
      case 'bool': {
        const values = numbers(this.#buffer(place), UNSIGNED[1], Math.ceil(length / 8));
        return { at: (row) => bit(values as Uint8Array, row) };
      }
      case 'int':
        return { at: this.#numbers(type.signed ? SIGNED[type.bytes] : UNSIGNED[type.bytes], length, place) };
      case 'float': {
        const values = this.#numbers(FLOATS[type.bytes], length, place);
        return { at: type.bytes === 2 ? (row) => half(Number(values(row))) : values };
      }
      case 'date':
        return { at: this.#numbers(SIGNED[type.unit === 'days' ? 4 : 8], length, place) };
      case 'timestamp':
        return { at: this.#numbers(SIGNED[8], length, place) };
      case 'span':
      case 'fixed':
      case 'decimal': {
        const { bytes: width } = type;
        const values = this.#buffer(place);
        if (values.length < length * width) throw corruptBatch(`a buffer is too short for ${length} values`);
        if (type.kind === 'span' && width <= 8) return { at: integersOf(numbers(values, SIGNED[width], length)) };
        return { at: (row) => values.subarray(row * width, (row + 1) * width) };
      }
      case 'bytes': {
        const [stored, values] = [this.#buffer(place), this.#buffer(place)];
        const offset = offsets(stored, type.offset, length, values.length);
        return { at: (row) => values.subarray(offset(row), offset(row + 1)) };
      }
      case 'views':
        return { at: this.#views(length, place, isNull) };
      case 'list': {
        const stored = this.#buffer(place);
        const items = this.build(type.item, place);
        const offset = offsets(stored, type.offset, length, items.length);
        return { at: (row) => ({ items, start: offset(row), end: offset(row + 1) }) };
      }
      case 'listView':
        return { at: this.#listViews(type, length, place, isNull) };
      case 'fixedList': {
        const { size } = type;
        const items = this.build(type.item, place);
        if (items.length < length * size) throw corruptBatch(`a list has ${items.length} elements for ${length} rows`);
        return { at: (row) => ({ items, start: row * size, end: (row + 1) * size }) };
      }
      case 'struct': {
        const members = new Map<string, ArrowVector>();
        for (const { name, type: member } of type.members) {
          const vector = this.build(member, place);
          if (vector.length < length) throw corruptBatch(`member '${name}' has ${vector.length} values for ${length}`);
          members.set(name, vector);
        }
        return { at: (row) => ({ row, members }) };
      }
      case 'dictionary':
        return this.#dictionary(type.id, type.indices, length, place, isNull);
      default:
        throw new Failure('UNSUPPORTED_ARROW', `columns of the kind '${type.kind}' cannot be read`);
    }
  }

  #numbers(of: NumbersOf | undefined, length: number, place: Place): (row: number) => number | bigint {
    return integersOf(numbers(this.#buffer(place), of, length));
  }

  #views(length: number, place: Place, isNull: (row: number) => boolean): (row: number) => Uint8Array {
    const bytes = this.#buffer(place);
    const views = numbers(bytes, SIGNED[4], length * 4);
    const count = this.#batch.variadic[place.variadic++] ?? 0;
    const others = Array.from({ length: Math.min(count, this.#batch.buffers.length) }, () => this.#buffer(place));
    const part = (row: number, member: number): number => Number(views[row * 4 + member]);
    for (let row = 0; row < length; row++) {
      const size = part(row, 0);
      const end = part(row, 3) + size;
      const inline = size <= INLINE;
      const fits = inline || (part(row, 3) >= 0 && end <= (others[part(row, 2)]?.length ?? -1));
      if (!isNull(row) && !(size >= 0 && fits)) throw corruptBatch(`view ${row} leads out of its buffer`);
    }
    return (row) => {
      const size = part(row, 0);
      if (size <= INLINE) return bytes.subarray(row * 16 + 4, row * 16 + 4 + size);
      const start = part(row, 3);
      return others[part(row, 2)]?.subarray(start, start + size) ?? NOTHING;
    };
  }

  #listViews(
    type: Extract<ArrowType, { kind: 'list' | 'listView' }>,
    length: number,
    place: Place,
    isNull: (row: number) => boolean,
  ): (row: number) => ListValue {
    const starts = numbers(this.#buffer(place), SIGNED[type.offset], length);
    const sizes = numbers(this.#buffer(place), SIGNED[type.offset], length);
    const items = this.build(type.item, place);
    for (let row = 0; row < length; row++) {
      const [start, size] = [Number(starts[row]), Number(sizes[row])];
      const fits = start >= 0 && size >= 0 && start + size <= items.length;
      if (!isNull(row) && !fits) throw corruptBatch(`list ${row} leads out of its elements`);
    }
    return (row) => ({ items, start: Number(starts[row]), end: Number(starts[row]) + Number(sizes[row]) });
  }

  #dictionary(
    id: bigint,
    { bytes, signed }: ArrowIndices,
    length: number,
    place: Place,
    isNull: (row: number) => boolean,
  ): { at: (row: number) => StoredValue; isNull: (row: number) => boolean } {
    const indices = this.#numbers(signed ? SIGNED[bytes] : UNSIGNED[bytes], length, place);
    const parts = this.#dictionaries.get(id) ?? [];
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    for (let row = 0; row < length; row++) {
      const index = Number(indices(row));
      if (!isNull(row) && !(index >= 0 && index < size)) {
        throw corruptBatch(`value ${index} of a dictionary of ${size} is asked for`);
      }
    }
    const find = (row: number): { part: ArrowVector | undefined; index: number } => {
      let index = Number(indices(row));
      let part = 0;
      while (index >= (parts[part]?.length ?? Number.POSITIVE_INFINITY)) index -= parts[part++]?.length ?? 0;
      return { part: parts[part], index };
    };
    return {
      at(row) {
        const { part, index } = find(row);
        return part?.at(index) ?? false;
      },
      isNull(row) {
        const { part, index } = find(row);
        return part?.isNull(index) ?? true;
      },
    };
  }
}

/** Bytes that a view holds itself. */
const INLINE = 12;
const NOTHING = new Uint8Array(0);
