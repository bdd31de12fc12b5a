import { type ByteSource, readBuffers, type Wanted } from './buffers.ts';
import type { PlacedMessage } from './file.ts';
import { corruptBatch } from './numbers.ts';
import type { ArrowBatch, ArrowSchema, ArrowType } from './types.ts';
import { type ArrowVector, type Place, passColumn, VectorBuilder } from './vectors.ts';

/** Columns that are wanted of every batch. */
export interface Selection {
  /** By their number in the schema. */
  readonly fields: readonly number[];
  /** Dictionaries that they refer to. */
  readonly dictionaries: ReadonlySet<bigint>;
}

function dictionariesOf(type: ArrowType, into: Set<bigint>): void {
  switch (type.kind) {
    case 'dictionary':
      into.add(type.id);
      dictionariesOf(type.values, into);
      return;
    case 'list':
    case 'listView':
    case 'fixedList':
      dictionariesOf(type.item, into);
      return;
    case 'struct':
      for (const member of type.members) dictionariesOf(member.type, into);
      return;
  }
}

export function selectFields(schema: ArrowSchema, fields: readonly number[]): Selection {
  const dictionaries = new Set<bigint>();
  for (const field of fields) {
    const type = schema.fields[field]?.type;
    if (type !== undefined) dictionariesOf(type, dictionaries);
  }
  return { fields: [...new Set(fields)].sort((a, b) => a - b), dictionaries };
}

/** The kind of values in a dictionary, wherever in the schema it is used. */
function dictionaryType(schema: ArrowSchema, id: bigint): ArrowType | undefined {
  const find = (type: ArrowType): ArrowType | undefined => {
    switch (type.kind) {
      case 'dictionary':
        return type.id === id ? type.values : find(type.values);
      case 'list':
      case 'listView':
      case 'fixedList':
        return find(type.item);
      case 'struct':
        return firstOf(type.members.map((member) => find(member.type)));
      default:
        return undefined;
    }
  };
  return firstOf(schema.fields.map(({ type }) => find(type)));
}

const firstOf = <T>(values: readonly (T | undefined)[]): T | undefined => values.find((value) => value !== undefined);

interface Columns {
  readonly wanted: readonly number[];
  readonly places: ReadonlyMap<number, Place>;
}

/** Buffers of some columns, and where each of them begins. */
function columnsOf(types: readonly ArrowType[], fields: readonly number[], batch: ArrowBatch): Columns {
  const place: Place = { node: 0, buffer: 0, variadic: 0 };
  const wanted: number[] = [];
  const places = new Map<number, Place>();
  for (const [field, type] of types.entries()) {
    const start = { ...place };
    passColumn(type, batch, place);
    if (!fields.includes(field)) continue;
    // However many buffers a column of views claims, no more are there.
    const end = Math.min(place.buffer, batch.buffers.length);
    for (let buffer = start.buffer; buffer < end; buffer++) wanted.push(buffer);
    places.set(field, start);
  }
  return { wanted, places };
}

/** The buffers of the selected columns in a batch. */
export function wantedOf(schema: ArrowSchema, { fields }: Selection, batch: ArrowBatch, body: Wanted['body']): Wanted {
  const types = schema.fields.map(({ type }) => type);
  return { batch, body, buffers: columnsOf(types, fields, batch).wanted };
}

/** The buffers of a dictionary; undefined where no selected column refers to it. */
export function wantedOfDictionary(
  schema: ArrowSchema,
  { dictionaries }: Selection,
  { message, body }: PlacedMessage,
): Wanted | undefined {
  if (message.kind !== 'dictionary' || !dictionaries.has(message.id)) return undefined;
  const type = dictionaryType(schema, message.id);
  if (type === undefined) return undefined;
  return { batch: message.batch, body, buffers: columnsOf([type], [0], message.batch).wanted };
}

/** Reads batches of one file, one after the other, and keeps the dictionaries that they refer to. */
export class BatchReader {
  readonly #schema: ArrowSchema;
  readonly #selection: Selection;
  readonly #maxBytes: number;
  readonly #dictionaries = new Map<bigint, ArrowVector[]>();
  readonly #dictionaryBytes = new Map<bigint, number>();

  constructor(schema: ArrowSchema, selection: Selection, maxBytes: number) {
    this.#schema = schema;
    this.#selection = selection;
    this.#maxBytes = maxBytes;
  }

  /** @throws Failure `CORRUPT_BATCH`, `BATCH_TOO_LARGE`, `UNSUPPORTED_ARROW`; SourceError `MISSING_PACKAGE` */
  async vectors(
    source: ByteSource,
    batch: ArrowBatch,
    body: Wanted['body'],
  ): Promise<ReadonlyMap<number, ArrowVector>> {
    const types = this.#schema.fields.map(({ type }) => type);
    const { wanted, places } = columnsOf(types, this.#selection.fields, batch);
    const buffers = await readBuffers(source, { batch, body, buffers: wanted }, this.#maxBytes);
    const builder = new VectorBuilder(batch, buffers, this.#dictionaries);
    const vectors = new Map<number, ArrowVector>();
    for (const [field, place] of places) {
      const type = types[field];
      if (type === undefined) continue;
      const vector = builder.build(type, { ...place });
      if (vector.length !== batch.rows) throw corruptBatch(`a column has ${vector.length} of ${batch.rows} rows`);
      vectors.set(field, vector);
    }
    return vectors;
  }

  /** Takes a dictionary, if a selected column refers to it. */
  async dictionary(source: ByteSource, placed: PlacedMessage): Promise<void> {
    const { message } = placed;
    const wanted = wantedOfDictionary(this.#schema, this.#selection, placed);
    if (wanted === undefined || message.kind !== 'dictionary') return;
    const { id, delta, batch } = message;
    const type = dictionaryType(this.#schema, id);
    if (type === undefined) return;
    const own = this.#dictionaryBytes.get(id) ?? 0;
    const kept = [...this.#dictionaryBytes.values()].reduce((sum, bytes) => sum + bytes, delta ? 0 : -own);
    const buffers = await readBuffers(source, wanted, this.#maxBytes - kept);
    const bytes = [...buffers.values()].reduce((sum, buffer) => sum + buffer.length, delta ? own : 0);
    const builder = new VectorBuilder(batch, buffers, this.#dictionaries);
    const vector = builder.build(type, { node: 0, buffer: 0, variadic: 0 });
    this.#dictionaries.set(id, [...(delta ? (this.#dictionaries.get(id) ?? []) : []), vector]);
    this.#dictionaryBytes.set(id, bytes);
  }
}
