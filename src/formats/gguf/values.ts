import type { Cursor } from './cursor.ts';
import {
  type GgufArray,
  type GgufValue,
  MAX_KEY_BYTES,
  type NumberType,
  numberArrays,
  type ValueType,
  valueSizes,
  valueTypes,
} from './types.ts';

/** Arrays in arrays, and arrays in all: an empty one takes 12 bytes of the file, but far more of the memory. */
const MAX_DEPTH = 8;
const MAX_ARRAYS = 65_536;
/** The largest count that is read at all; what fits into the file and the header's limit is checked besides. */
const MAX_ITEMS = Number.MAX_SAFE_INTEGER;

/** Reads the key-value pairs of a header. */
export class MetadataReader {
  readonly #cursor: Cursor;
  #arrays = 0;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  read(count: number): Map<string, GgufValue> {
    const metadata = new Map<string, GgufValue>();
    for (let i = 0; i < count; i++) {
      const key = this.#cursor.string(`key ${i}`, MAX_KEY_BYTES);
      if (key === '') throw this.#cursor.fail('GGUF_HEADER', `Key ${i} is empty`);
      if (metadata.has(key)) throw this.#cursor.fail('GGUF_HEADER', `The key ${key} appears twice`);
      metadata.set(key, this.#value(key));
    }
    return metadata;
  }

  #value(key: string): GgufValue {
    const type = this.#type(key);
    switch (type) {
      case 'string':
        return { type, value: this.#cursor.string(key) };
      case 'bool':
        return { type, value: this.#cursor.bool(key) };
      case 'uint64':
        return { type, value: this.#cursor.u64(key) };
      case 'int64':
        return { type, value: this.#cursor.i64(key) };
      case 'array':
        return { type, value: this.#array(key, 1) };
      default:
        return { type, value: this.#number(key, type) };
    }
  }

  #type(key: string): ValueType {
    const id = this.#cursor.u32(`the type of ${key}`);
    const type = valueTypes[id];
    if (type === undefined) throw this.#cursor.fail('GGUF_HEADER', `${key} has the unknown value type ${id}`);
    return type;
  }

  #number(key: string, type: NumberType): number {
    switch (type) {
      case 'uint8':
        return this.#cursor.u8(key);
      case 'int8':
        return this.#cursor.i8(key);
      case 'uint16':
        return this.#cursor.u16(key);
      case 'int16':
        return this.#cursor.i16(key);
      case 'uint32':
        return this.#cursor.u32(key);
      case 'int32':
        return this.#cursor.i32(key);
      case 'float32':
        return this.#cursor.f32(key);
      case 'float64':
        return this.#cursor.f64(key);
    }
  }

  #array(key: string, depth: number): GgufArray {
    if (depth > MAX_DEPTH) throw this.#cursor.fail('GGUF_HEADER', `${key} nests arrays deeper than ${MAX_DEPTH}`);
    if (++this.#arrays > MAX_ARRAYS)
      throw this.#cursor.fail('GGUF_HEADER', `The metadata has more than ${MAX_ARRAYS} arrays`);
    const of = this.#type(key);
    const least = of === 'string' ? 8 : of === 'array' ? 12 : valueSizes[of];
    const count = this.#cursor.count(`the number of items of ${key}`, least, MAX_ITEMS);
    switch (of) {
      case 'string':
        return { of, items: this.#list(count, () => this.#cursor.string(key)) };
      case 'array':
        return { of, items: this.#list(count, () => this.#array(key, depth + 1)) };
      case 'bool':
        return { of, items: filled<number, Uint8Array>(new Uint8Array(count), () => (this.#cursor.bool(key) ? 1 : 0)) };
      case 'uint64':
        return { of, items: filled(new BigUint64Array(count), () => this.#cursor.u64(key)) };
      case 'int64':
        return { of, items: filled(new BigInt64Array(count), () => this.#cursor.i64(key)) };
      default:
        return { of, items: filled(new numberArrays[of](count), () => this.#number(key, of)) };
    }
  }

  /** Grows with what is read, not with what is claimed. */
  #list<T>(count: number, next: () => T): T[] {
    const items: T[] = [];
    while (items.length < count) items.push(next());
    return items;
  }
}

function filled<T, A extends { readonly length: number; [index: number]: T }>(items: A, next: () => T): A {
  for (let i = 0; i < items.length; i++) items[i] = next();
  return items;
}
